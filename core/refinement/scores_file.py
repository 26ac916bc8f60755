"""What somebody brings for the rows of a round: a file of scores, or of what a model said."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.errors import InputError
from core.paths import user_path
from core.refinement.row_values import generation, json_lines, json_object, score, shown

Line = dict[str, Any]
_COLUMNS: dict[str, Callable[[Any, int], Any]] = {"score": score, "generation": generation}


@dataclass(frozen=True)
class ScoresFile:
    """What a file holds for the rows of a round: one of the two is not None.

    Attributes
    ----------
    scores : float64 ndarray of shape (rows,), finite, in the order of the rows.
    generations : what a model said, by row.
    """

    scores: NDArray[np.float64] | None = None
    generations: dict[int, str] | None = None


def read_scores_file(path: str | Path, rows: NDArray[np.int64]) -> ScoresFile:
    """Read a score, or else a generation, for each row of a round.

    Parameters
    ----------
    path : CSV, TSV, JSON, JSON Lines or Parquet, with a column row and a column score or
        generation; other columns do not matter. With both, the scores count.
    rows : all rows of the round, ascending.

    Raises
    ------
    InputError
        The file cannot be read or has no such columns; a row is not of the round, stands twice or
        is missing; a score is no finite number, or a generation no text. The first one is named.
    """
    place = user_path(path)
    read = _READERS.get(place.suffix.lower())
    if read is None:
        raise _refused(f"{path} is no such file; give {', '.join(_READERS)}.")
    if not place.is_file():
        raise _refused(f"There is no file {path}; check the path.")
    try:
        lines = list(read(place))
    except (OSError, ValueError, RecursionError, csv.Error, pa.ArrowException) as error:
        why = " ".join(str(error).split())[:80]
        raise _refused(f"{path} cannot be read ({why}); give a table of row and score.") from None
    if not lines:
        raise _refused(f"{path} is empty; give a line for each of the {len(rows):,} rows.")
    what = next((name for name in _COLUMNS if any(name in line for line in lines)), None)
    if what is None or not any("row" in line for line in lines):
        has = ", ".join(map(str, list(lines[0])[:8]))
        raise _refused(f"{path} needs columns row and score, or row and generation; it has {has}.")
    found: dict[int, Any] = {}
    known = set(rows.tolist())
    for number, line in enumerate(lines, 1):
        row = _row(line.get("row"))
        if row is None:
            raise _refused(
                f"Line {number} of {path} has the row {shown(line.get('row'))}; "
                "give its number in the pool."
            )
        if row not in known:
            raise _refused(f"{path} has row {row}, which is not of this round; leave it out.")
        if row in found:
            raise _refused(f"{path} has row {row} twice; leave one of them out.")
        try:
            found[row] = _COLUMNS[what](line.get(what), row)
        except ValueError as error:
            raise _refused(f"{path} has {error}.") from None
    missing = [row for row in rows.tolist() if row not in found]
    if missing:
        more = f" and {len(missing) - 1:,} others" if len(missing) > 1 else ""
        raise _refused(f"{path} has no {what} for row {missing[0]}{more}; add what is missing.")
    if what == "score":
        return ScoresFile(scores=np.array([found[row] for row in rows.tolist()], np.float64))
    return ScoresFile(generations={row: found[row] for row in rows.tolist()})


def _row(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
        return int(number) if number == int(number) else None
    except (TypeError, ValueError, OverflowError):
        return None


def _refused(sentence: str) -> InputError:
    return InputError(sentence, option="file")


def _csv(path: Path) -> Iterator[Line]:
    yield from _separated(path, ",")


def _tsv(path: Path) -> Iterator[Line]:
    yield from _separated(path, "\t")


def _separated(path: Path, delimiter: str) -> Iterator[Line]:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        yield from csv.DictReader(handle, delimiter=delimiter)


def _jsonl(path: Path) -> Iterator[Line]:
    for _, line in json_lines(path):
        yield line


def _json(path: Path) -> Iterator[Line]:
    values = json.loads(path.read_text(encoding="utf-8-sig"))
    for number, value in enumerate(values if isinstance(values, list) else [values], 1):
        yield json_object(value, number)


def _parquet(path: Path) -> Iterator[Line]:
    names = [name for name in pq.read_schema(path).names if name in ("row", *_COLUMNS)]
    yield from pq.read_table(path, columns=names).to_pylist()


_READERS: dict[str, Callable[[Path], Iterator[Line]]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".json": _json,
    ".parquet": _parquet,
}
