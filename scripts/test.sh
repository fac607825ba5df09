#!/usr/bin/env bash
# Check style, types, bundles and behaviour; sets itself up. Arguments go to pytest: scripts/test.sh tests/networks -k dense
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup_env.sh
python=.venv/bin/python
$python -m ruff format --check .
$python -m ruff check .
$python -m mypy
$python scripts/make_bundles.py --check
# One thread per process: two processes with two spinning threads each are slower than none.
export OMP_NUM_THREADS=1
$python -m pytest -n 2 --dist loadfile --cov monai_vlsm --cov-report term "$@"
