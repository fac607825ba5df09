"""The page in ``examples/browser`` does what ``monai_vlsm.runtime`` does, and loads nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
from test_runtime import IMAGES, TEXTS

from monai_vlsm.exporting.card import image_facts, text_facts, write_tokenizer
from monai_vlsm.runtime import Tokenizer, network_input, presence_score, resized

PAGE = Path(__file__).resolve().parents[2] / "examples" / "browser"
SCORE = {"share": 0.003, "most": 512}
LOGITS = np.random.default_rng(1).normal(size=(32, 32)).astype(np.float32)
PICTURES = {name: image for name, image in IMAGES.items() if image.size < 1e5 and image.dtype != bool}


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("build_page", PAGE / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def both(tokenizer, tmp_path_factory) -> tuple[dict, Tokenizer]:
    """What the JavaScript answers, and the tokenizer in Python."""
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not installed")
    file = tmp_path_factory.mktemp("page") / "tokenizer.json"
    write_tokenizer(tokenizer, file)
    card = {"image": image_facts(32), "text": text_facts(tokenizer, ""), "mask": {"score": SCORE}}
    images = [
        {"planes": np.moveaxis(np.atleast_3d(image), 2, 0).reshape(-1, image.shape[0] * image.shape[1]).tolist()}
        | dict(zip(("height", "width"), image.shape, strict=False))
        for image in PICTURES.values()
    ]
    answer = {"logits": LOGITS.ravel().tolist(), "height": 50, "width": 600}
    asked = {"card": card, "tokenizer": str(file), "texts": TEXTS, "images": images, "answer": answer}
    command = [node, "--no-warnings", str(Path(__file__).with_name("tokens.mjs"))]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), Tokenizer(json.loads(file.read_text(encoding="utf-8")), card["text"])


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:30])
def test_the_page_has_the_tokens_of_the_runtime(both, text):
    answers, tokenizer = both
    assert answers["tokens"][TEXTS.index(text)] == tokenizer(text)


@pytest.mark.parametrize("name", PICTURES)
def test_the_page_resizes_and_normalizes_as_the_runtime(both, name):
    expected = network_input(PICTURES[name], **image_facts(32))
    found = both[0]["inputs"][list(PICTURES).index(name)]
    np.testing.assert_allclose(np.array(found).reshape(expected.shape), expected, atol=1e-4)


def test_the_page_makes_of_logits_what_the_runtime_makes(both):
    expected = resized(LOGITS, (50, 600), antialias=False)
    np.testing.assert_allclose(np.array(both[0]["resized"]).reshape(50, 600), expected, atol=1e-5)
    assert both[0]["presence"] == pytest.approx(presence_score(expected, **SCORE), abs=1e-5)


def test_the_page_rounds_halves_as_the_runtime(both):
    """0.003 of 1,500 pixels are four and a half."""
    first = resized(LOGITS, (50, 600), antialias=False).ravel()[:1500].reshape(30, 50)
    assert both[0]["halves"] == pytest.approx(presence_score(first, **SCORE), abs=1e-5)


def test_a_page_whose_model_is_missing_says_so_whatever_is_clicked(tmp_path):
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    for name in ("app.js", "runtime.js"):
        shutil.copy(PAGE / name, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "ort.wasm.min.mjs").write_text("export const env = { wasm: {} };")
    script = Path(__file__).with_name("clicks.mjs")
    done = subprocess.run(["node", script, tmp_path], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["Error: model/card.json is not beside this page"] * 4, done.stderr


def test_the_page_empties_masks_of_what_is_not_there(both):
    assert any(both[0]["mask"])
    assert not any(both[0]["empty"])


def test_the_page_can_reach_nothing_but_its_own_folder():
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', (PAGE / "index.html").read_text())[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert (rules["default-src"], rules["connect-src"], rules["form-action"]) == ("'none'", "'self'", "'none'")
    assert set(" ".join(rules.values()).split()) <= {"'none'", "'self'", "'wasm-unsafe-eval'", "blob:", "data:"}
    files = [path for path in PAGE.iterdir() if path.is_file()]
    assert not [path.name for path in files if re.search(r"https?://", path.read_text(encoding="utf-8"))]


def test_the_built_folder_has_page_runtime_and_export(build, tmp_path):
    with tarfile.open(tmp_path / "package.tgz", "w:gz") as archive:
        for name in build.VENDORED:
            archive.addfile(member := tarfile.TarInfo(f"package/dist/{name}"), io.BytesIO(b""))
            assert member.size == 0
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "card.json").write_text("{}")
    build.build(tmp_path / "export", tmp_path / "site", tmp_path / "package.tgz")
    assert {path.name for path in (tmp_path / "site").iterdir()} == {*build.PAGE, *build.VENDORED, "model"}
    assert (tmp_path / "site" / "model" / "card.json").exists()


def test_nothing_is_begun_without_the_package(build, tmp_path):
    with pytest.raises(FileNotFoundError):
        build.build(tmp_path, tmp_path / "site", tmp_path / "package.tgz")
    assert not (tmp_path / "site").exists()


def test_a_calibrated_threshold_is_not_rounded():
    slider = re.search(r'<input id="threshold"[^>]*>', (PAGE / "index.html").read_text(encoding="utf-8"))[0]
    assert 'step="any"' in slider


def test_a_package_that_was_not_tried_is_refused(build, tmp_path, monkeypatch):
    monkeypatch.setattr(build.subprocess, "run", lambda *args, **options: None)
    (tmp_path / f"onnxruntime-web-{build.VERSION}.tgz").write_bytes(b"another")
    with pytest.raises(SystemExit, match="another checksum"):
        build.fetch(tmp_path)
