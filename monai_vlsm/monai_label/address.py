"""Where the label server listens, and whom it lets in."""

from __future__ import annotations

import ipaddress
import os
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from monai_vlsm.errors import DataError
from monai_vlsm.monai_label.gate import require_host_name, require_origin


@dataclass(frozen=True)
class Tls:
    """What a server proves its name with, and encrypts with.

    Args:
        certificate: PEM file; with the certificates in between, where there are some.
        key: PEM file of its private key, without a password.

    Raises:
        DataError: if they cannot be read, do not belong together, or every user of this machine can read the key.
    """

    certificate: Path
    key: Path

    def __post_init__(self) -> None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key, password="")
        except OSError as error:
            raise DataError(
                f"{str(self.certificate)!r} and {str(self.key)!r} are no certificate and its key without a password, "
                f"both as PEM: {error}."
            ) from error
        if os.name == "posix" and self.key.stat().st_mode & stat.S_IROTH:
            raise DataError(
                f"every user of this machine can read the private key {str(self.key)!r}, and could pass for this "
                "server: 'chmod o= FILE' takes that away."
            )


@dataclass(frozen=True)
class Address:
    """Where the server listens, and whom it lets in.

    Args:
        host: to listen at.
        port: to listen at.
        host_names: more names under which clients reach it, for example through a proxy with a login.
        origins: of web pages that may use it, such as ``https://viewer.example``.
        login: whether clients must show the token.
        tls: certificate and key; None is HTTP that can be read on its way.
        insecure_http: whether other machines may use it without TLS.

    Raises:
        DataError: if other machines could reach ``host`` without login or TLS, or if clients would be refused there.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    host_names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    login: bool = False
    tls: Tls | None = None
    insecure_http: bool = False

    def __post_init__(self) -> None:
        for origin in self.origins:
            require_origin(origin)
        for name in self.host_names:
            require_host_name(name)
        if not is_loopback(self.host):
            self._require_safe()

    @property
    def url(self) -> str:
        """What a client is told."""
        name = self.host_names[0] if _is_any(self.host) and self.host_names else self.host
        return f"{'https' if self.tls else 'http'}://{f'[{name}]' if ':' in name else name}:{self.port}"

    def _require_safe(self) -> None:
        """Refuse a server that others reach, unless they need the token, and nobody on the way can read it."""
        if not self.login:
            raise DataError(
                f"other machines could reach {self.host!r}, and without a login whoever does reads all images. Let "
                "others in by one of these ways:\n"
                f"  1. a tunnel from their machine:  ssh -L {self.port}:127.0.0.1:{self.port} USER@THIS_MACHINE\n"
                "  2. a login and TLS:  --auth --tls-cert FILE --tls-key FILE\n"
                "  3. a web server with a login and TLS in front of it, and --host-name with the name of that server"
            )
        if self.tls is None and not self.insecure_http:
            raise DataError(
                f"without TLS whoever can read the network between {self.host!r} and a client reads the token and all "
                "images: give --tls-cert FILE and --tls-key FILE, or say --insecure-http where the network is safe."
            )
        if _is_any(self.host) and not self.host_names:
            raise DataError(
                f"{self.host!r} is every address of this machine: say by which name or address clients reach it, "
                "--host-name label.hospital.example; they are refused under others."
            )


def is_loopback(host: str) -> bool:
    """Tell whether a server that listens at ``host`` can be reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_any(host: str) -> bool:
    """Tell whether ``host`` stands for every address of this machine."""
    try:
        return not host or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
