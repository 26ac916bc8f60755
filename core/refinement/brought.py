"""Scores and answers by row that a command left for its round."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.refinement.base import RoundWork

OUT = "out"  # of a round's folder: where its command writes


@dataclass(frozen=True)
class Brought:
    """What was left, by row.

    Attributes
    ----------
    generations : what a model said to the row's prompt.
    scores : finite numbers, higher is better.
    """

    generations: Mapping[int, str] = field(default_factory=dict)
    scores: Mapping[int, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.generations or self.scores)


def left_by_command(work: RoundWork) -> Brought:
    """Read `generations.jsonl` and `scores.jsonl` of a round's command, those that there are.

    Raises
    ------
    InputError
        A line is no object with `row` and `generation` or `score`, its row is not of this round
        or was there before, or its score is no finite number.
    """
    rows = set(work.rows.tolist())
    folder = work.folder / OUT
    return Brought(
        _read(folder / "generations.jsonl", "generation", rows),
        _read(folder / "scores.jsonl", "score", rows),
    )


def _read(path: Path, key: str, rows: set[int]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    if not path.is_file():
        return found
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path} cannot be read as UTF-8 text; write it again.") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number},"
        try:
            entry = json.loads(line)
            row, value = entry["row"], entry[key]
        except (ValueError, TypeError, KeyError):
            raise InputError(f"{where} must be an object with row and {key}; mend it.") from None
        if isinstance(row, bool) or not isinstance(row, int) or row not in rows:
            raise InputError(f"{where} is for row {row!r}, which is not of this round; mend it.")
        if row in found:
            raise InputError(f"{where} is for row {row} again; keep one of them.")
        found[row] = _checked(value, key, where)
    return found


def _checked(value: Any, key: str, where: str) -> Any:
    if key == "generation":
        if not isinstance(value, str):
            raise InputError(f"{where} has a generation that is no text; mend it.")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{where} has a score that is no finite number; mend it.")
    return float(value)
