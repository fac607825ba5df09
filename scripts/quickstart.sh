#!/usr/bin/env bash
# From a fresh checkout to trained adapters, masks and numbers: phantom data, tiny backbone, two CPU cores, no network but
# the package index.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
EXTRAS= scripts/setup_env.sh
# Waiting threads that spin take the processor away from those that work, where other programs run too.
export OMP_WAIT_POLICY=passive
exec .venv/bin/python scripts/quickstart.py "$@"
