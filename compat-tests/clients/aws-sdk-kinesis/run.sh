#!/usr/bin/env bash
# The AWS SDK for Rust against the server at BRAID_KINESIS; arguments select checks by parts of their names.
set -eu
cd "$(dirname "$0")"
exec cargo run --quiet --package braid-clients --bin lane-aws-sdk-kinesis -- "$@"
