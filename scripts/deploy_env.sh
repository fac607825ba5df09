#!/usr/bin/env bash
# Make .venv-deploy beside .venv: MONAI Deploy's App SDK on the packages of .venv. Does nothing when that is done.
# It is for tests on a machine without a GPU. The SDK's own requirements (numpy < 2, CuPy) are not all installed: what
# runs the operator for bundles is, and nothing of it is replaced.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=.venv-deploy
stamp=$venv/installed-$(cat constraints.txt scripts/deploy_env.sh | cksum | cut -d' ' -f1)
[ ! -e "$stamp" ] || exit 0
echo "Installing MONAI Deploy into $PWD/$venv (once) ..."
.venv/bin/python -m venv --clear --without-pip "$venv"
packages=$("$venv/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
install() { .venv/bin/python -m pip --python "$venv/bin/python" install --quiet --quiet --no-compile "$@"; }

# MONAI once more: the SDK is a folder in it.
install --no-deps "$(grep '^monai==' constraints.txt)" monai-deploy-app-sdk==3.5.0 holoscan-cu12==3.10.0 \
    nvidia-cuda-runtime-cu12 "wheel-axle-runtime<1" "setuptools<81" typeguard colorama "cloudpickle<4" filelock holoscan-cli
# Read before Holoscan's own file of this kind, which wants pip: they are read in the order of their names.
.venv/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" >"$packages/_shared.pth"
install "tritonclient[http,grpc]>=2.53"
# Holoscan looks for CUDA's runtime where a GPU's driver would have put it.
cat >"$packages/cuda_runtime.pth" <<'PYTHON'
import ctypes, nvidia.cuda_runtime as runtime; ctypes.CDLL(f"{list(runtime.__path__)[0]}/lib/libcudart.so.12", ctypes.RTLD_GLOBAL)
PYTHON
"$venv/bin/python" -W ignore -c "import monai.deploy.operators.monai_bundle_inference_operator"
touch "$stamp"
