"""The errors that people meet. Each message says what, where, and what to do."""


class WinnowError(Exception):
    """Base of all errors that are shown as one sentence; `exit_code` is what the CLI returns."""

    exit_code = 1


class InputError(WinnowError):
    """The input or the options cannot be used."""

    exit_code = 2


class BusyError(WinnowError):
    """Another process is writing to the project."""

    exit_code = 3


class CancelledError(WinnowError):
    """The user stopped the work."""

    exit_code = 130
