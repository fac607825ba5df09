"""``label-app``: prepare, and start, a MONAI Label server for bundles."""

from __future__ import annotations

import argparse
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_vlsm.bundle import bundle_folder
from monai_vlsm.commands import BUNDLE_HELP, TRUST_HELP
from monai_vlsm.errors import DataError, MissingFileError

if TYPE_CHECKING:
    from monai_vlsm.monai_label.address import Address
    from monai_vlsm.monai_label.app_folder import AddedBundle


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "label-app",
        help="prepare, and start, a MONAI Label server for bundles (for 3D Slicer)",
        description="Prepare the app folder of a MONAI Label server and print the command that starts it; see "
        "docs/slicer.md. The server works on copies of the bundles: what it learns stays in the app folder.",
    )
    parser.add_argument("bundles", nargs="+", help=f"each {BUNDLE_HELP}; or the name of a data set")
    parser.add_argument("--studies", type=Path, required=True, help="folder of the images to label")
    parser.add_argument("--app", type=Path, default=Path("label_app"), help="folder to write (default: %(default)s)")
    parser.add_argument("--untrained", action="store_true", help="let bundles without models/model.pt begin untrained")
    parser.add_argument("--backbone", help="in place of the bundles': hub id, folder or tiny")
    parser.add_argument("--host", default="127.0.0.1", help="to listen at; another needs --auth (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s")
    parser.add_argument("--host-name", action="append", default=[], help="further name of the server")
    parser.add_argument(
        "--origin", action="append", default=[], help="web page that may use it: https://viewer.example"
    )
    parser.add_argument("--auth", action="store_true", help="let in only who shows the token in APP/login_token")
    parser.add_argument("--tls-cert", type=Path, help="certificate (PEM), for https")
    parser.add_argument("--tls-key", type=Path, help="its private key (PEM)")
    parser.add_argument(
        "--insecure-http", action="store_true", help="let other machines in without TLS: the network is safe"
    )
    parser.add_argument("--start", action="store_true", help="start the server, instead of printing how")
    parser.add_argument("--trust", action="store_true", help=TRUST_HELP)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from monai_vlsm.monai_label.app_folder import add_bundle, server_command, write_app
    from monai_vlsm.monai_label.login import write_token

    address = _address(arguments)
    app, studies = arguments.app.resolve(), arguments.studies.resolve()
    if not studies.is_dir():
        raise MissingFileError(f"there is no folder {str(studies)!r}: name the folder of your images after --studies.")
    if studies.is_relative_to(app):
        raise DataError(f"the studies {str(studies)!r} lie in the folder of the app: choose another one with --app.")
    bundles = _different(arguments.bundles)
    write_app(app)
    added = [add_bundle(app, bundle, arguments.backbone, arguments.untrained, arguments.trust) for bundle in bundles]
    for one in added:
        print(_what_was_done(one))
    if address.login:
        print(f"login: clients must show the token in {write_token(app)}")
    command = server_command(app, studies, [one.name for one in added], address)
    if arguments.start:
        return subprocess.run(command, check=False).returncode
    print(f"\nStart the server:\n{shlex.join(command)}")
    print(f"\nThen name {address.url} in 3D Slicer, see docs/slicer.md.")
    return 0


def _address(arguments: argparse.Namespace) -> Address:
    from monai_vlsm.monai_label.address import Address, Tls

    if bool(arguments.tls_cert) != bool(arguments.tls_key):
        raise DataError("--tls-cert and --tls-key belong together: give both.")
    tls = Tls(arguments.tls_cert.resolve(), arguments.tls_key.resolve()) if arguments.tls_cert else None
    return Address(
        arguments.host,
        arguments.port,
        tuple(arguments.host_name),
        tuple(arguments.origin),
        arguments.auth,
        tls,
        arguments.insecure_http,
    )


def _what_was_done(added: AddedBundle) -> str:
    done = f"copied to {added.folder}"
    if not added.copied:
        done = f"was in {added.folder} already and stays as it is, with what it has learned"
    if added.untrained:
        done += "; UNTRAINED: its masks mean nothing before you have labeled and trained"
    return f"{added.name}: {done}"


def _different(bundles: Sequence[str]) -> list[str]:
    """Return each bundle once; a server has room for one of each name."""
    by_name: dict[str, str] = {}
    for bundle in bundles:
        folder = bundle_folder(bundle).resolve()
        other = by_name.setdefault(folder.name, bundle)
        if bundle_folder(other).resolve() != folder:
            raise DataError(f"{other!r} and {bundle!r} have the same name, {folder.name!r}: rename the folder of one.")
    return list(by_name.values())
