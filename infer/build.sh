#!/bin/sh
# Build the image. Arguments go to the engine, such as --build-arg TORCH=2.10.0
set -eu
cd "$(dirname "$0")/.."
engine="${ENGINE:-docker}"
exec "$engine" build --platform linux/amd64 --file infer/Dockerfile --tag sam-pet-autopet5 "$@" .
