"""Paths as people type them."""

import os
from pathlib import Path

from core.errors import InputError


def user_path(text: str | Path, option: str | None = None) -> Path:
    """Expand `~` in a path that a person gave; nothing need be there.

    Raises
    ------
    InputError
        It is empty, too long, not UTF-8, or names an unknown user.
    """
    if not str(text):
        raise InputError("A path is empty; give one.", option=option)
    try:
        path = Path(text).expanduser()
        os.fsencode(path).decode()
        path.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return path
    except (RuntimeError, OSError, ValueError) as error:
        reason = "its name is not UTF-8" if isinstance(error, UnicodeError) else str(error)
        shown = str(text)[:80].encode(errors="replace").decode()
        raise InputError(f"{shown!r} is no usable path: {reason[:120]}.", option=option) from None
    return path
