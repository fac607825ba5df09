"""Tests of finding the folder of the bundle that is being run."""

import os

import pytest

from monai_vlsm.bundle.root import bundle_root


@pytest.mark.parametrize(("folder", "expected"), [("bundles/busi", os.path.join("bundles", "busi")), ("other", ".")])
def test_where_monai_runs_no_configuration_it_is_found_by_name_or_is_here(tmp_path, monkeypatch, folder, expected):
    (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert bundle_root("busi") == expected


def test_a_configuration_outside_of_a_bundle_does_not_make_its_folder_one(tmp_path, monkeypatch):
    from monai.bundle import ConfigWorkflow

    (tmp_path / "mine").mkdir()
    (tmp_path / "bundles" / "busi").mkdir(parents=True)
    config = tmp_path / "mine" / "train.json"
    config.write_text(
        '{"imports": ["$import monai_vlsm.bundle.root"], "run": ["$monai_vlsm.bundle.root.bundle_root(\'busi\')"]}'
    )
    monkeypatch.chdir(tmp_path)
    workflow = ConfigWorkflow(str(config), meta_file=None, logging_file=False)
    workflow.initialize()
    assert workflow.run() == [os.path.join("bundles", "busi")]
