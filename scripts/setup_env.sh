#!/usr/bin/env bash
# Make a virtual environment (.venv beside the README) and install the package with pinned versions (constraints.txt); does
# nothing when that is done. Another file and folder: scripts/setup_env.sh constraints-oldest.txt .venv-oldest
# EXTRAS= leaves out what only developers, DICOM, ONNX, Ray and LoRA need.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
constraints=${1:-constraints.txt} venv=${2:-.venv}
extras=${EXTRAS-dev}
key=$(cat "$constraints" setup.cfg pyproject.toml | cksum | cut -d' ' -f1)
stamp=$venv/installed-$extras-$key
if [ ! -e "$stamp" ] && [ ! -e "$venv/installed-dev-$key" ]; then
    echo "Installing into $PWD/$venv (once, some minutes) ..."
    "${PYTHON:-python3}" -m venv "$venv"
    # Bytecode is made of what is imported, at the end: making it of all that is installed takes longer than installing it.
    install() { "$venv/bin/python" -m pip install --quiet --no-compile "$@"; }
    # First the pinned PyTorch by itself: pip then keeps it, whatever build the machine's index offers.
    install "$(grep '^torch==' "$constraints")"
    install --constraint "$constraints" --editable ".${extras:+[$extras]}"
    PYTHONDONTWRITEBYTECODE= "$venv/bin/python" -c "import monai.bundle, monai_vlsm.handlers, monai_vlsm.predictor"
    rm -f "$venv"/installed-*
    touch "$stamp"
fi
