"""The command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from monai_vlsm.__main__ import main
from monai_vlsm.errors import DataError, MissingFileError


@pytest.mark.parametrize("command", [[], ["prepare"], ["new-bundle"], ["check"], ["predict"]])
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


def test_a_data_set_without_converter_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="'busy'"):
        main(["prepare", "busy", "--out", str(tmp_path)])


def test_predict_without_a_trained_bundle_says_so(tmp_path):
    command = [sys.executable, "-m", "monai_vlsm", "predict", str(tmp_path / "image.png"), "--bundle", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"there is no bundle in {str(tmp_path)!r}" in done.stderr


def test_the_same_error_is_an_exception_for_callers(tmp_path):
    with pytest.raises(MissingFileError):
        main(["predict", "image.png", "--bundle", str(tmp_path)])
