"""The trade-off of TSDS in a project: laid once, then asked for any weight, budget and seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from core.errors import InputError
from core.progress import Progress, silent
from core.project import Project
from core.runs import rows_sha256
from core.selection import Curve, Problem, Selection
from core.selection.base import Rows
from core.selection.constrained import after_semdedup
from core.selection.tsds import Terms, first_filling, lay
from core.setup import Setup, set_up
from core.targets import load_target
from core.tradeoff_constraints import ChosenPoint, Effect, chosen_point, measure_effect
from core.tradeoff_coverage import Coverage, close_distance, cover
from core.tradeoff_pairs import PairSample, sample_pairs

METHODS = ("tsds-kde", "tsds-uniform")
RATIO = 0.05  # of the pool, where no budget is given; what the page begins with
WEIGHTS = np.round(np.arange(0, 0.9901, 0.03), 2)  # of the curve


@dataclass(frozen=True)
class CurvePoint:
    """The trade-off at one diversity weight."""

    diversity_weight: float
    alignment_cost: float
    support: int
    effective_size: float


@dataclass(frozen=True)
class Limits:
    """What the diversity weight and the budget leave each other.

    Attributes
    ----------
    smallest_weight : the smallest diversity weight at which enough rows are in reach for the
        budget; None where that is so at no weight.
    largest_budget : how many rows are in reach at the diversity weight, pinned ones among them.
    point : of the curve, at the diversity weight; pinned rows do not count.
    """

    smallest_weight: float | None
    largest_budget: int
    point: CurvePoint


class Tradeoff:
    """A target set and the path that leads away from it.

    The first question lays the path, which may take seconds; later ones for the same parameters
    take milliseconds. One thread at a time may ask.

    Parameters
    ----------
    setup : Setup
        Of a TSDS rule; its budget and seed do not matter.

    Raises
    ------
    InputError
        The rule has no path.
    """

    def __init__(self, setup: Setup) -> None:
        if setup.rule.id not in METHODS:
            known = " and ".join(METHODS)
            raise InputError(f"{setup.rule.label} has no trade-off; {known} have.", option="method")
        self.setup = setup
        self._fillings: dict[tuple[Terms, int], float | None] = {}

    def curve(
        self, parameters: Mapping[str, Any], *, up_to: float = 1.0, progress: Progress = silent
    ) -> Curve:
        """Cost, support and effective size at those of `WEIGHTS` that are not above `up_to`.

        Dropped rows, and those that SemDeDup leaves out, are not on it. Pinned rows, limits and the
        near-duplicate cap do not move it: see `effect`. The last ones take longest: they reach the
        most rows, and each row's density is measured.
        """
        path = lay(self._free(progress), self._terms(parameters), progress=progress)
        return path.curve(WEIGHTS[: np.searchsorted(WEIGHTS, up_to, side="right")])

    def limits(
        self,
        parameters: Mapping[str, Any],
        *,
        diversity_weight: float,
        budget: int,
        progress: Progress = silent,
    ) -> Limits:
        """What the weight and the budget leave each other."""
        terms, given = self._terms(parameters), self._free(progress)
        pinned = given.pinned
        point = lay(given, terms, progress=progress).solve(diversity_weight)
        largest = len(np.union1d(point.rows, pinned))
        if (terms, budget) not in self._fillings:
            smallest: float | None = 0.0
            if budget > len(pinned):
                problem = replace(given, budget=budget)
                filling = first_filling(problem, terms, progress=progress)
                smallest = filling.diversity_weight if filling else None
            self._fillings[terms, budget] = smallest
        return Limits(
            self._fillings[terms, budget],
            largest,
            CurvePoint(diversity_weight, point.alignment_cost, point.support, point.effective_size),
        )

    def preview(
        self,
        parameters: Mapping[str, Any],
        *,
        diversity_weight: str | float,
        budget: int,
        seed: int = 0,
        progress: Progress = silent,
    ) -> Selection:
        """The selection that `core.runs.select` would store."""
        setup = self.setup.at(budget=budget, seed=seed)
        given = {**parameters, "diversity_weight": diversity_weight}
        return setup.solve(progress=progress, **given)

    def as_drawn(self, parameters: Mapping[str, Any], selection: Selection) -> dict[str, Any]:
        """The parameters of the path that a preview was drawn from.

        Where the targets' neighbours held too few rows for the budget, it looked at more of them
        at the same scale: only that path's curve runs through the point of the preview.
        """
        found = dict(parameters)
        if selection.settings["max_neighbors"] > self._terms(parameters).max_neighbors:
            found |= {name: selection.settings[name] for name in ("max_neighbors", "scale")}
        return found

    def effect(
        self,
        parameters: Mapping[str, Any],
        selection: Selection,
        *,
        seed: int = 0,
        progress: Progress = silent,
    ) -> Effect | None:
        """What pinned rows, limits and the cap changed in a preview; None where there are none."""
        resolved = self.setup.rule.resolve(parameters)
        resolved.pop("diversity_weight")
        free = replace(self._free(progress), budget=len(selection.rows), seed=seed)
        return measure_effect(
            self.setup.problem,
            replace(free, pinned=np.empty(0, np.int64)),
            selection,
            self.setup.rule.id,
            resolved,
            progress=progress,
        )

    def chosen(self, parameters: Mapping[str, Any], selection: Selection) -> ChosenPoint:
        """What the rows of a preview cost alone."""
        return chosen_point(self._free(), self._terms(parameters), selection)

    @property
    def candidates(self) -> Rows:
        """Rows that the path may lead to."""
        return self._free().candidates

    def coverage(self, selection: Selection) -> Coverage:
        """What each target example found, and how much of the selection it pulled."""
        return cover(self._free(), selection, self._close)

    @cached_property
    def pairs(self) -> PairSample:
        """Pairs of rows near the targets, to see what a cosine means."""
        return sample_pairs(self._free())

    @cached_property
    def _close(self) -> float:
        return close_distance(self._free())

    def _free(self, progress: Progress = silent) -> Problem:
        """What the path is laid for: without limits and cap, after SemDeDup."""
        given = self.setup.problem
        if given.constraints is None:
            return given
        kept = after_semdedup(given, progress=progress)
        return replace(given, constraints=None, candidates=given.candidates[kept])

    def _terms(self, parameters: Mapping[str, Any]) -> Terms:
        return Terms.of(self.setup.rule.resolve(parameters))


@dataclass(frozen=True)
class TargetReport:
    """What one target example found; `close` as in `core.tradeoff_coverage.Coverage`."""

    target: int
    text: str
    pulled: int
    nearest_row: int
    distance: float
    cosine: float
    close: bool


@dataclass(frozen=True)
class PairReport:
    """Two rows of the pool and their cosine."""

    cosine: float
    rows: tuple[int, int]


@dataclass(frozen=True)
class TradeoffReport:
    """The trade-off for a budget.

    Attributes
    ----------
    diversity_weight : what was asked for, or what "auto" came to.
    smallest_diversity_weight, largest_budget : see `Limits`.
    support, alignment_cost, effective_size : of the path where the rows are drawn.
    left_out : rows of the pool that were dropped, or left out by SemDeDup.
    rows_sha256 : of the rows that `select` would store for the same options.
    chosen : of these rows alone.
    exchanged : how many of them take the places of others, which limits or the near-duplicate cap
        forbid.
    unconstrained : of the rows drawn without pinned rows, limits and cap; None where these change
        nothing, or there are none. Pinned rows lead to another draw: small differences are chance.
    curve : knows nothing of these constraints.
    close_distance : a target with no row within it found no close row.
    coverage : those that found no close row first.
    near_duplicates : a pair just above the duplicate cosine and one just below it, if the rule has
        one and there are such.
    """

    method: str
    target: str
    budget: int
    diversity_weight: float
    smallest_diversity_weight: float | None
    largest_budget: int
    support: int
    alignment_cost: float
    effective_size: float
    left_out: int
    rows_sha256: str
    chosen: ChosenPoint
    exchanged: int
    unconstrained: ChosenPoint | None
    notes: tuple[str, ...]
    curve: tuple[CurvePoint, ...]
    close_distance: float
    coverage: tuple[TargetReport, ...]
    near_duplicates: tuple[PairReport, ...]


def tradeoff(
    project: Project,
    *,
    target: str,
    method: str = METHODS[0],
    ratio: float | None = None,
    budget: int | None = None,
    diversity_weight: str | float | None = None,
    seed: int = 0,
    limits: Sequence[str] = (),
    max_cosine: float | None = None,
    semdedup: float | None = None,
    progress: Progress = silent,
    **parameters: Any,
) -> TradeoffReport:
    """Lay the path to a target set, and say what it offers a budget.

    Dropped rows are left out, as is what SemDeDup takes; pinned rows, limits and the near-duplicate
    cap are obeyed by the rows, and it is said what they change.

    Parameters
    ----------
    limits, max_cosine, semdedup : as in `core.runs.select`.
    ratio, budget : as in `core.runs.select`; without both, 5 % of the pool.
    diversity_weight : where to draw the rows; default: that of the rule.
    **parameters : the rule's own, as in `core.runs.select`.

    Raises
    ------
    InputError
        The rule has no path, and what `core.runs.select` refuses.
    """
    if ratio is None and budget is None:
        ratio = RATIO
    setup = set_up(
        project,
        method=method,
        target=target,
        ratio=ratio,
        budget=budget,
        seed=seed,
        limits=limits,
        max_cosine=max_cosine,
        semdedup=semdedup,
        progress=progress,
    )
    found, wanted = Tradeoff(setup), setup.problem.budget
    given = {} if diversity_weight is None else {"diversity_weight": diversity_weight}
    resolved = setup.rule.resolve({**parameters, **given})
    weight = resolved.pop("diversity_weight")
    selection = found.preview(
        resolved, diversity_weight=weight, budget=wanted, seed=seed, progress=progress
    )
    if weight == "auto":
        weight = selection.settings["diversity_weight"]
    drawn = found.as_drawn(resolved, selection)
    reach = found.limits(drawn, diversity_weight=weight, budget=wanted, progress=progress)
    curve = found.curve(drawn, progress=progress)
    effect = found.effect(resolved, selection, seed=seed, progress=progress)
    chosen = effect.chosen if effect else found.chosen(resolved, selection)
    coverage = found.coverage(selection)
    texts = load_target(setup.project, target).texts
    line = resolved.get("duplicate_cosine")
    return TradeoffReport(
        method=method,
        target=target,
        budget=wanted,
        diversity_weight=weight,
        smallest_diversity_weight=reach.smallest_weight,
        largest_budget=reach.largest_budget,
        support=selection.support,
        alignment_cost=selection.settings["alignment_cost"],
        effective_size=selection.settings["effective_size"],
        left_out=setup.pool.rows - len(found.candidates),
        rows_sha256=rows_sha256(selection.rows),
        chosen=chosen,
        exchanged=selection.settings.get("exchanged", 0),
        unconstrained=effect.free if effect and effect.causes else None,
        notes=(*setup.notes, *selection.notes, *([effect.sentence] if effect else [])),
        curve=tuple(
            CurvePoint(*values)
            for values in zip(
                curve.diversity_weights.tolist(),
                curve.alignment_costs.tolist(),
                curve.supports.tolist(),
                curve.effective_sizes.tolist(),
                strict=True,
            )
        ),
        close_distance=coverage.close_distance,
        coverage=tuple(
            TargetReport(
                target=one,
                text=texts[one],
                pulled=int(coverage.pulled[one]),
                nearest_row=int(coverage.nearest[one]),
                distance=float(coverage.distances[one]),
                cosine=float(coverage.cosines[one]),
                close=bool(coverage.close[one]),
            )
            for one in coverage.order.tolist()
        ),
        near_duplicates=()
        if line is None
        else tuple(PairReport(pair.cosine, pair.rows) for pair in found.pairs.around(line)),
    )
