#!/usr/bin/env bash
# boto3 against the server at BRAID_KINESIS; arguments select checks by parts of their names.
set -eu
cd "$(dirname "$0")"
[[ -x .venv/bin/python ]] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
PYTHONPATH=.. PYTHONDONTWRITEBYTECODE=1 exec .venv/bin/python lane.py "$@"
