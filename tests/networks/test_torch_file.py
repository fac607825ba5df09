"""Files of strangers: whatever they are, one error, no code, and no more memory than the file has."""

import collections
import copy
import os
import pickle
import socket
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch

from monai_vlsm.errors import DataError
from monai_vlsm.networks.torch_file import read_torch_file, require_regular_file


class Call:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def saved(content):
    return lambda path: torch.save(content, path)


def written(content):
    return lambda path: path.write_bytes(content)


def zipped(records, compression=zipfile.ZIP_STORED):
    def write(path):
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in records.items():
                archive.writestr(name, content)

    return write


def compressed(path):
    """Four megabytes of zeros in a few kilobytes; gigabytes would go the same way."""
    torch.save({"a": torch.zeros(1 << 20)}, path)
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    zipped(records, zipfile.ZIP_DEFLATED)(path)


def overlapping(path):
    """A hundred records of the directory that point to the same megabyte."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}, protocol=2))
        archive.writestr("a/data/0", bytes(1 << 20))
        for index in range(1, 100):
            twin = copy.copy(archive.getinfo("a/data/0"))
            twin.filename = f"a/data/{index}"
            archive.filelist.append(twin)


def legacy(path):
    torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=False)


def pipe(path):
    os.mkfifo(path)


def plug(path):
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(os.path.relpath(path))


def linked(target):
    return lambda path: path.symlink_to(target)


def loop(path):
    path.symlink_to(path)


def huge_hole(path):
    with path.open("wb") as file:
        file.truncate(5 << 30)


def script(path):
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), path)


def no_code_but_memory(path):
    torch.save({"a": Call(bytearray, 1 << 33)}, path)


ODD_FILES = {
    "empty": written(b""),
    "text": written(b"hello\n"),
    "JSON": written(b'{"a": 1}'),
    "zeros": written(bytes(100_000)),
    "bare pickle": written(pickle.dumps({"a": 1})),
    "numpy": written(b"\x93NUMPY" + bytes(100)),
    "zip without pickle": zipped({"readme.txt": "hello"}),
    "empty zip": zipped({}),
    "two pickles": zipped({"a/data.pkl": pickle.dumps(1), "b/data.pkl": pickle.dumps(1)}),
    "pickle of noise": zipped({"a/data.pkl": bytes(range(256)), "a/version": "3\n", "a/byteorder": "little"}),
    "pickle without end": zipped({"a/data.pkl": b"\x80\x02}", "a/version": "3\n", "a/byteorder": "little"}),
    "text of two gigabytes": zipped({"a/data.pkl": b"\x80\x02X" + struct.pack("<L", 2**31) + b"abc", "a/version": "3"}),
    "code": saved({"a": Call(os.getcwd)}),
    "print": saved({"a": Call(print, "sprung")}),
    "bytearray of eight gigabytes": no_code_but_memory,
    "tensor of forty gigabytes": saved({"a": Call(torch.Tensor, 10**10)}),
    "quantized": saved({"a": torch.quantize_per_tensor(torch.zeros(3), 1.0, 0, torch.quint8)}),
    "sparse": saved({"a": torch.eye(3).to_sparse()}),
    "meta": saved({"a": torch.zeros(3, device="meta")}),
    "complex": saved({"a": torch.zeros(3, dtype=torch.complex64)}),
    "set": saved({"a": {1}}),
    "counter": saved(collections.Counter("aab")),
    "whole module": saved(torch.nn.Linear(2, 2)),
    "compressed": compressed,
    "overlapping": overlapping,
    "format of 2019": legacy,
    "TorchScript": script,
    "folder": Path.mkdir,
    "pipe": pipe,
    "socket": plug,
    "/dev/zero": linked("/dev/zero"),
    "/dev/null": linked("/dev/null"),
    "link to itself": loop,
    "five gigabytes of nothing": huge_hole,
}


@pytest.fixture
def odd_file(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pt"
    ODD_FILES[request.param](path)
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("odd_file", list(ODD_FILES), indirect=True)
def test_odd_file_is_one_error_that_names_it(odd_file, capsys):
    tracemalloc.start()
    with pytest.raises(DataError, match=r"model\.pt"):
        read_torch_file(odd_file)
    assert tracemalloc.get_traced_memory()[1] < 64e6
    tracemalloc.stop()
    assert "sprung" not in capsys.readouterr().out


CONTENTS = [
    {"model": {"a": torch.arange(3.0)}, "epoch": 3, "rate": 0.1, "name": "x", "more": [None, True, (1, 2)]},
    collections.OrderedDict(a=torch.zeros(2, 3).half(), b=torch.zeros(2, dtype=torch.uint8)),
    {"a": torch.nn.Parameter(torch.zeros(3)), "b": torch.zeros(4, dtype=torch.int64), "c": torch.ones(2).bfloat16()},
]


@pytest.mark.parametrize("content", CONTENTS, ids=["nested", "ordered", "kinds"])
def test_what_handlers_save_is_read(tmp_path, content):
    torch.save(content, tmp_path / "model.pt")
    assert str(read_torch_file(tmp_path / "model.pt")) == str(content)


def test_optimizer_beside_the_network_is_read(tmp_path):
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.zeros(1, 2)).mean().backward()
    optimizer.step()
    content = {"model": layer.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(content, tmp_path / "model.pt")
    assert str(read_torch_file(tmp_path / "model.pt")) == str(content)


def test_larger_files_than_permitted_are_named_with_their_size(tmp_path):
    (tmp_path / "vocab.json").write_bytes(bytes(3_000_000))
    with pytest.raises(DataError, match=r"vocab\.json' has 3 MB, at most 1 MB are read"):
        require_regular_file(tmp_path / "vocab.json", most_bytes=1_000_000)


def test_view_of_three_gigabytes_on_one_value_costs_nothing(tmp_path):
    torch.save({"a": torch.zeros(1).expand(3 << 30)}, tmp_path / "model.pt")
    assert read_torch_file(tmp_path / "model.pt")["a"].untyped_storage().nbytes() == 4


@pytest.mark.parametrize(("write", "reason"), [(overlapping, "records overlap"), (compressed, "record is compressed")])
def test_small_file_that_claims_much_is_refused_for_that(tmp_path, write, reason):
    write(tmp_path / "model.pt")
    with pytest.raises(DataError, match=reason):
        read_torch_file(tmp_path / "model.pt")
