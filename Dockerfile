# batch-agent with bash and git. Batches at /batches.d, history at /data; the root file system may be read-only.
#
#   docker build -t batch-agent .
#   docker run --rm -p 127.0.0.1:8080:8080 -v ./batches.d:/batches.d:ro -v batch-agent:/data --read-only --tmpfs /tmp --stop-timeout 40 batch-agent

FROM node:26-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY schemas schemas
COPY agent agent
RUN npm run build && chmod +x dist/main.js

FROM node:26-slim AS deps
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:26-slim
# openssh-client: for --git-url over ssh; tzdata: for `date` in scripts.
RUN apt-get update \
 && apt-get install -y --no-install-recommends bash ca-certificates git openssh-client tini tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && ln -s /app/dist/main.js /usr/local/bin/batch-agent \
 && mkdir /data /batches.d \
 && chown 1000:1000 /data
WORKDIR /app
COPY --from=deps /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY schemas schemas
ENV NODE_ENV=production BATCH_AGENT_HOST=0.0.0.0 BATCH_AGENT_DATA=/data
USER 1000:1000
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.BATCH_AGENT_PORT || 8080}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# `run` without a folder takes batches.d, which is /batches.d here, or the repository of BATCH_AGENT_GIT_URL.
WORKDIR /
# tini reaps what scripts leave behind and hands signals on.
ENTRYPOINT ["tini", "--", "node", "/app/dist/main.js"]
CMD ["run"]
