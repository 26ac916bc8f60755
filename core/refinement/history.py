"""What a refinement did so far, as arrays to look at: weights, scores, rows and losses by round."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.clusters import Clusters
from core.decisions import load_decisions
from core.project import Project
from core.refinement.draw import living
from core.refinement.loop import status
from core.refinement.plan import Plan
from core.refinement.report import RefineReport
from core.refinement.result import part_of, subset_mask
from core.refinement.round_store import Hand, Round
from core.refinement.steps import ground_of
from core.refinement.store import Refinement, open_refinement
from core.refinement.weights import ClusterScores, cluster_scores
from core.values import decode_ranges


@dataclass(frozen=True)
class Drawn:
    """The rows that the rounds brought, round by round and in each by row; arrays of shape (n,).

    Attributes
    ----------
    rows, clusters, rounds : int64; a row that was dropped, restored and drawn again stands twice.
    scores : float64; not a number where a row has none.
    probabilities : float64; those of the draw.
    held : bool; whether the row is in the subset by this draw.
    why : the reasons of the draw.
    """

    rows: NDArray[np.int64]
    clusters: NDArray[np.int64]
    rounds: NDArray[np.int64]
    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    held: NDArray[np.bool_]
    why: tuple[str, ...]

    def of_cluster(self, number: int) -> NDArray[np.int64]:
        """Places of a cluster's rows that the subset holds; the best score first, none last."""
        places = np.flatnonzero((self.clusters == number) & self.held)
        return self._by_score(places)

    def of_round(self, number: int) -> NDArray[np.int64]:
        """Places of the rows that a round brought; the best score first, none last."""
        return self._by_score(np.flatnonzero(self.rounds == number))

    def _by_score(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        scores = np.nan_to_num(self.scores[places], nan=-np.inf)
        return places[np.argsort(-scores, kind="stable")]


@dataclass(frozen=True)
class History:
    """A refinement of k clusters after n finished rounds.

    Attributes
    ----------
    plan, report : what it was started with, and how it stands.
    clusters : those that it was started on, with their titles of now.
    weights : float64 ndarray of shape (k, n + 1)
        Those that each round found, and those of now; the sum of a column is 1. A cluster that is
        dropped has none now.
    dropped : bool ndarray of shape (k,)
        Clusters of which no row is kept.
    counts : int64 ndarray of shape (k, n)
        Rows that a round brought.
    scores : float64 ndarray of shape (k, n)
        Mean score of these; not a number where none has one.
    overall : scores of the clusters over all rounds.
    sources : names of the sources of the pool.
    source_counts : int64 ndarray of shape (n, sources)
        Rows that a round brought from each.
    losses : of each round, pairs of step, from 1, and training loss.
    by_hand : of each round, and of the next one, what a person changed of the weights before it.
    drawn : the rows.
    """

    plan: Plan
    report: RefineReport
    clusters: Clusters
    weights: NDArray[np.float64]
    dropped: NDArray[np.bool_]
    counts: NDArray[np.int64]
    scores: NDArray[np.float64]
    overall: ClusterScores
    sources: tuple[str, ...]
    source_counts: NDArray[np.int64]
    losses: tuple[tuple[tuple[int, float], ...], ...]
    by_hand: tuple[tuple[Hand, ...], ...]
    drawn: Drawn

    @property
    def rounds(self) -> int:
        """Finished rounds."""
        return self.counts.shape[1]

    @property
    def weights_now(self) -> NDArray[np.float64]:
        """The weights as the next round will find them, shape (k,)."""
        return self.weights[:, -1]

    @cached_property
    def by_weight(self) -> NDArray[np.int64]:
        """The clusters by weight now, the largest first, dropped ones last."""
        return np.lexsort((-self.weights_now, self.dropped))

    @property
    def change(self) -> NDArray[np.float64]:
        """What the last round, and a hand since, did to the weights, shape (k,); 0 before any."""
        before: NDArray[np.float64] = self.weights[:, -2] if self.rounds else self.weights_now
        return self.weights_now - before

    @cached_property
    def held(self) -> NDArray[np.int64]:
        """Rows of each cluster that the subset holds, shape (k,)."""
        return np.bincount(self.drawn.clusters[self.drawn.held], minlength=len(self.weights))

    def factor_by_hand(self, number: int) -> float:
        """What a person multiplied a cluster's weight by for the round that comes next."""
        factors = [one.factor for one in self.by_hand[-1] if number in decode_ranges(one.clusters)]
        return float(np.prod(factors)) if factors else 1.0


def history_of(project: Project, name: str) -> History:
    """Read what a refinement did; also while another process works on it.

    Raises
    ------
    InputError
        There is none of this name, or a file of it cannot be read.
    """
    refinement = open_refinement(project, name)
    ground = ground_of(project, refinement.plan)
    report = status(project, name)
    rounds = refinement.rounds()[: report.round]  # one may have been finished since
    k = ground.k
    drawn = _drawn(rounds, ground.pool.rows)
    decided = load_decisions(project, ground.pool.rows)
    kept = np.bincount(ground.labels[decided.candidates], minlength=k)
    weights = np.array(report.weights)
    now = weights if kept.all() else living(weights, kept)
    sources = ground.pool.sources()
    codes, names = sources.codes[drawn.rows], tuple(sources.names)
    in_round = [drawn.rounds == one.number for one in rounds]
    found = [one.clusters["standing"].to_numpy() for one in rounds]
    by_round = [cluster_scores(drawn.clusters[of], drawn.scores[of], k) for of in in_round]
    return History(
        refinement.plan,
        report,
        ground.clusters,
        np.stack([*found, now], axis=1),
        kept == 0,
        _columns([np.bincount(drawn.clusters[of], minlength=k) for of in in_round], k, np.int64),
        _columns([one.mean for one in by_round], k, np.float64),
        cluster_scores(drawn.clusters, drawn.scores, k),
        names,
        _columns(
            [np.bincount(codes[of], minlength=len(names)) for of in in_round], len(names), np.int64
        ).T,
        tuple(one.report.losses if one.report else () for one in rounds),
        (*(one.drawn.hand for one in rounds), _next_hand(refinement, len(rounds))),
        drawn,
    )


def clusters_by_weight(history: History) -> list[dict[str, Any]]:
    """What became of each cluster, the heaviest now first, as plain values.

    Keys: cluster, title, dropped (whether no row of it is kept), weights (each round's, and now),
    rows (that each round brought), scores (means by round, None where no row was scored), score and
    scored (over all rounds), held (rows in the subset).
    """

    def known(values: NDArray[np.float64]) -> list[float | None]:
        return [None if np.isnan(one) else one for one in values.tolist()]

    means = known(history.overall.mean)
    return [
        {
            "cluster": number,
            "title": history.clusters.titles[number],
            "dropped": bool(history.dropped[number]),
            "weights": history.weights[number].tolist(),
            "rows": history.counts[number].tolist(),
            "scores": known(history.scores[number]),
            "score": means[number],
            "scored": int(history.overall.count[number]),
            "held": int(history.held[number]),
        }
        for number in history.by_weight.tolist()
    ]


def stamp_of(project: Project, name: str) -> str:
    """What changes whenever a stage of the refinement leaves something; to keep a history by.

    Raises
    ------
    InputError
        There is none of this name.
    """
    folder = open_refinement(project, name).folder
    found = []
    for place in (folder, folder / "pending"):
        with suppress(FileNotFoundError):  # a round that ends meanwhile
            found += [(path.name, path.stat().st_mtime_ns) for path in sorted(place.iterdir())]
    return repr(found)


def _next_hand(refinement: Refinement, done: int) -> tuple[Hand, ...]:
    pending = refinement.pending
    return refinement.hand(done + (2 if pending else 1))


def _columns(arrays: list[NDArray], rows: int, kind: type) -> NDArray:
    return np.stack(arrays, axis=1) if arrays else np.empty((rows, 0), kind)


def _drawn(rounds: list[Round], rows: int) -> Drawn:
    """The rows of some rounds."""
    parts = [part_of(one) for one in rounds]
    scores = [one.scores for one in rounds]
    held = np.zeros(sum(len(part.draw.rows) for part in parts), bool)
    in_subset = subset_mask(parts, rows)
    at = len(held)
    for part in reversed(parts):  # a row that was lost and drawn again is that of its last draw
        at -= len(part.draw.rows)
        held[at : at + len(part.draw.rows)] = in_subset[part.draw.rows]
        in_subset[part.draw.rows] = False
    return Drawn(
        _joined([part.draw.rows for part in parts], np.int64),
        _joined([one.labels for one in rounds], np.int64),
        _joined([np.full(len(one.rows), one.number) for one in rounds], np.int64),
        _joined([one.values for one in scores if one is not None], np.float64),
        _joined([part.draw.probabilities for part in parts], np.float64),
        held,
        tuple(why for part in parts for why in part.draw.why),
    )


def _joined(arrays: list[NDArray], kind: type) -> NDArray:
    return np.concatenate(arrays).astype(kind) if arrays else np.empty(0, kind)
