#!/bin/sh
# Write the tarball to upload: infer/export.sh [FILE]
set -eu
engine="${ENGINE:-docker}"
file="${1:-sam-pet-autopet5.tar.gz}"
# Whole or absent: a tarball cut short uploads as well, and fails a day later.
partial="$file.partial"
trap 'rm -f "$partial"' EXIT
"$engine" save --output "$partial.tar" sam-pet-autopet5 || { rm -f "$partial.tar"; exit 1; }
gzip --fast --stdout "$partial.tar" > "$partial"
rm -f "$partial.tar"
mv "$partial" "$file"
ls -lh "$file"
