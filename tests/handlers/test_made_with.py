"""Tests of what a process says it runs on."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys

import pytest

from monai_vlsm.handlers import made_with
from monai_vlsm.handlers.made_with import _quoted


def test_what_numbers_depend_on_can_be_written_as_json(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"weights")
    told = json.loads(json.dumps(made_with("cpu", tmp_path / "model.pt")))
    assert told["checkpoint_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert told["versions"].keys() >= {"monai_vlsm", "monai", "torch", "transformers"}
    assert told["device"]


def test_without_a_checkpoint_there_is_no_checksum():
    assert made_with("cpu")["checkpoint_sha256"] is None


def test_the_command_is_the_one_that_was_typed(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["/home/someone/bin/python3", "-m", "monai.bundle", "run", "--a", "b c"])
    assert made_with("cpu")["command"] == "python -m monai.bundle run --a 'b c'"


@pytest.mark.parametrize("argument", ["['a','b']", "a b", "it's $HOME", 'say "it\'s"', "", "`a`'", "a!'"])
def test_a_quoted_argument_is_read_back_as_it_was(argument):
    assert shlex.split(_quoted(argument)) == [argument]


def test_no_password_in_an_address_is_noted():
    assert _quoted("--tracking_uri=https://me:p@ss@server/a@b") == "--tracking_uri=https://server/a@b"


def test_a_list_of_files_is_quoted_so_that_people_can_read_it():
    assert _quoted("['a.json','b.json']") == "\"['a.json','b.json']\""
