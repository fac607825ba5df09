#!/usr/bin/env bash
# Run all tests with the oldest versions that setup.cfg allows; sets itself up in .venv-oldest (8 GB on Linux: PyTorch 2.8 comes
# from the package index with CUDA). Arguments go to pytest: scripts/test_oldest.sh tests/networks
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup_env.sh constraints-oldest.txt .venv-oldest
export OMP_NUM_THREADS=1
.venv-oldest/bin/python -m pytest -n 2 --dist loadfile "$@"
