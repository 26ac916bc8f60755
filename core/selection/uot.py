"""Unbalanced optimal transport from the targets to their neighbours in the pool."""

import os

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.neighbors import Neighbors
from core.progress import Progress, silent
from core.selection.base import Numbers, Problem, Rows, Selection
from core.selection.nearest import (
    filled_note,
    inclusion,
    most_neighbors,
    nearest_target,
    target_neighbors,
)
from core.selection.reasons import Pulls, Reasons
from core.selection.sampling import systematic

_MOST_CELLS = 1 << 27  # targets × rows in the solver, which holds five such matrices: 5 GB
_FARTHEST = 600.0  # exp(-cost / entropy) beyond this is as good as 0 in float64
_NAMED_SHARE = 0.01  # of a row's mass: targets that send less do not explain it
_MOST_STEPS = 1_000  # relaxation of 20 entropies needs 250


def uot(
    problem: Problem,
    *,
    entropy: float,
    relaxation: float,
    max_neighbors: int,
    progress: Progress = silent,
) -> Selection:
    """Send each target's mass to near rows and draw rows in proportion to what they receive.

    The plan P minimises <P, D> + entropy · KL(P | a bᵀ) + relaxation · KL(Pᵀ1 | b) with P1 = a:
    every target sends its whole mass, while rows may receive more or less than an even share.
    D is the L2 distance in units of its mean over the prefetched pairs, a and b are uniform over
    the targets and over the rows that are a neighbour of any; other pairs carry nothing. As UOT of
    arXiv 2602.14696, whose code takes the rows of the largest mass instead of drawing; its entropy
    of 0.01 on (1 − cosine) / 2 is about 0.02 here.

    Notes
    -----
    POT's `sinkhorn_unbalanced` takes 2 s on two cores for 50 targets with 5,000 neighbours each,
    none in common, and up to a minute where relaxation is many times entropy. `mm_unbalanced`
    needs no entropy, but after 24 s on a tenth of that it was still far from the solution, and it
    cannot hold one side fixed. All solvers are dense: memory grows with targets × rows.
    """
    assert problem.targets is not None
    count = len(problem.targets)
    wished = min(max_neighbors, len(problem.candidates))
    near = target_neighbors(problem, min(wished, most_neighbors(problem)), progress=progress)
    near = _within_memory(near)
    neighbors = near.indices.shape[1]
    columns, places = np.unique(near.indices, return_inverse=True)
    scale = float(near.distances.mean(dtype=np.float64)) or 1.0
    progress(0, 0, "moving mass")
    plan = _plan(places.reshape(near.indices.shape), near.distances / scale, entropy, relaxation)
    weights = np.zeros(len(problem.candidates))
    weights[columns] = plan.sum(axis=0)
    chances, filled = inclusion(problem, weights)
    taken = systematic(chances, problem.generator)
    notes = filled_note(filled)
    if neighbors < wished:
        notes = (
            f"{neighbors:,} neighbours of each target were looked at instead of {wished:,}, so "
            f"that {count:,} targets fit into memory; take fewer targets for more.",
            *notes,
        )
    return Selection(
        rows=problem.candidates[taken],
        probabilities=chances[taken],
        support=int(np.count_nonzero(chances)),
        reasons=Reasons(
            pinned=problem.is_pinned[taken], pulls=_pulls(problem, plan, columns, taken)
        ),
        distribution=weights / weights.sum(),
        notes=notes,
        settings={"scale": scale, "max_neighbors": neighbors},
    )


def _within_memory(near: Neighbors) -> Neighbors:
    """Fewer neighbours of each target, where the solver's matrix would be too large."""
    count, most = near.indices.shape
    _, first = np.unique(near.indices.T.ravel(), return_index=True)
    # How many different rows are among the 1, 2, … nearest ones of all targets.
    rows = np.cumsum(np.bincount(first // count, minlength=most))
    neighbors = int(np.searchsorted(rows, _MOST_CELLS // count, side="right"))
    if not neighbors:
        raise InputError(
            f"UOT needs a matrix of {count * rows[0]:,} numbers for {count:,} target rows, more "
            f"than the {_MOST_CELLS:,} it may have; take fewer target rows, or another method."
        )
    return Neighbors(near.indices[:, :neighbors], near.distances[:, :neighbors])


def _plan(
    places: NDArray[np.int64], distances: NDArray[np.floating], entropy: float, relaxation: float
) -> Numbers:
    """Mass that each target sends to each row; each sends 1 / n_targets in all.

    Parameters
    ----------
    places : int64 ndarray of shape (n_targets, neighbours)
        Columns of the plan; each column occurs.
    distances : ndarray of the same shape, ascending in a row
    entropy, relaxation : in units of the distances

    Returns
    -------
    float64 ndarray of shape (n_targets, rows)
    """
    # POT looks for torch, which takes seconds to import and is not needed for NumPy arrays.
    os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")
    from ot.unbalanced import sinkhorn_unbalanced

    count, rows = len(places), int(places.max()) + 1
    cost = np.full((count, rows), np.inf)
    # What is added to all costs of a target does not move its mass, but keeps it from underflow.
    nearer = distances.astype(np.float64) - distances[:, :1]
    np.put_along_axis(cost, places, nearer, axis=1)
    reached = np.flatnonzero(cost.min(axis=0) < _FARTHEST * entropy)
    even, mass = np.full(count, 1 / count), np.full(len(reached), 1 / len(reached))
    moved = sinkhorn_unbalanced(
        even,
        mass,
        cost[:, reached],
        entropy,
        (np.inf, relaxation),
        reg_type="kl",
        numItermax=_MOST_STEPS,
    )
    moved *= (even / moved.sum(axis=1))[:, None]
    if len(reached) == rows:
        return np.asarray(moved)
    plan = np.zeros((count, rows))
    plan[:, reached] = moved
    return plan


def _pulls(problem: Problem, plan: Numbers, columns: Rows, taken: Rows) -> Pulls:
    """Targets that send a noticeable part of what each taken candidate receives."""
    places = np.searchsorted(columns, taken).clip(max=len(columns) - 1)
    inside = np.flatnonzero(columns[places] == taken)
    sent = plan[:, places[inside]].T
    noticeable = (sent > 0) & (sent >= _NAMED_SHARE * sent.sum(axis=1, keepdims=True))
    which, targets = np.nonzero(noticeable)
    shares = sent[which, targets]
    order = np.lexsort((-shares, which))
    starts = np.searchsorted(inside[which], np.arange(len(taken) + 1))
    nearest, distances = nearest_target(problem, problem.candidates[taken])
    return Pulls(starts, targets[order], shares[order], nearest, distances)
