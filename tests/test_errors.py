"""Tests of telling errors in one message."""

import os
import subprocess
import sys

import pytest
from monai.bundle import ConfigParser
from torch._utils import ExceptionWrapper
from torch.utils.data import DataLoader, Dataset

from monai_vlsm.errors import DataError, MissingFileError, UserError, show_user_errors_plainly

MESSAGE = "the image 'a.png' is damaged."
SEVERAL_LINES = "there is no backbone. Choose one:\n  1. fetch it\n  2. point to a folder"
HINT = "(MONAI_VLSM_TRACEBACK=1 shows the whole traceback)"


@pytest.fixture
def told(monkeypatch, capsys):
    """Return a function that says what is shown of an uncaught error."""
    monkeypatch.delenv("MONAI_VLSM_TRACEBACK", raising=False)
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)

    def tell(error):
        show_user_errors_plainly()
        sys.excepthook(type(error), error, error.__traceback__)
        return capsys.readouterr().err

    return tell


def caught(function):
    with pytest.raises(Exception) as error:  # noqa: PT011
        function()
    return error.value


def raise_in_layers(innermost, chained=True):
    """Raise an error as MONAI does: every layer makes a RuntimeError of it."""
    try:
        try:
            raise innermost
        except Exception as error:
            if chained:
                raise RuntimeError("applying transform LoadImageAnyd") from error
            raise RuntimeError("applying transform LoadImageAnyd")  # noqa: B904
    except RuntimeError as error:
        raise RuntimeError("Failed to evaluate $@trainer.run()") from error


@pytest.mark.parametrize(("kind", "built_in"), [(DataError, ValueError), (MissingFileError, FileNotFoundError)])
def test_user_errors_are_also_of_the_built_in_kind(kind, built_in):
    assert issubclass(kind, UserError)
    assert issubclass(kind, built_in)


@pytest.mark.parametrize("kind", [UserError, DataError, MissingFileError])
def test_a_user_error_shows_its_message_and_the_way_to_see_more(told, kind):
    assert told(kind(MESSAGE)) == f"\nerror: {MESSAGE}\n{HINT}\n"


@pytest.mark.parametrize("chained", [True, False])
def test_a_wrapped_user_error_shows_its_own_message_only(told, chained):
    error = caught(lambda: raise_in_layers(DataError(MESSAGE), chained))
    assert told(error) == f"\nerror: {MESSAGE}\n{HINT}\n"


def raise_twice():
    try:
        raise DataError("tensors are missing.")
    except DataError as error:
        raise DataError(f"'model.pt': {error}") from error


def test_of_two_user_errors_the_outer_one_is_shown(told):
    """It has the name of the file, the inner one only the reason."""
    assert "error: 'model.pt': tensors are missing.\n" in told(caught(raise_twice))


def test_all_lines_of_a_message_are_shown(told):
    assert f"error: {SEVERAL_LINES}\n" in told(DataError(SEVERAL_LINES))


def test_other_errors_keep_their_traceback(told):
    shown = told(caught(lambda: raise_in_layers(ZeroDivisionError("division by zero"))))
    assert "Traceback (most recent call last)" in shown
    assert "ZeroDivisionError: division by zero" in shown
    assert "Failed to evaluate" in shown


def test_the_variable_keeps_the_traceback_of_everything(told, monkeypatch):
    monkeypatch.setenv("MONAI_VLSM_TRACEBACK", "1")
    shown = told(caught(lambda: raise_in_layers(DataError(MESSAGE))))
    assert "Traceback (most recent call last)" in shown
    assert HINT not in shown


def test_showing_plainly_twice_is_as_good_as_once(told):
    show_user_errors_plainly()
    assert told(DataError(MESSAGE)).count(MESSAGE) == 1


def test_ctrl_c_shows_what_can_be_done_next_and_no_traceback(told):
    assert told(KeyboardInterrupt()) == "\nstopped by Ctrl-C\n"
    stopped = KeyboardInterrupt()
    stopped.add_note("go on with --resume True")
    assert told(stopped) == "\nstopped by Ctrl-C\ngo on with --resume True\n"


# Errors from data loading and from bundles


class Failing(Dataset):
    """A data set of one item that cannot be loaded."""

    def __init__(self, fail):
        self.fail = fail

    def __len__(self):
        return 1

    def __getitem__(self, index):
        self.fail()


def load_elsewhere(fail):
    """Return the error that a data loading process hands over, made as such a process makes it, but in this one."""
    try:
        fail()
    except Exception:
        return caught(ExceptionWrapper(where="in DataLoader worker process 0").reraise)


