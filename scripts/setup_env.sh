#!/usr/bin/env bash
# Make .venv beside the README and install the package with the pinned versions; does nothing when that is done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
stamp=.venv/installed-$(cat constraints.txt setup.cfg pyproject.toml | cksum | cut -d' ' -f1)
if [ ! -e "$stamp" ]; then
    echo "Installing into $PWD/.venv (once, some minutes) ..."
    "${PYTHON:-python3}" -m venv .venv
    # First the pinned PyTorch by itself: pip then keeps it, whatever build the machine's index offers.
    .venv/bin/python -m pip install --quiet "$(grep '^torch==' constraints.txt)"
    .venv/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
    rm -f .venv/installed-*
    touch "$stamp"
fi
