#!/usr/bin/env bash
# How fast the server is ready, how much memory it takes when idle, how large it is; and how it
# refuses and stops. Its argument is a release binary.
set -eu
exec python3 "$(dirname "${BASH_SOURCE[0]}")/start.py" "$@"
