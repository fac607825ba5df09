#!/usr/bin/env bash
# Check style, types, bundles and behavior; sets itself up. Arguments go to pytest: scripts/test.sh tests/networks -k dense
# --cov monai_vlsm tells which lines were run, and takes half as long again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Many processes start here: what one has compiled, the next one reads.
unset PYTHONDONTWRITEBYTECODE

# What keeps one core busy runs beside the rest, in a process group of its own that ends when this script does.
beside=
trap 'for group in $beside; do kill -- "-$group" 2>/dev/null || true; done' EXIT
start_beside() {
    set -m
    "$@" &
    set +m
    beside="$beside $!"
}

if [ $# -eq 0 ]; then
    start_beside scripts/label_env.sh
    label_env=$!
fi
scripts/setup_env.sh
python=.venv/bin/python
$python -m ruff format --check .
$python -m ruff check .
start_beside $python -m mypy
types=$!
$python scripts/bundles/make.py --check
$python -m sphinx -W --keep-going -q -b html docs build/docs
wait "$types"
# One thread per process: two processes with two spinning threads each are slower than none.
export OMP_NUM_THREADS=1
# In the order of the files: the few tests of the longest files would come last, and one of the two workers would wait.
pytest="$python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0"
if [ $# -gt 0 ]; then
    exec $pytest "$@"
fi
$pytest --ignore tests/monai_label
# MONAI Label lives in an environment of its own, with an older numpy. Without it, its tests say that they are skipped.
test_with_label_env() {
    .venv-label/bin/python -m pytest -p no:cacheprovider tests/transforms tests/inferers tests/test_predictor.py \
        tests/predicting/test_plan.py tests/monai_label/test_app.py tests/monai_label/test_datastore.py
}
older_numpy=
if wait "$label_env"; then
    start_beside test_with_label_env >build/older_numpy.log 2>&1
    older_numpy=$!
else
    echo "The environment with MONAI Label could not be made (the reason is above): its tests are skipped." >&2
fi
# One worker: two servers that start at the same time keep each other from starting.
$pytest -n 0 --durations 5 tests/monai_label
if [ -n "$older_numpy" ]; then
    wait "$older_numpy" || failed=$?
    cat build/older_numpy.log
    exit "${failed:-0}"
fi
