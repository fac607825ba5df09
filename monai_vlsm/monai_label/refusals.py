"""What the label server refuses with a status of its own; other errors that a client can mend get 400."""

from __future__ import annotations

import logging

from monai_vlsm.errors import DataError, UserError, find_message

_LONGEST_REASON = 300
_logger = logging.getLogger(__name__)


class ForbiddenError(DataError):
    """A name, a file or a link by which something would be read or written outside of the studies: 403."""


class OvertakenError(DataError):
    """What somebody judged is not what is there now: 409."""


class TakenError(DataError):
    """A name under which there is something else: 409."""


class BusyError(UserError):
    """There is no room now, and there may be later: 503."""


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


def logged_reason(what: str, error: Exception) -> str:
    """Log that one of many images failed, and return why in one line of at most 300 characters.

    Args:
        what: failed, for the log.
        error: of any kind.
    """
    reason = find_message(error) or f"{type(error).__name__}: {error}"
    _logger.warning("%s: %s", what, reason)
    return reason[:_LONGEST_REASON]
