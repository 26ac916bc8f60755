"""Scores and answers by row that a command left for its round."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.refinement.base import RoundWork
from core.refinement.models import ADAPTER, CONFIG
from core.refinement.row_values import generation, json_lines, score, shown

OUT = "out"  # of a round's folder: where its command writes
_GENERATIONS, _SCORES = "generations.jsonl", "scores.jsonl"


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
        or was there before, its score is no finite number or too large, or its generation no text.
    """
    rows = set(work.rows.tolist())
    folder = work.folder / OUT
    return Brought(
        _read(folder / _GENERATIONS, "generation", generation, rows),
        _read(folder / _SCORES, "score", score, rows),
    )


def forget_left(work: RoundWork) -> None:
    """Remove what an earlier try of the round's command left to be read here, or as its model.

    Folders stay, such as checkpoints, for a command that goes on where it was.
    """
    out = work.folder / OUT
    named = (out / name for name in (_GENERATIONS, _SCORES, CONFIG, ADAPTER))
    for path in (*named, *out.glob("*.safetensors")):
        if path.is_file() or path.is_symlink():
            path.unlink()


def _read(path: Path, key: str, check: Callable[[Any, int], Any], rows: set[int]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    if not path.is_file():
        return found
    try:
        lines = list(json_lines(path))
    except UnicodeDecodeError:
        raise InputError(f"{path} cannot be read as UTF-8 text; write it again.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); write it again.") from None
    for number, entry in lines:
        where = f"{path}, line {number},"
        if "row" not in entry or key not in entry:
            raise InputError(f"{where} must be an object with row and {key}; mend it.")
        row = entry["row"]
        if isinstance(row, bool) or not isinstance(row, int) or row not in rows:
            raise InputError(
                f"{where} is for row {shown(row)}, which is not of this round; mend it."
            )
        if row in found:
            raise InputError(f"{where} is for row {row} again; keep one of them.")
        try:
            found[row] = check(entry[key], row)
        except ValueError as error:
            raise InputError(f"{where} has {error}.") from None
    return found
