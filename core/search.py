"""Rows of a project that are looked for: by words, a condition, filters, likeness, or all of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.decisions import load_decisions
from core.encoders.base import Encoder
from core.errors import InputError
from core.facets import Facets, Filter, Histogram
from core.features import load_features
from core.pool import Pool
from core.pool_encoder import pool_encoder
from core.progress import Progress, silent
from core.project import Project
from core.ranking import Cut, Ranking, rank
from core.values import as_rows

_MOST_LIKE = 1_000  # rows that others should be like
_NAMED = 12  # sources that a message names


@dataclass(frozen=True)
class Found:
    """Rows that were found.

    Attributes
    ----------
    rows : int64 ndarray of shape (m,)
        Ascending; the likest first where likeness was asked for.
    cosines : float32 ndarray of shape (m,), or None
        The largest cosine of each row to what it should be like.
    ranking : Ranking or None
        All rows that could have been found by likeness, for another cut.
    """

    rows: NDArray[np.int64]
    cosines: NDArray[np.float32] | None = None
    ranking: Ranking | None = None

    @classmethod
    def of(cls, ranking: Ranking, cut: Cut) -> "Found":
        """The first rows of a ranking."""
        count = ranking.count(cut)
        return cls(ranking.rows[:count], ranking.cosines[:count], ranking)


def find_rows(
    project: Project,
    words: str = "",
    *,
    like: str = "",
    like_rows: Sequence[int] = (),
    where: str = "",
    sources: Sequence[str] = (),
    filters: Sequence[Filter] = (),
    dropped: bool = False,
    among: NDArray[np.int64] | None = None,
    limit: int | None = None,
    min_cosine: float | None = None,
    pool: Pool | None = None,
    facets: Facets | None = None,
    encoder: Encoder | None = None,
    progress: Progress = silent,
) -> Found:
    """Find the rows that meet all that is asked.

    Parameters
    ----------
    words : they stand in the prompt or the answer; see `Pool.search`.
    like : a text; the rows nearest to it, by the features in use.
    like_rows : rows of the pool; the rows nearest to any of them, without themselves.
    where : a condition; see `Pool.where`.
    sources : rows of these only; of all if empty.
    filters : on the values of columns; see `core.facets`.
    among : look at these rows only.
    dropped : whether rows that were dropped are looked at too.
    limit, min_cosine : how many rows likeness gives, and with which cosine at least; 200 rows
        unless one of them is given. All else gives every row that meets it.
    pool, facets : the project's, if they are open already.
    encoder : the features' own, if it is loaded already (`core.pool_encoder`).

    Raises
    ------
    InputError
        Nothing is asked, or a text and rows for likeness; the condition or a filter cannot be used;
        there are no features, no such rows, or no encoder for a text; `limit` is below 1, or
        `min_cosine` is no cosine or has nothing to be measured to.
    """
    pool = pool or Pool.open(project)
    cut = Cut.of(limit, min_cosine)
    _check(bool(words.strip() or where.strip() or sources or filters), like, like_rows, cut)
    unknown = sorted(set(sources) - set(pool.sources().names))
    if unknown:
        known = ", ".join(pool.sources().names[:_NAMED])
        raise InputError(f"There is no source {unknown[0]!r}; some are: {known}.", option="source")
    allowed = np.ones(pool.rows, bool)
    if words.strip() or where.strip() or sources:
        found = pool.search(words, where=where, sources=sources, limit=pool.rows).rows
        allowed = _mask(found, pool.rows)
    if filters:
        facets = facets or Facets(project, pool)
        for rule in filters:
            allowed &= facets.mask(rule)
    if among is not None:
        allowed &= _mask(among, pool.rows)
    if not dropped:
        allowed &= ~load_decisions(project, pool.rows).dropped
    if not (like.strip() or len(like_rows)):
        return Found(np.flatnonzero(allowed))
    features = load_features(project)
    if like.strip():
        model = encoder or pool_encoder(features, progress)
        queries = model.encode([like]).vectors
    else:
        chosen = as_rows(np.asarray(like_rows), pool.rows)
        allowed[chosen] = False
        queries = np.asarray(features.vectors[chosen], np.float32)
    return Found.of(rank(features.vectors, queries, np.flatnonzero(allowed)), cut)


def find_histograms(
    project: Project,
    columns: Sequence[str],
    words: str = "",
    *,
    filters: Sequence[Filter] = (),
    facets: Facets | None = None,
    progress: Progress = silent,
    **asked: Any,
) -> list[Histogram]:
    """Count rows by the values of columns: all that are kept, and those that the search finds.

    A filter on a column does not apply to the bars of that column, unless rows are looked for by
    likeness.

    Parameters
    ----------
    columns : see `core.facets.Facets.names`.
    asked : all else that `find_rows` takes.

    Raises
    ------
    InputError
        There is no such column, or the search cannot be made.
    """
    facets = facets or Facets(project, asked.get("pool"))
    among = None
    by_likeness = asked.get("like", "").strip() or len(asked.get("like_rows", ()))
    if by_likeness:
        asked["filters"], filters = filters, ()
    if by_likeness or words.strip() or asked.get("where", "").strip() or asked.get("sources"):
        asked |= {"pool": facets.pool, "facets": facets, "dropped": False}
        among = find_rows(project, words, progress=progress, **asked).rows
    elif asked.get("among") is not None:
        among = asked["among"]
    return facets.histograms(columns, filters, among)


def _check(filtered: bool, like: str, like_rows: Sequence[int], cut: Cut) -> None:
    """Refuse to look for nothing, and for a likeness that cannot be."""
    if not (filtered or like.strip() or len(like_rows)):
        raise InputError("Nothing to look for; give words, a text or rows to be like, or a rule.")
    if like.strip() and len(like_rows):
        raise InputError("Give a text or rows to be like, not both.", option="like")
    if len(like_rows) > _MOST_LIKE:
        raise InputError(
            f"Rows can be like at most {_MOST_LIKE:,} rows, got {len(like_rows):,}; give fewer.",
            option="like_rows",
        )
    if cut.cosine is not None and not (like.strip() or len(like_rows)):
        raise InputError("A smallest cosine needs a text or rows to be like.", option="min_cosine")


def _mask(rows: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    mask = np.zeros(size, bool)
    mask[rows] = True
    return mask
