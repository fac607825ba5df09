"""``label-app``: prepare, and start, a MONAI Label server for bundles."""

from __future__ import annotations

import argparse
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_vlsm.bundle import find_bundle
from monai_vlsm.errors import DataError, MissingFileError


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "label-app",
        help="prepare, and start, a MONAI Label server for bundles (for 3D Slicer)",
        description="Prepare the app folder of a MONAI Label server and print the command that starts it; see "
        "docs/slicer.md. The server works on copies of the bundles: what it learns stays in the app folder.",
    )
    parser.add_argument("bundles", nargs="+", help="names, such as busi, or folders of bundles")
    parser.add_argument("--studies", type=Path, required=True, help="folder of the images to label")
    parser.add_argument("--app", type=Path, default=Path("label_app"), help="folder to write (default: %(default)s)")
    parser.add_argument("--untrained", action="store_true", help="let bundles without models/model.pt begin untrained")
    parser.add_argument("--backbone", help="in place of the bundles': hub id, folder or tiny")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 is all of your network (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s")
    parser.add_argument("--start", action="store_true", help="start the server, instead of printing how")
    parser.add_argument("--trust", action="store_true", help="run what is unknown in a bundle; it can be any code")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from monai_vlsm.monai_label.app_folder import add_bundle, server_command, write_app

    app, studies = arguments.app.absolute(), arguments.studies.absolute()
    if not studies.is_dir():
        raise MissingFileError(f"there is no folder {str(studies)!r}: name the folder of your images after --studies.")
    bundles = _different(arguments.bundles)
    write_app(app)
    models = []
    for bundle in bundles:
        name, done = add_bundle(app, bundle, arguments.backbone, arguments.untrained, arguments.trust)
        models.append(name)
        print(f"{name}: {done}")
    command = server_command(app, studies, models, arguments.host, arguments.port)
    if arguments.start:
        return subprocess.run(command, check=False).returncode
    print(f"\nStart the server:\n{shlex.join(command)}")
    print(f"\nThen open http://{arguments.host}:{arguments.port}/ or 3D Slicer, see docs/slicer.md.")
    return 0


def _different(bundles: Sequence[str]) -> list[str]:
    """Return each bundle once; a server has room for one of each name."""
    by_name: dict[str, str] = {}
    for bundle in bundles:
        folder = find_bundle(bundle).resolve()
        other = by_name.setdefault(folder.name, bundle)
        if find_bundle(other).resolve() != folder:
            raise DataError(f"{other!r} and {bundle!r} have the same name, {folder.name!r}: rename the folder of one.")
    return list(by_name.values())
