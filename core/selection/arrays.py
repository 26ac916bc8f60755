"""Selection from plain arrays: no project, no text; what the papers' scripts do."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.kmeans import kmeans_labels
from core.progress import Progress, silent
from core.selection.base import Numbers, Problem, Rows, Strata, resolve_budget
from core.selection.constraints import Limit, cluster_groups, make_constraints
from core.selection.registry import find_rule, solve
from core.selection.tsds import sigma_of
from core.values import check_seed

_LONGEST = 1e15  # norm of a vector: squares of it, and sums of those, are far below float32's end
_BLOCK_CELLS = 1 << 24  # values looked at in one go: 64 MB of float32
_MOST_CLUSTERS = 2048  # the best number of the paper's (arXiv 2409.11378) on 196 K rows


@dataclass(frozen=True)
class ArraySelection:
    """What `select_arrays` chose.

    Attributes
    ----------
    rows : int64 ndarray of shape (selected,), ascending
    probabilities : float64 ndarray of shape (n,)
        The rule's distribution over the pool, of sum 1; see `core.selection.Selection`.
    inclusion : float64 ndarray of shape (selected,)
        Inclusion probability of each chosen row.
    support : int
        Rows that could have been chosen.
    seconds : float
        Time spent, reading of the arrays not included.
    notes : tuple of str
        What was changed to meet the budget.
    settings : dict
        Parameters as they were resolved.
    """

    rows: Rows
    probabilities: Numbers
    inclusion: Numbers
    support: int
    seconds: float
    notes: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def selected(self) -> int:
        """Number of rows chosen."""
        return len(self.rows)


def select_arrays(
    pool: NDArray[np.floating],
    target: NDArray[np.floating] | None = None,
    *,
    method: str,
    ratio: float | None = None,
    budget: int | None = None,
    quality: NDArray[np.floating] | None = None,
    labels: NDArray[np.integer] | None = None,
    clusters: int | None = None,
    strata: NDArray[Any] | None = None,
    limits: Sequence[str] = (),
    max_cosine: float | None = None,
    semdedup: float | None = None,
    seed: int = 0,
    progress: Progress = silent,
    **parameters: Any,
) -> ArraySelection:
    """Choose rows of an array.

    Parameters
    ----------
    pool : ndarray of shape (n, dim)
        float16, float32 or float64; distances are L2 on the values as they are.
    target : ndarray of shape (n_targets, dim), optional
    method : str
        A key of `core.selection.RULES`.
    ratio, budget : float in (0, 1], int
        Share of the pool (rounded), or number of rows; exactly one of them.
    quality : ndarray of shape (n,), optional
    labels : int ndarray of shape (n,), optional
        Clusters, for rules and constraints that need them; otherwise k-means finds `clusters` of
        them (default: sqrt(n / 2), at most 2048).
    strata : ndarray of shape (n,), optional
        Group of each row, whole numbers or text, for `stratified` and limits.
    limits : sequence of str
        Fewest and most rows of a group, such as ``"group:a=..500"``, or of a cluster, such as
        ``"cluster=20.."``; see `core.selection.constraints`.
    max_cosine : float, optional
        No two chosen rows have a cosine above it.
    semdedup : float, optional
        SemDeDup at this cosine leaves near-duplicates out before the rule chooses.
    **parameters
        The rule's own: diversity_weight (λ = 1 − α), scale (C), sigma, max_neighbors,
        density_neighbors, quotas, temperature. Without sigma, tsds-kde takes that of cosine 0.95,
        0.316, times the root mean square norm of the pool.

    Raises
    ------
    InputError
        Arrays of the wrong shape or type, values that are not finite or a norm above 1e15 (names
        the row), or what `core.selection.solve` refuses.

    Examples
    --------
    >>> import numpy as np
    >>> pool = np.eye(4)
    >>> select_arrays(pool, pool[:1], method="tsds-uniform", budget=1, diversity_weight=0).rows
    array([0])
    """
    started = time.perf_counter()
    rule = find_rule(method)
    check_seed(seed)
    pool = _checked(pool, "the pool")
    if target is not None:
        target = _checked(target, "the target")
    elif rule.needs_target:
        raise InputError(f"{rule.label} needs target vectors; give them after the pool's.")
    if strata is None and rule.needs_strata:
        raise InputError(
            f"{rule.label} needs the group of each row; give an array of them (--by G.npy).",
            option="by",
        )
    groups = _strata(strata, len(pool))
    if rule.needs_clusters or semdedup is not None or any(map(_of_clusters, limits)):
        labels = _labels(pool, labels, clusters, seed)
    if "sigma" in {parameter.name for parameter in rule.expert}:
        parameters = _with_sigma(parameters, pool)
    problem = Problem(
        features=pool,
        candidates=np.arange(len(pool)),
        budget=resolve_budget(len(pool), ratio, budget),
        targets=target,
        labels=labels,
        strata=groups,
        quality=_quality(quality, len(pool)),
        seed=seed,
        constraints=make_constraints(
            partial(_groups, labels, groups), limits, max_cosine, semdedup
        ),
    )
    selection = solve(method, problem, progress=progress, **parameters)
    return ArraySelection(
        rows=selection.rows,
        probabilities=selection.distribution,
        inclusion=selection.probabilities,
        support=selection.support,
        seconds=time.perf_counter() - started,
        notes=selection.notes,
        settings=selection.settings,
    )


def _checked(array: NDArray[Any], name: str) -> NDArray[np.floating]:
    array = np.asarray(array)
    if array.ndim != 2:
        raise InputError(f"{name.capitalize()} must be a 2D array, got shape {array.shape}.")
    if array.dtype not in (np.float16, np.float32, np.float64):
        raise InputError(
            f"{name.capitalize()} must be float16, float32 or float64, got {array.dtype}."
        )
    if not len(array) or not array.shape[1]:
        raise InputError(f"{name.capitalize()} is empty, shape {array.shape}.")
    start = 0
    for block in _blocks(array):
        bad = ~np.isfinite(block).all(axis=1)
        if bad.any():
            raise InputError(
                f"Row {start + bad.argmax()} of {name} holds NaN or infinite values; "
                "encode it again."
            )
        with np.errstate(over="ignore"):
            vectors = block.astype(np.float32, copy=False)
            long = np.einsum("ij,ij->i", vectors, vectors) > _LONGEST**2
        if long.any():
            raise InputError(
                f"Row {start + long.argmax()} of {name} has a norm above {_LONGEST:g}; "
                "scale the vectors down."
            )
        start += len(block)
    return array


def _blocks(array: NDArray[np.floating]) -> Iterator[NDArray[np.floating]]:
    step = max(1, _BLOCK_CELLS // array.shape[1])
    for start in range(0, len(array), step):
        yield array[start : start + step]


def _quality(quality: NDArray[Any] | None, rows: int) -> Numbers | None:
    if quality is None:
        return None
    quality = np.asarray(quality)
    if quality.shape != (rows,) or quality.dtype.kind not in "iufb":
        raise InputError(
            f"Quality must be {rows} numbers, one for each pool row, "
            f"got {quality.dtype} of shape {quality.shape}."
        )
    return quality.astype(np.float64)


def _strata(strata: NDArray[Any] | None, rows: int) -> Strata | None:
    if strata is None:
        return None
    strata = np.asarray(strata)
    if strata.shape != (rows,) or strata.dtype.kind not in "iubU":
        raise InputError(
            f"Groups must be {rows} whole numbers or texts, one for each pool row, "
            f"got {strata.dtype} of shape {strata.shape}."
        )
    names, codes = np.unique(strata, return_inverse=True)
    return Strata("group", codes, tuple(map(str, names.tolist())))


def _of_clusters(limit: str) -> bool:
    return Limit.parse(limit).column == "cluster"


def _groups(labels: NDArray[np.integer] | None, strata: Strata | None, column: str) -> Strata:
    """The groups of a column that has limits."""
    if column == "cluster" and labels is not None:
        return cluster_groups(labels)
    if column == "group" and strata is not None:
        return strata
    raise InputError(
        f"Arrays have no column {column!r} to limit; use cluster, or group with the groups of the "
        "rows (--by).",
        option="limit",
    )


def _labels(
    pool: NDArray[np.floating], labels: NDArray[Any] | None, clusters: int | None, seed: int
) -> NDArray[np.integer]:
    if labels is not None:
        labels = np.asarray(labels)
        if labels.shape != (len(pool),) or labels.dtype.kind not in "iu":
            raise InputError(
                f"Labels must be {len(pool)} whole numbers, one for each pool row, "
                f"got {labels.dtype} of shape {labels.shape}."
            )
        return labels
    if clusters is None:
        clusters = min(_MOST_CLUSTERS, max(1, round(math.sqrt(len(pool) / 2))))
    if not 1 <= clusters <= len(pool):
        raise InputError(f"Clusters must be between 1 and {len(pool)}, got {clusters}.")
    return kmeans_labels(pool, clusters, seed)


def _with_sigma(parameters: dict[str, Any], pool: NDArray[np.floating]) -> dict[str, Any]:
    """Turn the near-duplicate cosine, or its default, into a width that fits the norms."""
    if parameters.get("sigma") is not None:
        return parameters
    cosine = find_rule("tsds-kde").resolve(
        {k: v for k, v in parameters.items() if k == "duplicate_cosine"}
    )["duplicate_cosine"]
    squares = 0.0
    for block in _blocks(pool):
        vectors = block.astype(np.float32)
        squares += np.einsum("ij,ij->i", vectors, vectors).sum(dtype=np.float64)
    norm = math.sqrt(squares / len(pool))
    # Vectors of unit norm, stored as float16: that they were rounded should not show.
    norm = 1.0 if abs(norm - 1) < 1e-3 else norm
    return {**parameters, "sigma": sigma_of(cosine) * norm}
