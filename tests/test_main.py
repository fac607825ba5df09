"""The command line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from raw_layouts import LAYOUTS

import monai_vlsm
from monai_vlsm.__main__ import CLOSED_PIPE, main
from monai_vlsm.data import phantom
from monai_vlsm.data.sets import DATASETS
from monai_vlsm.errors import DataError, MissingFileError

COMMANDS = ("prepare", "new-bundle", "check", "predict", "package", "label-app", "to-nifti", "to-png", "compare")


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_is_there_for_every_command(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "usage: python -m monai_vlsm" in capsys.readouterr().out


@pytest.mark.parametrize("script", ["/opt/venv/bin/monai-vlsm", "monai-vlsm.exe"])
@pytest.mark.parametrize("arguments", [["--help"], ["prepare", "--help"]], ids=["all", "prepare"])
def test_help_names_the_console_script_that_was_called(script, arguments, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    with pytest.raises(SystemExit):
        main()
    assert "usage: monai-vlsm " in capsys.readouterr().out


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"monai_vlsm {monai_vlsm.__version__}\n"


def run_with_closed_output(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with an output that nobody reads any more, as behind ``| head``."""
    unread, output = os.pipe()
    os.close(unread)
    command = [sys.executable, "-m", "monai_vlsm", *arguments]
    try:
        return subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(output)


@pytest.mark.parametrize(
    "arguments", [["prepare", "--list"], ["--help"], ["--version"], ["prepare", "--help"]], ids=" ".join
)
def test_output_that_nobody_reads_to_its_end_is_no_error(arguments):
    done = run_with_closed_output(*arguments)
    assert done.stderr == ""
    # argparse passes over what it could not print.
    assert done.returncode in ((0, CLOSED_PIPE) if "--help" in arguments else (CLOSED_PIPE,))


def test_an_error_is_told_when_nobody_reads_the_output(tmp_path):
    done = run_with_closed_output("prepare", "busy", "--out", str(tmp_path))
    assert done.returncode == 1
    assert "'busy'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", ["prepare --list", "--version"])
def test_a_process_without_output_can_run_commands(arguments):
    shell = f'exec "{sys.executable}" -m monai_vlsm {arguments} >&-'
    done = subprocess.run(["sh", "-c", shell], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to write to")
def test_output_on_a_full_disk_is_a_named_error():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "monai_vlsm", "prepare", "--list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "error: the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_pipe_that_breaks_elsewhere_is_an_error(tmp_path):
    code = (
        "import sys, monai_vlsm.__main__ as command_line\n"
        "def fail(parsed):\n    raise BrokenPipeError('of a worker')\n"
        "command_line.prepare._run = fail\n"
        "sys.exit(command_line.main(['prepare', '--list']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "BrokenPipeError: of a worker" in done.stderr


@pytest.mark.parametrize("option", [["--source", "BUSI.zip"], ["--download"]], ids=str)
def test_the_phantom_is_drawn_from_nothing(tmp_path, option):
    with pytest.raises(DataError, match="the phantom is drawn"):
        main(["prepare", "phantom", "--out", str(tmp_path / "phantom"), *option])
    assert not (tmp_path / "phantom").exists()


def test_prepare_phantom_writes_it_and_says_how_much(tmp_path, capsys, monkeypatch):
    few = {"training": 2, "validation": 1, "test": 1}
    monkeypatch.setattr(phantom, "write_phantom", partial(phantom.write_phantom, counts=few))
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
    assert f"sha256 of the archive: {DATASETS['tn3k'].checksums['the archive']}" in printed
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
