"""A look at the first rows of files before a pool is made of them."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from core.inputs import find_inputs
from core.readers import read_input
from core.reading import ReadOptions
from core.records import NO_COLUMNS, Record, RecordError, parse

_FILES = 5  # that are looked into
_CHUNKS = 2  # of each of them: the first may only name the columns
_ROWS = 100
_SAMPLES = 3

# Pairs of columns that often hold a question and its answer under names that no format has.
_PAIRS = (
    ("question", "answer"),
    ("query", "response"),
    ("instruction", "response"),
    ("prompt", "response"),
    ("input", "output"),
    ("question", "response"),
    ("prompt", "answer"),
    ("problem", "solution"),
    ("user", "assistant"),
)


@dataclass(frozen=True)
class Peek:
    """What the first rows look like.

    Attributes
    ----------
    good, rejected : rows of those looked at: the first of the first 5 files.
    reasons : why rejected rows are not taken, and how many each, in the order in which they came.
    formats : good rows of each format.
    columns : every column that was seen, in order.
    samples : the first good rows.
    guess : a column mapping worth trying: of a question and its answer when no row is good, and
        of a column of numbers that is called quality; {} without a guess.
    """

    good: int
    rejected: int
    reasons: dict[str, int]
    formats: dict[str, int]
    columns: tuple[str, ...]
    samples: tuple[Record, ...]
    guess: dict[str, str]

    @property
    def reason(self) -> str:
        """Why the first rejected row is not taken; "" when none is."""
        return next(iter(self.reasons), "")


def peek(
    files: Sequence[str | Path],
    *,
    format: str = "auto",  # noqa: A002 - the option's name, the same everywhere
    columns: Mapping[str, str] = NO_COLUMNS,
) -> Peek:
    """Parse the first rows of `files` as `core.ingest.init_pool` would.

    Raises
    ------
    InputError
        The options or the files cannot be used.
    """
    ReadOptions(format, columns)  # checks them
    seen: dict[str, None] = {}
    formats: Counter[str] = Counter()
    records: list[Record] = []
    reasons: list[str] = []
    scored: dict[str, list[Any]] = {}
    for one in find_inputs(files)[:_FILES]:
        left = _ROWS
        for chunk in islice(read_input(one, [*columns.values()]), _CHUNKS):
            rows = chunk.rows[:left]
            last = chunk.lines[left] if len(chunk.rows) > left else float("inf")
            left -= len(rows)
            before = [issue.reason for issue in chunk.issues if issue.line < last]
            reasons += before[:_ROWS]
            seen |= dict.fromkeys(chunk.columns or [name for row in rows for name in row])
            for row in rows:
                for name in row:
                    if name.lower() == "quality":
                        scored.setdefault(name, []).append(row[name])
                try:
                    records.append(parse(row, format, columns, seen=chunk.columns))
                except RecordError as error:
                    reasons.append(error.reason)
    formats.update(record.format for record in records)
    return Peek(
        good=len(records),
        rejected=len(reasons),
        reasons=dict(Counter(reasons)),
        formats=dict(formats.most_common()),
        columns=tuple(seen),
        samples=tuple(records[:_SAMPLES]),
        guess=({} if records else _guess(seen)) | _guess_quality(scored),
    )


def _guess(columns: Mapping[str, None]) -> dict[str, str]:
    by_lower = {name.lower(): name for name in columns}
    for instruction, output in _PAIRS:
        if instruction in by_lower and output in by_lower:
            return {"instruction": by_lower[instruction], "output": by_lower[output]}
    return {}


def _guess_quality(scored: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """The column that is called so, if it is a number wherever it stands."""
    for name, values in scored.items():
        if all(type(value) in (int, float) and abs(value) < math.inf for value in values):
            return {"quality": name}
    return {}