def raise_plainly(error):
    raise error


@pytest.mark.parametrize("raise_it", [raise_plainly, raise_in_layers])
@pytest.mark.parametrize("error", [DataError(MESSAGE), MissingFileError(SEVERAL_LINES)])
def test_an_error_in_a_data_loading_process_shows_its_message_only(told, error, raise_it):
    assert told(load_elsewhere(lambda: raise_it(error))) == f"\nerror: {error}\n{HINT}\n"


def test_an_error_in_a_real_data_loading_process_shows_its_message_only(told):
    dataset = Failing(lambda: raise_in_layers(DataError(MESSAGE)))
    loader = DataLoader(dataset, num_workers=1, multiprocessing_context="fork", timeout=60)
    assert told(caught(lambda: list(loader))) == f"\nerror: {MESSAGE}\n{HINT}\n"


def test_of_two_user_errors_in_a_data_loading_process_the_outer_one_is_shown(told):
    assert told(load_elsewhere(raise_twice)) == f"\nerror: 'model.pt': tensors are missing.\n{HINT}\n"


def test_another_error_in_a_data_loading_process_keeps_its_traceback(told):
    assert "Traceback" in told(load_elsewhere(lambda: raise_plainly(KeyError("prompt"))))


def test_an_error_in_a_bundle_shows_its_message_only(told, tmp_path):
    dataset = {
        "_target_": "Dataset",
        "data": [{"image": str(tmp_path / "none.png")}],
        "transform": {"_target_": "monai_vlsm.transforms.LoadImageAnyd", "keys": "image"},
    }
    parser = ConfigParser({"dataset": dataset, "first": "$@dataset[0]"})
    error = caught(lambda: parser.get_parsed_content("first"))
    assert not isinstance(error, UserError)
    assert told(error) == f"\nerror: there is no file {str(tmp_path / 'none.png')!r}.\n{HINT}\n"


# Processes

BARE = f"raise DataError({MESSAGE!r})"


def run(folder, code, **environment):
    """Run a script that shows errors plainly."""
    (folder / "script.py").write_text(
        f"from monai_vlsm.errors import DataError, show_user_errors_plainly\nshow_user_errors_plainly()\n{code}\n"
    )
    kept = {name: value for name, value in os.environ.items() if name != "MONAI_VLSM_TRACEBACK"}
    return subprocess.run(
        [sys.executable, str(folder / "script.py")],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_process_ends_with_the_message_and_status_1(tmp_path):
    process = run(tmp_path, BARE)
    assert (process.returncode, process.stdout, process.stderr) == (1, "", f"\nerror: {MESSAGE}\n{HINT}\n")


def test_a_process_shows_all_if_asked(tmp_path):
    process = run(tmp_path, BARE, MONAI_VLSM_TRACEBACK="1")
    assert process.returncode == 1
    assert process.stderr.startswith("Traceback (most recent call last)")


def test_a_process_shows_the_traceback_of_other_errors(tmp_path):
    process = run(tmp_path, "1 / 0")
    assert process.returncode == 1
    assert process.stderr.startswith("Traceback (most recent call last)")
    assert process.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_another_hook_gets_the_errors_that_are_not_the_users(monkeypatch):
    seen = []
    monkeypatch.delenv("MONAI_VLSM_TRACEBACK", raising=False)
    monkeypatch.setattr(sys, "excepthook", lambda *arguments: seen.append(arguments))
    show_user_errors_plainly()
    error = ValueError("a fault of the program")
    sys.excepthook(ValueError, error, None)
    assert seen == [(ValueError, error, None)]


def test_a_second_call_changes_nothing(monkeypatch):
    monkeypatch.delenv("MONAI_VLSM_TRACEBACK", raising=False)
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    show_user_errors_plainly()
    first = sys.excepthook
    show_user_errors_plainly()
    assert sys.excepthook is first


def test_an_error_is_told_once_when_another_hook_wraps_the_plain_one(monkeypatch, capsys):
    monkeypatch.delenv("MONAI_VLSM_TRACEBACK", raising=False)
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    show_user_errors_plainly()
    plain = sys.excepthook
    monkeypatch.setattr(sys, "excepthook", lambda *arguments: plain(*arguments))
    show_user_errors_plainly()
    sys.excepthook(DataError, DataError(MESSAGE), None)
    assert capsys.readouterr().err.count(MESSAGE) == 1
