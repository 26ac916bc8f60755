"""Rows of a project that are looked for: by words, a condition, filters, likeness, or all of it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.decisions import load_decisions
from core.devices import cpu_count
from core.encoders.base import Encoder
from core.errors import InputError
from core.facets import Facets, Filter, Histogram
from core.features import load_features
from core.pool import Pool
from core.pool_encoder import pool_encoder
from core.progress import Progress, silent
from core.project import Project
from core.values import as_rows

LIKE = 200  # rows that a search by likeness gives, unless told
_MOST_LIKE = 1_000  # rows that others should be like
_NAMED = 12  # sources that a message names
_PART = 8_192  # rows that are compared together: 12 MB in float32


@dataclass(frozen=True)
class Found:
    """Rows that were found.

    Attributes
    ----------
    rows : int64 ndarray of shape (m,)
        Ascending; the likest first where likeness was asked for.
    cosines : float32 ndarray of shape (m,), or None
        The largest cosine of each row to what it should be like.
    """

    rows: NDArray[np.int64]
    cosines: NDArray[np.float32] | None = None


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
    limit: int = LIKE,
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
    limit : how many rows likeness gives; the others give all.
    pool, facets : the project's, if they are open already.
    encoder : the features' own, if it is loaded already (`core.pool_encoder`).

    Raises
    ------
    InputError
        Nothing is asked, or a text and rows for likeness; the condition or a filter cannot be used;
        there are no features, no such rows, or no encoder for a text; `limit` is below 1.
    """
    pool = pool or Pool.open(project)
    _check(bool(words.strip() or where.strip() or sources or filters), like, like_rows, limit)
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
    rows, cosines = likest(features.vectors, queries, np.flatnonzero(allowed), limit)
    return Found(rows, cosines)


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


def _check(filtered: bool, like: str, like_rows: Sequence[int], limit: int) -> None:
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
    if limit < 1:
        raise InputError(f"The number of rows must be at least 1, got {limit}.", option="limit")


def _mask(rows: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    mask = np.zeros(size, bool)
    mask[rows] = True
    return mask


def likest(
    vectors: NDArray[np.floating[Any]],
    queries: NDArray[np.floating[Any]],
    rows: NDArray[np.int64],
    limit: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The rows with the largest cosine to any query, the likest first, equal ones by row.

    Parameters
    ----------
    vectors : ndarray of shape (n, dim), unit norm
    queries : ndarray of shape (q, dim), unit norm
    rows : int64 ndarray, ascending
        Those that may be found.
    limit : how many at most.

    Returns
    -------
    int64 ndarray of shape (m,), and their cosines, float32
    """
    asked = np.ascontiguousarray(queries, np.float32).T
    cosines = np.empty(len(rows), np.float32)

    def compare(start: int) -> None:
        part = rows[start : start + _PART]
        whole = part[-1] - part[0] + 1 == len(part)
        taken = vectors[part[0] : part[-1] + 1] if whole else vectors[part]
        products = np.asarray(taken, np.float32) @ asked
        cosines[start : start + len(part)] = products.max(axis=1)

    with ThreadPoolExecutor(cpu_count()) as threads:
        list(threads.map(compare, range(0, len(rows), _PART)))
    count = min(limit, len(rows))
    if not count:
        return rows[:0], cosines[:0]
    # All that tie with the last one, so that the lower row wins.
    least = np.partition(cosines, len(rows) - count)[len(rows) - count]
    near = np.flatnonzero(cosines >= least)
    order = near[np.lexsort((near, -cosines[near]))][:count]
    return rows[order], np.minimum(cosines[order], np.float32(1))
