#!/usr/bin/env bash
# Kills and compares: run.sh [server program] [rounds] [further arguments of braid-crash]
set -eu
cd "$(dirname "$0")/../.."
braid=${1:-${CARGO_TARGET_DIR:-target}/release/braid}
rounds=${2:-50}
(($# > 2)) && shift 2 || shift $#
[[ -f $braid ]] || cargo build --release --package braid
exec cargo run --quiet --package braid-crash -- --braid "$braid" --rounds "$rounds" "$@"
