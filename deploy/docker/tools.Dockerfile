# The agent with what your scripts need: docker build --file deploy/docker/tools.Dockerfile --tag my-batch-agent .
ARG BASE=batch-agent
FROM ${BASE}
USER root
RUN apt-get update \
 && apt-get install -y --no-install-recommends curl jq postgresql-client python3 rsync \
 && rm -rf /var/lib/apt/lists/*
USER 1000:1000
