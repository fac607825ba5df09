"""``package``: write a trained bundle into a zip archive to share."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from monai_vlsm.bundle import CALIBRATION, MODEL, bundle_folder, bundle_model, bundle_parser, parsed_content
from monai_vlsm.bundle.pack import (
    LARGE,
    collect,
    get_value,
    move_large_files,
    require_impersonal,
    set_value,
    write_zip,
)
from monai_vlsm.bundle.released import OWN_BACKBONE
from monai_vlsm.bundle.trust import refuse_foreign_texts
from monai_vlsm.commands import BUNDLE_HELP, TRUST_HELP
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.errors import DataError


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "package",
        help="write a trained bundle into a zip archive to share",
        description="Write settings, texts and model of a bundle into an archive for the MONAI model zoo "
        "(docs/model_zoo.md). The same bundle always gives the same bytes.",
    )
    parser.add_argument("bundle", help=BUNDLE_HELP)
    parser.add_argument("--out", type=Path, help="archive to write (default: NAME.zip)")
    parser.add_argument("--backbone", help="the one it was trained on, if not the bundle's: hub id, folder or tiny")
    parser.add_argument("--self-contained", action="store_true", help="put the backbone inside; no hub is needed then")
    parser.add_argument("--url-prefix", help="where you will upload files over 25 MB, which are written beside it")
    parser.add_argument("--trust", action="store_true", help=TRUST_HELP)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    folder = bundle_folder(arguments.bundle)
    name = folder.resolve().name
    files = collect(folder)
    if not arguments.trust:
        refuse_foreign_texts(files, folder)
    parser = bundle_parser(folder, arguments.backbone, arguments.trust)
    backbone = _fitting_backbone(folder, parser)
    _require_fitting_calibration(files, folder, parser)
    keeps_its_own = not arguments.backbone and get_value(files, "backbone") == OWN_BACKBONE
    if arguments.self_contained or keeps_its_own:
        files = set_value(files, "backbone", OWN_BACKBONE) | _files_of(backbone)
    elif arguments.backbone:
        files = set_value(files, "backbone", arguments.backbone)
    out = arguments.out or Path(f"{name}.zip")
    uploads: dict[str, bytes] = {}
    if arguments.url_prefix:
        files, uploads = move_large_files(files, name, arguments.url_prefix)
    require_impersonal(files)
    _write_uploads(uploads, out.with_name(f"{out.stem}_uploads"), arguments.url_prefix)
    write_zip(files, name, out)
    print(f"{out.absolute()}: {len(files)} files, {out.stat().st_size / 1e6:.1f} MB")
    for path, content in files.items():
        if len(content) > LARGE:
            print(f"{path} has {len(content) / 1e6:.0f} MB, too much for a pull request to the zoo: see --url-prefix")


def _require_fitting_calibration(files: Mapping[str, bytes], folder: Path, parser: Any) -> None:
    """Make sure that a calibration in the bundle is one, and of the model in it."""
    from monai_vlsm.calibration.document import parse_document, require_fit

    content, path, model = files.get(CALIBRATION.as_posix()), folder / CALIBRATION, files[MODEL.as_posix()]
    if content is not None:
        document = parse_document(content, path)
        require_fit(document, path, hashlib.sha256(model).hexdigest(), parsed_content(parser, "image_size"))


def _fitting_backbone(folder: Path, parser: Any) -> Any:
    """Load the backbone, and make sure that the model in the bundle was trained on it."""
    from monai_vlsm.networks import load_backbone, load_checkpoint

    network = load_checkpoint(parsed_content(parser, "network_def"), bundle_model(folder, parser))
    named = parsed_content(parser, "backbone")
    if network.backbone_name == "tiny" != named:
        raise DataError(f"the bundle names the backbone {named!r}, its model was trained on tiny: add --backbone tiny.")
    return load_backbone(named)


def _files_of(backbone: Any) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        backbone.save(folder)
        return {f"models/backbone/{path.name}": path.read_bytes() for path in Path(folder).iterdir()}


def _write_uploads(uploads: dict[str, bytes], folder: Path, url_prefix: str) -> None:
    for upload, content in uploads.items():
        with replace_whole(folder / upload) as unfinished:
            unfinished.write_bytes(content)
        print(f"upload {(folder / upload).absolute()} to {url_prefix}")
