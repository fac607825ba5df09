"""The command line."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from raw_layouts import LAYOUTS

from monai_vlsm.__main__ import main
from monai_vlsm.data.sets import DATASETS
from monai_vlsm.errors import DataError, MissingFileError

COMMANDS = ("prepare", "new-bundle", "check", "predict", "package", "label-app", "to-nifti", "to-png")


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_is_there_for_every_command(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "usage: python -m monai_vlsm" in capsys.readouterr().out


def test_prepare_phantom_writes_it_and_says_how_much(tmp_path, capsys):
    main(["prepare", "phantom", "--out", str(tmp_path / "phantom")])
    printed = capsys.readouterr().out
    assert (tmp_path / "phantom" / "datalist.json").is_file()
    assert "training" in printed
    main(["prepare", "phantom", "--out", str(tmp_path / "phantom")])
    assert "all is there already" in capsys.readouterr().out


def test_an_unknown_data_set_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="'busy'"):
        main(["prepare", "busy", "--out", str(tmp_path)])


def test_prepare_prints_what_was_done_and_what_was_left_out(tmp_path, capsys):
    LAYOUTS["busi"](tmp_path / "raw", np.random.default_rng(0))
    (tmp_path / "raw" / "Dataset_BUSI_with_GT" / "benign" / "benign (1)_mask.png").unlink()
    command = ["prepare", "busi", "--source", str(tmp_path / "raw"), "--out", str(tmp_path / "busi")]
    main([*command, "--prompts", "generated"])
    printed = capsys.readouterr().out
    counts = re.findall(r"^(?:training|validation|test) +(\d+)", printed, re.MULTILINE)
    assert sum(map(int, counts)) == 11
    assert "64 x 48 (11) pixels" in printed
    assert "skipped    1: it has no mask (the first: 1_benign)" in printed
    main([*command, "--prompts", "generated"])
    assert "all is there already" in capsys.readouterr().out


def test_prepare_lists_every_data_set_with_terms_and_leaks(capsys):
    main(["prepare", "--list"])
    printed = capsys.readouterr().out
    assert all(f"\n{name} " in f"\n{printed}" for name in DATASETS)
    assert printed.count("terms: ") == len(DATASETS)
    assert "--split by_sequence" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], r"give what you have downloaded with --source: Dataset_BUSI\.zip"),
        (["--download"], "cannot be fetched without you"),
    ],
)
def test_prepare_without_a_source_says_what_to_get(tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        main(["prepare", "busi", "--out", str(tmp_path / "busi"), *options])


def test_a_download_that_is_no_archive_is_removed(tmp_path, monkeypatch, capsys):
    def give_a_page(url, path, *rest):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("<html>")
        return path

    monkeypatch.setattr("monai_vlsm.data.prepare.download.download", give_a_page)
    with pytest.raises(DataError, match=r"kvasir-seg\.zip gave is no zip archive, and was removed"):
        main(["prepare", "kvasir_seg", "--download", "--yes", "--out", str(tmp_path / "data" / "kvasir_seg")])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_download_shows_the_terms_first_and_stops_if_they_are_not_accepted(tmp_path, capsys):
    with pytest.raises(DataError, match="were not accepted: nothing was fetched"):
        main(["prepare", "kvasir_seg", "--download", "--out", str(tmp_path / "data" / "kvasir_seg")])
    assert "Research and education only" in capsys.readouterr().out
    assert not (tmp_path / "data").exists()


def test_predict_without_a_trained_bundle_says_so(tmp_path):
    command = [sys.executable, "-m", "monai_vlsm", "predict", str(tmp_path / "image.png"), "--bundle", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"there is no bundle in {str(tmp_path)!r}" in done.stderr


def test_the_same_error_is_an_exception_for_callers(tmp_path):
    with pytest.raises(MissingFileError):
        main(["predict", "image.png", "--bundle", str(tmp_path)])
