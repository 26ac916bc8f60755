"""Scores and answers by row in files that somebody else wrote: how they are read and checked."""

import json
import math
import re
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_MOST = 1e100  # of a score: sums of squares beyond it would have no end
# Halves of characters: JSON can hold them alone, and no tokenizer and no file can.
_HALVES = re.compile("[\ud800-\udfff]")
_SHOWN = 40  # characters of a value in a message


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a JSON Lines file and the numbers of their lines, from 1.

    Only an end of line parts two objects: a text may hold U+2028 and the like.

    Raises
    ------
    OSError, ValueError
        The file cannot be read as UTF-8; a line, which is named, is no JSON object.
    """
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError:
                raise ValueError(f"line {number} is no JSON") from None
            except RecursionError:
                raise ValueError(f"line {number} is nested too deep") from None
            yield number, json_object(value, number)


def json_object(value: Any, number: int) -> dict[str, Any]:
    """Return the value of a line; ValueError where it is no object."""
    if not isinstance(value, dict):
        raise ValueError(f"line {number} is no object")
    return value


def score(value: Any, row: int) -> float:
    """Return a score, of a number or of its digits; ValueError where it is none or too large."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= _MOST:
        raise ValueError(
            f"the score {shown(value)} for row {row}; it must be a finite number of at most "
            f"{_MOST:g}"
        )
    return number


def generation(value: Any, row: int) -> str:
    """Return what a model said; ValueError where it is no text."""
    if not isinstance(value, str) or _HALVES.search(value):
        raise ValueError(f"the generation {shown(value)} for row {row}; it must be a text")
    return value


def shown(value: Any) -> str:
    """A value in a message."""
    return "nothing" if value is None else reprlib.repr(value)[:_SHOWN]
