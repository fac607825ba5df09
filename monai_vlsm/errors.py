"""Errors that the person who runs a command can mend, told in one message."""


class UserError(Exception):
    """A wrong input, not a fault of the program: says what was expected, what came, and what to do next."""


class DataError(UserError, ValueError):
    """Data, prompt, setting or checkpoint that cannot be used as it is."""


class MissingFileError(UserError, FileNotFoundError):
    """A file or folder that is not there; the message has its full path and the command that creates it."""
