"""Rules that cover the candidates: k-center and facility location, and the greedy search."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from core.copies import Copies
from core.devices import resolve_device
from core.errors import InputError
from core.progress import Progress, silent
from core.selection.base import Numbers, Problem, Rows, Selection
from core.selection.reasons import Reasons
from core.selection.rows import Vectors, gather

# k-center: rows that may be chosen before all are looked at again, and how many of them are.
_BLOCK, _AT_ONCE = 4096, 512
_CELLS = 1 << 22  # 16 MB of dot products at a time
# Float32 rounding of |a|² + |b|² − 2 a·b, relative to |a|² + |b|²: see core.neighbors.
_ROUNDING = 3e-6
_ALL_ROWS = 5_000  # up to here every row is looked at at each choice
_KEPT_BYTES = 1 << 30  # similarities that are kept to be looked at again
_FETCHED = 1024  # rows whose similarities are computed together, if so many can be kept
_FETCHED_LEAST = 64
_CHOOSING = "choosing rows that cover the others"
_SOON = 0.95  # of the value of the last choice: a row of less is not looked at for a while
_LIKELY = 1024
# Products of two numbers: an hour or more.
_MOST_WORK = {"cpu": 4e14, "cuda": 4e15}
_AHEAD = 2048  # rows drawn together, for as many choices as that makes: another number, other draws


def in_order(problem: Problem, order: Rows, values: Numbers, measure: str) -> Selection:
    """Make the selection of a rule that is sure of its rows.

    Parameters
    ----------
    order : int64 ndarray of shape (budget,)
        Places in `problem.candidates`, in the order of choice.
    values : float64 ndarray of shape (budget,)
        What the rule went by, in the same order; not a number for none.
    """
    by_row = np.argsort(order)
    taken = order[by_row]
    distribution = np.zeros(len(problem.candidates))
    distribution[taken] = 1 / problem.budget
    return Selection(
        rows=problem.candidates[taken],
        probabilities=np.ones(len(taken)),
        support=len(taken),
        reasons=Reasons(
            pinned=problem.is_pinned[taken],
            rank=by_row + 1,
            measure=measure,
            value=values[by_row],
        ),
        distribution=distribution,
    )


def k_center(problem: Problem, *, progress: Progress = silent) -> Selection:
    """Choose the row farthest from all that are chosen, again and again (Gonzalez 1985).

    It begins with the pinned rows, or else with the row nearest to the mean. The same rows as one
    pass over all of them for each choice would give, but for a few hundred choices at a time: the
    distances only fall, so among the farthest rows one can choose until another may be farther.
    Distances are compared as float32 sums of squared differences, equal ones by row.
    """
    from core.selection.cover_kernels import walk

    rows = gather(problem, "k-center", as_unit=False)
    products = _Products(rows)
    norms = np.einsum("ij,ij->i", rows, rows)
    latest = np.flatnonzero(problem.is_pinned)
    if not len(latest):
        latest = _nearest_to_mean(rows)
    order, values = [latest], [np.full(len(latest), np.nan)]
    left = problem.budget - len(latest)
    squared = np.full(len(rows), np.inf, np.float32)
    while left:
        for _ in _lower(products, rows, norms, latest, squared):
            progress(problem.budget - left, problem.budget, "choosing the farthest rows")
        squared[latest] = -1
        block, limit, beyond = _farthest(squared)
        latest, found = walk(rows, block, squared[block], limit, beyond, min(left, _AT_ONCE))
        order.append(latest)
        values.append(np.sqrt(found, dtype=np.float64))
        left -= len(latest)
    measure = "distance to the nearest row chosen before"
    return in_order(problem, np.concatenate(order), np.concatenate(values), measure)


def facility_location(
    problem: Problem, *, epsilon: float, progress: Progress = silent
) -> Selection:
    """Choose rows so that each candidate has a similar one among them.

    Maximises Σ_i max_{j chosen} max(0, cos(i, j)) over the candidates i, greedily: within
    1 − 1/e of the best (Nemhauser et al. 1978), less ε where candidates are sampled.
    """
    rows = gather(problem, "Facility location", as_unit=True)
    bonus = np.zeros(len(rows))
    found = greedy(problem, rows, weight=1.0, bonus=bonus, epsilon=epsilon, progress=progress)
    return replace(
        in_order(problem, found.order, found.values, "similarity added"),
        settings={"rows_looked_at": found.sample or len(rows)},
    )


@dataclass(frozen=True)
class Greedy:
    """What `greedy` chose.

    Attributes
    ----------
    order : int64 ndarray of shape (budget,)
        Places in the candidates: the pinned ones, then the others in the order of choice.
    values : float64 ndarray of shape (budget,)
        Value of each when it was chosen; not a number for the pinned ones.
    sample : rows that were looked at for each choice; 0 for all.
    """

    order: Rows
    values: Numbers
    sample: int


def greedy(
    problem: Problem,
    rows: Vectors,
    *,
    weight: float,
    bonus: Numbers,
    epsilon: float,
    progress: Progress,
) -> Greedy:
    """Choose by ``weight · (gain in facility location) + bonus``, the largest first.

    A gain only falls as rows are chosen. So the row of the largest value known is looked at again,
    and chosen if it still has the largest (lazy greedy, Minoux 1978). Up to 5,000 rows, or at
    ε = 0, this goes over all rows; else, for each of k choices, over (n / k) ln(1 / ε) rows that
    are drawn with replacement (stochastic greedy, Mirzasoleiman et al. 2015).

    Parameters
    ----------
    rows : float32 ndarray of shape (candidates, dim), unit norm
    bonus : float64 ndarray of shape (candidates,)

    Notes
    -----
    Costs 2 · n · dim operations for each row that is looked at for the first time, and mostly
    2 · n for one that is looked at again. Memory: the rows and 1 GB.
    """
    pinned = np.flatnonzero(problem.is_pinned)
    free, wanted = len(rows) - len(pinned), problem.budget - len(pinned)
    cover = _Cover(rows)
    for place in pinned:
        cover.add(int(place), pinned)
    known = np.full(len(rows), np.inf)
    known[pinned] = -np.inf
    sample = 0
    if len(rows) > _ALL_ROWS and epsilon > 0 and wanted:
        sample = math.ceil(free / wanted * math.log(1 / epsilon))
        sample = sample if sample < free else 0
    _check_work(rows, sample * wanted or free)
    # No more together than can be kept until they are looked at.
    ahead = min(_AHEAD, cover.slots)
    draws = _draws(known, sample, ahead, problem.generator) if sample else None
    order, values = np.empty(wanted, np.int64), np.empty(wanted)
    looked = np.full(len(rows), -1)  # the last choice for which each row was looked at
    last = np.inf
    for step in range(wanted):
        drawn = next(draws) if draws else None
        while True:
            best = int(known.argmax() if drawn is None else drawn.now[known[drawn.now].argmax()])
            if looked[best] == step:
                break
            if not cover.has(best):
                progress(len(pinned) + step, problem.budget, _CHOOSING)
                cover.fetch(best, _likely(known, drawn, min(last, known[best])))
            known[best] = weight * cover.gain(best) + bonus[best]
            looked[best] = step
        order[step], values[step] = best, known[best]
        last = known[best]
        known[best] = -np.inf
        cover.add(best, order[step : step + 1])
        if step % 16 == 0:
            progress(len(pinned) + step, problem.budget, _CHOOSING)
    nothing = np.full(len(pinned), np.nan)
    return Greedy(np.concatenate([pinned, order]), np.concatenate([nothing, values]), sample)


def _check_work(rows: Vectors, looked_at: int) -> None:
    """Refuse what would take hours, before it begins."""
    pairs = len(rows) * looked_at
    if pairs * rows.shape[1] > _MOST_WORK[resolve_device("auto")]:
        raise InputError(
            f"This rule would compare {pairs:.0e} pairs of rows, which takes hours on this "
            "machine; choose k-center or kmeans-closest, or drop rows first."
        )


@dataclass(frozen=True)
class _Drawn:
    """Rows that were drawn, ascending: for this choice, and for the next ones too."""

    now: Rows
    soon: Rows


def _draws(
    known: Numbers, sample: int, ahead: int, generator: np.random.Generator
) -> Iterator[_Drawn]:
    """Yield what is drawn for each choice; rows that are chosen have the value -inf."""
    while True:
        free = np.flatnonzero(known > -np.inf)
        together = free[generator.integers(len(free), size=(max(1, ahead // sample), sample))]
        soon = np.unique(together)
        for one in together:
            now = np.unique(one)
            now = now[known[now] > -np.inf]
            if not len(now):
                break  # all of them were chosen since they were drawn
            yield _Drawn(now, soon)


def _likely(known: Numbers, drawn: _Drawn | None, value: float) -> Rows:
    """Rows that are likely to be looked at soon, the likeliest first."""
    if drawn is not None:
        soon = drawn.soon[known[drawn.soon] >= _SOON * value]
        return soon[np.argsort(-known[soon], kind="stable")]
    first = np.argpartition(-known, min(_LIKELY, len(known) - 1))[:_LIKELY]
    first = first[known[first] > -np.inf]
    return first[np.argsort(-known[first], kind="stable")]


class _Products:
    """Dot products of rows with a few of them, on a CUDA device where there is one."""

    def __init__(self, rows: Vectors) -> None:
        self._rows = rows
        self._there = None
        if resolve_device("auto") == "cuda":
            import torch

            torch.backends.cuda.matmul.allow_tf32 = False
            self._there = torch.from_numpy(rows).to("cuda")

    def into(self, out: Vectors, left: slice | Rows, right: slice | Rows) -> None:
        """Write the products of the rows `left` with the rows `right` to `out`."""
        if self._there is None:
            np.matmul(self._rows[left], self._rows[right].T, out=out)
            return
        out[:] = (self._there[left] @ self._there[right].T).cpu().numpy()


class _Cover:
    """For each row its largest similarity to a chosen one, cosines below 0 counting as 0.

    Copies of a row have the similarities of the first, so that they come out alike: products of
    equal rows may differ in their last bits.
    """

    def __init__(self, rows: Vectors) -> None:
        self._leader = Copies.of(rows).leader
        self._level = np.zeros(len(rows), np.float32)
        self._products = _Products(rows)
        self.slots = min(len(rows), max(_FETCHED_LEAST, _KEPT_BYTES // (4 * len(rows))))
        self._kept = np.empty((self.slots, len(rows)), np.float32)
        self._slot = np.full(len(rows), -1)
        self._held = np.full(self.slots, -1)  # whose similarities are in each slot
        self._next = 0

    def has(self, row: int) -> bool:
        """Whether the similarities of a row are there."""
        return bool(self._slot[self._leader[row]] >= 0)

    def fetch(self, row: int, others: Rows) -> None:
        """Compute the similarities of a row, and of a few of the others that are not there."""
        row, others = int(self._leader[row]), self._leader[others]
        others = others[np.sort(np.unique(others, return_index=True)[1])]
        others = others[(self._slot[others] < 0) & (others != row)]
        rows = np.concatenate([[row], others[: min(_FETCHED, len(self._held)) - 1]])
        if self._next + len(rows) > len(self._held):
            self._next = 0
        place = slice(self._next, self._next + len(rows))
        before = self._held[place]
        self._slot[before[before >= 0]] = -1
        self._products.into(self._kept[place], rows, slice(None))
        self._held[place] = rows
        self._slot[rows] = np.arange(place.start, place.stop)
        self._next = place.stop

    def gain(self, row: int) -> float:
        """How much the sum of all levels would rise with a row whose similarities are there."""
        from core.selection.cover_kernels import gain

        return float(gain(self._kept[self._slot[self._leader[row]]], self._level))

    def add(self, row: int, others: Rows) -> None:
        """Choose a row; `others` will follow."""
        if not self.has(row):
            self.fetch(row, others)
        np.maximum(self._level, self._kept[self._slot[self._leader[row]]], out=self._level)


def _nearest_to_mean(rows: Vectors) -> Rows:
    mean = rows.mean(axis=0, dtype=np.float64)
    best, least = 0, np.inf
    for start in range(0, len(rows), _BLOCK):
        differences = rows[start : start + _BLOCK] - mean
        squared = np.einsum("ij,ij->i", differences, differences)
        at = int(squared.argmin())
        if squared[at] < least:
            best, least = start + at, squared[at]
    return np.array([best])


def _lower(
    products: _Products, rows: Vectors, norms: Vectors, chosen: Rows, squared: Vectors
) -> Iterator[None]:
    """Lower each row's squared distance to the nearest chosen one; yields after each piece."""
    from core.selection.cover_kernels import lower

    for begin in range(0, len(chosen), _AT_ONCE):
        part = chosen[begin : begin + _AT_ONCE]
        step = max(1, _CELLS // len(part))
        room = np.empty((min(step, len(rows)), len(part)), np.float32)
        for start in range(0, len(rows), step):
            cut = slice(start, min(start + step, len(rows)))
            here = room[: cut.stop - start]
            products.into(here, cut, part)
            lower(here, start, rows, norms, part, _ROUNDING, squared)
            yield


def _farthest(squared: Vectors) -> tuple[Rows, float, int]:
    """The rows of the largest values, and the largest of the rest with the first row that has it.

    Among equal ones the first; rows that are chosen have a value below 0.
    """
    free = np.flatnonzero(squared >= 0)
    if len(free) <= _BLOCK:
        return free, -1.0, len(squared)
    least = np.partition(squared, len(squared) - _BLOCK)[len(squared) - _BLOCK]
    above, equal = np.flatnonzero(squared > least), np.flatnonzero(squared == least)
    room = _BLOCK - len(above)
    block = np.sort(np.concatenate([above, equal[:room]]))
    if room < len(equal):
        return block, float(least), int(equal[room])
    rest = np.where(squared < least, squared, np.float32(-1))
    return block, float(rest.max()), int(rest.argmax())
