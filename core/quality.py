"""Quality of rows: from a column of the pool, from a file of scores, or by a named heuristic."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.errors import InputError
from core.paths import user_path
from core.pool import Pool

Scores = NDArray[np.float64]

PREFIX = "heuristic:"
_BLOCK = 8192  # rows whose text is read together
_READERS: dict[str, Callable[[Path], pa.Table]] = {
    ".csv": pa_csv.read_csv,
    ".tsv": lambda path: pa_csv.read_csv(path, parse_options=pa_csv.ParseOptions(delimiter="\t")),
    ".jsonl": pa_json.read_json,
    ".parquet": pq.read_table,
}


@dataclass(frozen=True)
class Heuristic:
    """A simple measure that stands in for quality, and that says what it is.

    Attributes
    ----------
    id, label, definition : its name after ``heuristic:``, for people, and in one sentence.
    source : who found that it works.
    score : gives float64 of shape (rows,), 0 or more, higher is better.
    """

    id: str
    label: str
    definition: str
    source: str
    score: Callable[[Pool], Scores]


def quality_of(pool: Pool, name: str) -> Scores:
    """The numbers of a column, or the scores of the heuristic after ``heuristic:``.

    Raises
    ------
    InputError
        There is no such column or heuristic, or a row of the column is no finite number.
    """
    if not name.startswith(PREFIX):
        return pool.numbers(name)
    heuristic = HEURISTICS.get(name.removeprefix(PREFIX))
    if heuristic is None:
        known = ", ".join(PREFIX + known for known in HEURISTICS)
        wrong = f"There is no heuristic {name.removeprefix(PREFIX)!r}; use one of {known}."
        raise InputError(wrong, option="quality")
    return heuristic.score(pool)


def read_scores(path: str | Path, rows: int, needed: NDArray[np.int64]) -> Scores:
    """Read a file with a number `score` for each `row` of the pool.

    Parameters
    ----------
    path : CSV, TSV, JSON Lines or Parquet, with columns row (from 0) and score.
    rows : rows of the pool.
    needed : rows that must have a score.

    Returns
    -------
    float64 ndarray of shape (rows,); not a number for rows that are not in the file.

    Raises
    ------
    InputError
        The file cannot be read or has no such columns; a row is not in the pool, has two scores or
        one that is not finite; a needed row has none.
    """
    table = _read(user_path(path))
    numbers, scores = (_column(table, name, path) for name in ("row", "score"))
    wrong = (numbers != np.floor(numbers)) | ~((numbers >= 0) & (numbers < rows))
    if wrong.any():
        raise _refused(
            f"{path} has a score for row {numbers[wrong.argmax()]:g}; the pool has rows 0 to "
            f"{rows - 1:,}."
        )
    at = numbers.astype(np.int64)
    if not np.isfinite(scores).all():
        row = at[(~np.isfinite(scores)).argmax()]
        raise _refused(f"{path} has no finite score for row {row}; mend it or leave the row out.")
    times = np.bincount(at, minlength=rows)
    if (times > 1).any():
        raise _refused(f"{path} has several scores for row {times.argmax()}; keep one of them.")
    missing = needed[times[needed] == 0]
    if len(missing):
        more = f" and {len(missing) - 1:,} others" if len(missing) > 1 else ""
        raise _refused(
            f"{path} has no score for row {missing[0]}{more}; add them or drop those rows."
        )
    found = np.full(rows, np.nan)
    found[at] = scores
    return found


def _read(path: Path) -> pa.Table:
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise _refused(f"{path} is no file of scores; give {', '.join(_READERS)}.")
    if not path.is_file():
        raise _refused(f"There is no file {path}; check the path.")
    try:
        return read(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _refused(
            f"{path} cannot be read ({' '.join(str(error).split())[:80]}); give a table with "
            "columns row and score."
        ) from None


def _column(table: pa.Table, name: str, path: str | Path) -> Scores:
    if table.column_names.count(name) != 1:
        has = ", ".join(table.column_names[:8])
        raise _refused(f"{path} needs one column {name!r}; it has {has}.")
    try:
        values: Any = table[name].cast(pa.float64())
    except pa.ArrowException:
        raise _refused(f"Column {name!r} of {path} must hold numbers; mend it.") from None
    numbers: Scores = values.to_numpy()
    return numbers


def _refused(sentence: str) -> InputError:
    return InputError(sentence, option="quality_file")


def _length(pool: Pool) -> Scores:
    return np.log1p(pool.lengths(), dtype=np.float64)


def _answer_length(pool: Pool) -> Scores:
    lengths = [
        pool.page(np.arange(start, min(start + _BLOCK, pool.rows)))["answer"].str.len()
        for start in range(0, pool.rows, _BLOCK)
    ]
    return np.log1p(np.concatenate(lengths).astype(np.float64))


def _variety(pool: Pool) -> Scores:
    found = np.empty(pool.rows)
    for start in range(0, pool.rows, _BLOCK):
        for row, text in enumerate(pool.texts(start, start + _BLOCK), start):
            data = text.encode()
            found[row] = min(1.0, len(zlib.compress(data)) / max(1, len(data)))
    return found


HEURISTICS: dict[str, Heuristic] = {
    heuristic.id: heuristic
    for heuristic in (
        Heuristic(
            "length",
            "Length",
            "The natural logarithm of 1 + the characters of prompt and answer.",
            "standard",
            _length,
        ),
        Heuristic(
            "answer-length",
            "Length of the answer",
            "The natural logarithm of 1 + the characters of the answer.",
            "arXiv 2402.04833 (the longest answers)",
            _answer_length,
        ),
        Heuristic(
            "variety",
            "Variety of the text",
            "The share of a row's bytes that zlib cannot save, at most 1: low where the text "
            "repeats itself.",
            "arXiv 2407.06645 (compression ratio)",
            _variety,
        ),
    )
}
