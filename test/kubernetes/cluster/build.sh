#!/usr/bin/env bash
# Builds the Kubernetes programs for the tests into a cache outside the repository and prints the binary's path.
# Takes about 8 minutes on two cores with a cold cache, 3 GB of memory and 4 GB of disk; a moment when it is there.
# usage: build.sh [--path]      --path: only prints where the binary is or would be
set -euo pipefail
cd "$(dirname "$0")"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/batch-agent-cluster
# A binary of other sources is another file, so an old one is never taken for this one.
binary=$cache/cluster-$(cat go.mod go.sum main.go | sha256sum | cut -c 1-12)
if [ "${1:-}" = --path ]; then
  echo "$binary"
  exit
fi
if [ ! -x "$binary" ]; then
  # Built from a copy: a checkout of another branch meanwhile must not take the sources away.
  mkdir -p "$cache/source"
  cp go.mod go.sum main.go "$cache/source"
  cd "$cache/source"
  version=$(sed -n 's#^\tk8s.io/kubernetes \(v[0-9.]*\)$#\1#p' go.mod)
  minor=${version#v1.}
  set_version="-X k8s.io/component-base/version.gitVersion=$version -X k8s.io/component-base/version.gitMajor=1"
  set_version+=" -X k8s.io/component-base/version.gitMinor=${minor%%.*} -X k8s.io/client-go/pkg/version.gitVersion=$version"
  # One package at a time leaves a core to others.
  CGO_ENABLED=0 GOTOOLCHAIN=local nice go build -p "${CLUSTER_BUILD_JOBS:-1}" -trimpath -ldflags "-s -w $set_version" -o "$binary.new" .
  mv "$binary.new" "$binary"
  find "$cache" -maxdepth 1 -name 'cluster-*' ! -path "$binary" -delete
fi
echo "$binary"
