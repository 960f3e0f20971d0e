#!/usr/bin/env bash
# rdkafka against the server at BRAID_KAFKA; arguments select checks by parts of their names.
set -eu
cd "$(dirname "$0")"
exec cargo run --quiet --package braid-clients --bin lane-rdkafka -- "$@"
