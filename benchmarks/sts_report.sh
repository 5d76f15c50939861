#!/bin/sh
# The dated example of docs/: every method that needs no download on the sarcomas STS_021..031, after a first click.
# usage: benchmarks/sts_report.sh STS_FOLDER OUT [further options of sam-pet evaluate, such as --method medsam-lite]
# What is done is not run again: stop it and start it as you like.
set -eu
cases=$1
out=$2
shift 2
names=$(seq -f 'STS_%03g' -s, 21 31)
exec sam-pet evaluate --cases "$cases" --names "$names" --out "$out" \
    --reader scribble-mixed --start click --steps 5 --workers "${WORKERS:-2}" \
    --method sam-pet --method unet-click --method sam2-stock --method sam2-slices \
    --method random-walker --method geodesic \
    --method threshold41 --method threshold50 --method suv4 --method percist "$@"
