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


def check_new_file(path: Path, option: str, *, overwrite: bool = False) -> Path:
    """Return where a file is to be written, before any work is done for it.

    Raises
    ------
    InputError
        It is a folder, in a file, in a folder that cannot be written to, or is taken and
        `overwrite` is off.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file in it.", option=option)
    parent = next(folder for folder in path.parents if folder.exists())
    if not parent.is_dir():
        raise InputError(
            f"{parent} is a file; choose another place for {path.name}.", option=option
        )
    if not os.access(parent, os.W_OK):
        raise InputError(
            f"{parent} cannot be written to; choose another place for {path.name}.", option=option
        )
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} exists already; choose another name or add --overwrite.", option=option
        )
    return path
