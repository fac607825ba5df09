#!/usr/bin/env bash
# Make .venv-label beside the README: MONAI Label with this package. Does nothing when that is done.
# MONAI Label 0.8.5 needs numpy < 2 and older pydicom, hence an environment of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=.venv-label
stamp=$venv/installed-$(cat constraints.txt setup.cfg pyproject.toml scripts/label_env.sh | cksum | cut -d' ' -f1)
[ ! -e "$stamp" ] || exit 0
echo "Installing MONAI Label into $PWD/$venv (once, some minutes) ..."
for base in ${PYTHON:+"$PYTHON"} python3 python3.11 python3.12; do
    if "$base" -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))" 2>/dev/null; then
        "$base" -m venv --clear "$venv"
        break
    fi
    base=
done
[ -n "$base" ] || { echo "This needs Python 3.11 or 3.12; set PYTHON to one." >&2; exit 1; }
python=$venv/bin/python
install() { "$python" -m pip install --quiet --quiet --no-compile "$@"; }
install --upgrade "pip>=25.3" "setuptools<81" wheel

# First the pinned PyTorch by itself, then all else on exactly this build, whatever the machine's index offers.
install "$(grep '^torch==' constraints.txt)"
grep -Ev '^(numpy|jsonschema|pandas|pyarrow|pydicom|setuptools)==' constraints.txt >"$venv/constraints.txt"
"$python" -c "from importlib.metadata import version; print('torch==' + version('torch'))" >>"$venv/constraints.txt"
sed -i '/^torch==[0-9.]*$/d' "$venv/constraints.txt"

# sam2, which MONAI Label requires and we do not use, asks for PyTorch while it is built: give it the installed one.
SAM2_BUILD_CUDA=0 install --no-build-isolation --constraint "$venv/constraints.txt" sam2==1.1.0
# pydicom-seg 0.4.1, which the server imports, works with pydicom < 3 only, and that caps two more.
install --constraint "$venv/constraints.txt" --editable ".[lora]" monailabel==0.8.5 "jsonschema<4" \
    "pydicom<3" "pynetdicom<3" "dicomweb-client<0.60" "setuptools<81" pytest

# torchvision's own operators are missing where PyTorch is of another build (CPU and CUDA): the server imports it,
# we use none of them. Declaring the two that it registers, just before it is imported, is enough; both packages stay
# as they were installed.
if ! "$python" -W ignore -c "import torchvision" 2>/dev/null; then
    packages=$("$python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
    cat >"$packages/torchvision_operators.py" <<'PYTHON'
import sys


class DeclareOperators:
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            self.library = torch.library.Library("torchvision", "DEF")
            self.library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            self.library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


declare_operators = DeclareOperators()
sys.meta_path.insert(0, declare_operators)
PYTHON
    echo "import torchvision_operators" >"$packages/torchvision_operators.pth"
fi
# This makes the bytecode as well, of what is imported: making it of all that is installed takes longer than installing it.
PYTHONDONTWRITEBYTECODE= "$python" -W ignore -c "import monai_vlsm.monai_label.api, torchvision, monai_vlsm.predictor"
touch "$stamp"
