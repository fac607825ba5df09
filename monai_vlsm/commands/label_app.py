"""``label-app``: prepare, and start, a MONAI Label server for bundles."""

from __future__ import annotations

import argparse
import shlex
import subprocess
from pathlib import Path
from typing import Any


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
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from monai_vlsm.label.app_folder import add_bundle, server_command, write_app

    app, studies = arguments.app.absolute(), arguments.studies.absolute()
    write_app(app)
    models = []
    for bundle in dict.fromkeys(arguments.bundles):
        name, done = add_bundle(app, bundle, arguments.backbone, arguments.untrained)
        models.append(name)
        print(f"{name}: {done}")
    command = server_command(app, studies, models, arguments.host, arguments.port)
    if arguments.start:
        return subprocess.run(command, check=False).returncode
    print(f"\nStart the server:\n{shlex.join(command)}")
    print(f"\nThen open http://{arguments.host}:{arguments.port}/ or 3D Slicer, see docs/slicer.md.")
    return 0
