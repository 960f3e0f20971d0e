#!/usr/bin/env bash
# What one protocol writes, the other reads: BRAID_KAFKA and BRAID_KINESIS; arguments select checks by parts of their names.
set -eu
cd "$(dirname "$0")"
exec cargo run --quiet --package braid-clients --bin lane-crossing -- "$@"
