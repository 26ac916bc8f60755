"""The errors that people meet. Each message says what, where, and what to do."""

import shlex


class WinnowError(Exception):
    """Base of all errors that are shown as one sentence; `exit_code` is what the CLI returns."""

    exit_code = 1


class InputError(WinnowError):
    """The input or the options cannot be used; `option` names the parameter that is wrong."""

    exit_code = 2

    def __init__(self, sentence: str, *, option: str | None = None) -> None:
        super().__init__(sentence)
        self.option = option


class BusyError(WinnowError):
    """Another process is writing to the project."""

    exit_code = 3


class CancelledError(WinnowError):
    """The user stopped the work."""

    exit_code = 130


def command(*words: object) -> str:
    """Return a command line for a message, such as "`python -m core embed my-project`"."""
    return f"`python -m core {shlex.join(map(str, words))}`"
