"""Selection from array files, with no project: what `select-arrays` does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.project import atomic_file
from core.selection import select_arrays


@dataclass(frozen=True)
class ArrayReport:
    """What was chosen; `seconds` is the selection alone, without reading and writing."""

    method: str
    selected: int
    support: int
    seconds: float
    notes: tuple[str, ...]
    out: str


def select_array_files(
    pool: Path,
    target: Path | None,
    *,
    out: Path,
    probabilities: Path | None = None,
    quality: Path | None = None,
    by: Path | None = None,
    labels: Path | None = None,
    **options: Any,
) -> ArrayReport:
    """Choose rows of the array in `pool` and write their numbers to `out`.

    Parameters
    ----------
    pool, target, quality, by, labels : .npy files of shapes (n, d), (M, d) and three times (n,).
    out : .npy file to write: int64 row numbers, ascending.
    probabilities : .npy file to write: float64 of shape (n,), what the rule wants of each row.
    **options : as for `core.selection.select_arrays`.

    Raises
    ------
    InputError
        A file cannot be read or written, or is to be both, or the rule refuses its options.
    """
    _check_places([pool, target, quality, by, labels], out, probabilities)
    chosen = select_arrays(
        _load(pool),
        _load(target) if target else None,
        quality=_load(quality) if quality else None,
        strata=_load(by) if by else None,
        labels=_load(labels) if labels else None,
        **options,
    )
    _save(out, chosen.rows)
    if probabilities:
        _save(probabilities, chosen.probabilities)
    return ArrayReport(
        options["method"],
        len(chosen.rows),
        chosen.support,
        round(chosen.seconds, 4),
        chosen.notes,
        str(out),
    )


def _check_places(read: list[Path | None], out: Path, probabilities: Path | None) -> None:
    """Refuse to write over what is read, or one result over the other."""
    inputs = {path.resolve() for path in read if path}
    for option, path in (("out", out), ("probabilities", probabilities)):
        if path and path.resolve() in inputs:
            raise InputError(f"{path} is an input; write to another file.", option=option)
    if probabilities and probabilities.resolve() == out.resolve():
        wrong = f"{out} cannot hold both results; give two files."
        raise InputError(wrong, option="probabilities")


def _load(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (OSError, ValueError, EOFError):
        raise InputError(f"Cannot read an array from {path}; give a .npy file.") from None
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} holds several arrays; save the one to use as .npy.")
    return array


def _save(path: Path, array: NDArray[Any]) -> None:
    try:
        with atomic_file(path) as temporary, temporary.open("wb") as out:
            np.save(out, array)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror}.") from None
