"""Put the page, onnxruntime-web from npm and an export into one folder that any file server can serve."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
VERSION = "1.30.0"
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
VENDORED = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
PAGE = ("index.html", "style.css", "app.js", "runtime.js")


def fetch(folder: Path) -> Path:
    """Return the package onnxruntime-web as npm gives it, if it is the one that was tried."""
    subprocess.run(["npm", "pack", f"onnxruntime-web@{VERSION}", "--silent"], cwd=folder, check=True)
    package = folder / f"onnxruntime-web-{VERSION}.tgz"
    if hashlib.sha256(package.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{package.name} is not the package that was tried (another checksum): nothing was built.")
    return package


def build(export: Path, out: Path, package: Path | None = None) -> None:
    """Write the folder; ``package`` is a file of ``npm pack`` that is there already."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(package or fetch(Path(folder))) as archive:
        out.mkdir(parents=True)
        for name in PAGE:
            shutil.copy(HERE / name, out)
        shutil.copytree(export, out / "model")
        for name in VENDORED:
            member = archive.extractfile(f"package/dist/{name}")
            (out / name).write_bytes(member.read())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("export", type=Path, help="folder that 'monai-vlsm export --format onnx' wrote")
    parser.add_argument("--out", type=Path, default=Path("build/browser"), help="folder to make (default: %(default)s)")
    options = parser.parse_args()
    build(options.export, options.out)
    print(f"python -m http.server --bind 127.0.0.1 --directory {options.out}")
