#!/usr/bin/env bash
# Make a virtual environment (.venv beside the README) and install the package with pinned versions (constraints.txt); does
# nothing when that is done. Another file and folder: scripts/setup_env.sh constraints-oldest.txt .venv-oldest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
constraints=${1:-constraints.txt} venv=${2:-.venv}
stamp=$venv/installed-$(cat "$constraints" setup.cfg pyproject.toml | cksum | cut -d' ' -f1)
if [ ! -e "$stamp" ]; then
    echo "Installing into $PWD/$venv (once, some minutes) ..."
    "${PYTHON:-python3}" -m venv "$venv"
    # First the pinned PyTorch by itself: pip then keeps it, whatever build the machine's index offers.
    "$venv/bin/python" -m pip install --quiet "$(grep '^torch==' "$constraints")"
    "$venv/bin/python" -m pip install --quiet --constraint "$constraints" --editable ".[dev]"
    rm -f "$venv"/installed-*
    touch "$stamp"
fi
