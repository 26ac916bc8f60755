"""Which original columns colours and histograms can use: told by a sample, and kept with the pool.

A column of text with very many values can only be refused, which takes a pass over the pool to
find out. A few thousand rows mostly show it; what they do not show is noted at the first refusal.
"""

import contextlib
import json
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.column_values import MOST_VALUES
from core.json_text import to_json_text
from core.pool import Pool
from core.project import write_json

_FILE = "columns.json"
_VERSION = 1  # another number looks anew
_PLACES, _TOGETHER = 16, 128  # rows that are looked at stand together in places all over the pool
_FEW = 100  # values that may differ in every row without saying that all do
_SIMPLE = {"integer", "number", "boolean", "null"}  # kinds of values that are never refused


def usable_columns(pool: Pool) -> list[str]:
    """The original columns that can be used, as far as is known, in order of appearance.

    Not among them: those with too many texts, with a text of its own in most rows, or with no
    value at all, and the one that the pool's own source was read from.

    Notes
    -----
    Looks at 2,048 rows at the first call for a pool; later ones read what was found.
    """
    useless = set(_known(pool))
    return [name for name in pool.columns() if name not in useless]


def note_useless(pool: Pool, name: str) -> None:
    """Take note of a column that was read and could not be used."""
    _keep(pool, sorted({*_known(pool), name}))


def _known(pool: Pool) -> list[str]:
    """The columns that cannot be used."""
    try:
        kept = json.loads((pool.folder / _FILE).read_text(encoding="utf-8"))
        if (kept["version"], kept["pool"]) == (_VERSION, pool.fingerprint):
            return [name for name in kept["useless"] if isinstance(name, str)]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not looked at yet, or damaged
    found = _look(pool)
    _keep(pool, found)
    return found


def _keep(pool: Pool, useless: list[str]) -> None:
    kept = {"version": _VERSION, "pool": pool.fingerprint, "useless": useless}
    with contextlib.suppress(OSError):  # a project that cannot be written to is looked at again
        write_json(pool.folder / _FILE, kept)


def _look(pool: Pool) -> list[str]:
    kinds: dict[str, list[str]] = pool.meta["original_columns"]
    empty = {name for name in kinds if {*kinds[name]} <= {"null"}}
    texts = {name: _Texts() for name in kinds if not {*kinds[name]} <= _SIMPLE}
    rows = _sample(pool.rows)
    sources = pool.page(rows)["source"]  # those of all rows take longer
    like_source = set(kinds) - empty
    for row, source in zip(pool.original(rows), sources, strict=True):
        like_source = {name for name in like_source if _text(row.get(name)) == source}
        for name, seen in texts.items():
            if row.get(name) is not None:
                seen.add(row[name])
    share = len(rows) / pool.rows
    many = {name for name, seen in texts.items() if seen.useless(share)}
    return sorted(empty | many | like_source)


class _Texts:
    """How often each text of a column was seen."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def add(self, value: Any) -> None:
        if len(self._seen) <= MOST_VALUES:
            self._seen[_text(value)] += 1

    def useless(self, share: float) -> bool:
        """Whether there are too many to be used, where a `share` of all rows was looked at.

        What was not seen is estimated from what was seen once and twice (Chao 1984), or from how
        many of the other rows would be new (Good 1953), whichever is less.
        """
        different, values = len(self._seen), self._seen.total()
        once, twice = (sum(count == n for count in self._seen.values()) for n in (1, 2))
        unseen = min(
            once * (once - 1) / (2 * (twice + 1)),
            once * (1 / share - 1),
        )
        of_their_own = values >= _FEW and once > values / 2
        return of_their_own or different + unseen > MOST_VALUES


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json_text(value)


def _sample(rows: int) -> NDArray[np.int64]:
    """Rows of a pool from all over it, ascending: those that stand together are read together."""
    if rows <= _PLACES * _TOGETHER:
        return np.arange(rows)
    starts = np.linspace(0, rows - _TOGETHER, _PLACES).astype(np.int64)
    return (starts[:, None] + np.arange(_TOGETHER)).ravel()
