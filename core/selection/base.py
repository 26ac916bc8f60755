"""What every rule is given, what it gives back, and how a rule describes itself."""

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.selection.memo import Memo
from core.selection.reasons import Reasons

if TYPE_CHECKING:
    from core.selection.constraints import Constraints

Rows = NDArray[np.int64]
Numbers = NDArray[np.float64]
T = TypeVar("T")


class Option(Protocol):
    """What `resolve_options` asks of a parameter."""

    @property
    def name(self) -> str:
        """What it is given by."""
        ...

    @property
    def default(self) -> Any:
        """The value when none is given."""
        ...

    def check(self, value: Any) -> Any:
        """Return the value in its own type; InputError where it cannot be taken."""
        ...


@dataclass(frozen=True)
class Parameter:
    """A number or a choice that a rule can be given.

    Attributes
    ----------
    name, label, help : the keyword, what a page calls it, and what it means.
    kind : "float", "int", "choice", or "scale" (a number above 0).
    default : the value when none is given; None for one that is worked out from the data.
    low, high : the range, ends included; what a slider covers.
    below : an end that is not included and may lie beyond `high`, as 1 for a weight in [0, 1).
    choices : the values of a "choice".
    automatic : "auto" is a value too: worked out from the data.
    """

    name: str
    label: str
    kind: Literal["float", "int", "choice", "scale"]
    default: Any
    low: float | None = None
    high: float | None = None
    help: str = ""
    choices: tuple[str, ...] = ()
    below: float | None = None
    automatic: bool = False

    def check(self, value: Any) -> Any:
        """Return the value in its own type.

        Raises
        ------
        InputError
            It is not of the kind, or outside the range.
        """
        if value is None and self.default is None:
            return None
        if self.kind == "choice":
            if value not in self.choices:
                wrong = f"{self.label} must be {self.range}, got {value}."
                raise InputError(wrong, option=self.name)
            return value
        if self.automatic and value == "auto":
            return value
        number = self._number(value)
        if not self._inside(number):
            raise InputError(f"{self.label} must be {self.range}, got {value}.", option=self.name)
        return number

    @property
    def range(self) -> str:
        """The values that are taken, in words."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        return ("auto or " if self.automatic else "") + self._numbers

    @property
    def _numbers(self) -> str:
        if self.kind == "scale":
            return "a number above 0"
        if self.below is not None:
            return f"at least {self.low} and below {self.below}"
        if self.high is None:
            return f"at least {self.low}"
        return f"between {self.low} and {self.high}"

    def _number(self, value: Any) -> float | int:
        try:
            number = float(value)
            if isinstance(value, bool | np.bool_) or not np.isfinite(number):
                raise ValueError
            if self.kind == "int":
                if number != int(number):
                    raise ValueError
                return int(number)
        except (TypeError, ValueError):
            wrong = f"{self.label} must be {self.range}, got {value!r}."
            raise InputError(wrong, option=self.name) from None
        return number

    def _inside(self, number: float) -> bool:
        if self.kind == "scale":
            return number > 0
        if self.low is not None and number < self.low:
            return False
        if self.below is not None:
            return number < self.below
        return self.high is None or number <= self.high


@dataclass(frozen=True)
class Strata:
    """Groups that are not clusters, such as the sources of the rows.

    Attributes
    ----------
    by : what they are, such as "source".
    codes : int ndarray of shape (rows,)
        Group of each pool row, an index of `names`.
    names : the name of each group.
    """

    by: str
    codes: NDArray[np.integer]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Problem:
    """What to choose from, and what is known of it. Rows are row numbers of the pool.

    Attributes
    ----------
    features : ndarray of shape (rows, dim) or None
        One vector for each pool row, also for those that may not be chosen.
    candidates : int64 ndarray, ascending
        Rows that may be chosen.
    budget : int
        How many rows are wanted.
    targets : ndarray of shape (n_targets, dim) or None
    labels : int ndarray of shape (rows,) or None
        Cluster of each pool row.
    strata : Strata or None
        Other groups of the pool rows.
    quality : float64 ndarray of shape (rows,) or None
        Higher is better.
    pinned : int64 ndarray
        Candidates that are chosen in any case; they count towards the budget.
    seed : int
        Non-negative.
    memo : Memo
        What was worked out from features, candidates and targets; `dataclasses.replace` hands it
        on, so that another budget or seed need not wait for it again.
    constraints : Constraints or None
        What the chosen rows must obey beside all that; `solve` sees to it, not the rules.
    wider : Problem or None
        The same with more candidates, these among them: what was found there holds here.
    spare : float
        How many more neighbours to look for than are asked for, as a share: problems with fewer
        candidates will ask for them.
    """

    features: NDArray[np.floating] | None
    candidates: Rows
    budget: int
    targets: NDArray[np.floating] | None = None
    labels: NDArray[np.integer] | None = None
    strata: Strata | None = None
    quality: Numbers | None = None
    pinned: Rows = field(default_factory=lambda: np.empty(0, np.int64))
    seed: int = 0
    memo: Memo = field(default_factory=Memo, repr=False, compare=False)
    constraints: "Constraints | None" = None
    wider: "Problem | None" = field(default=None, repr=False, compare=False)
    spare: float = 0.0

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gave for `key` and these candidates and targets, or gives now."""
        return self.memo.get((self._content, key), make)

    @cached_property
    def _content(self) -> bytes:
        digest = hashlib.blake2b(self.candidates.tobytes(), digest_size=16)
        if self.targets is not None:
            digest.update(np.ascontiguousarray(self.targets).tobytes())
        return digest.digest()

    @cached_property
    def is_pinned(self) -> NDArray[np.bool_]:
        """Whether each candidate is pinned; shape (candidates,)."""
        return np.isin(self.candidates, self.pinned)

    @property
    def generator(self) -> np.random.Generator:
        """A fresh random generator: the same draws for the same seed."""
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Selection:
    """The rows that a rule chose.

    Attributes
    ----------
    rows : int64 ndarray of shape (budget,), ascending
    probabilities : float64 ndarray of shape (budget,)
        Inclusion probability of each chosen row: how often it is chosen over all seeds.
    support : int
        Rows with an inclusion probability above zero, pinned ones among them.
    reasons : Reasons
        Why each row was chosen, as arrays.
    distribution : float64 ndarray of shape (candidates,)
        What the rule wants, whatever the budget; the sum is 1. For TSDS the probabilities of the
        path at the diversity weight that was asked for, for UOT the mass that each row receives,
        for other rules the inclusion probabilities over the budget.
    notes : tuple of str
        Sentences on what was changed to meet the budget.
    settings : dict
        Parameters as they were resolved; plain numbers and strings.
    """

    rows: Rows
    probabilities: Numbers
    support: int
    reasons: Reasons
    distribution: Numbers
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def why(self) -> tuple[str, ...]:
        """One short sentence for each row."""
        return self.reasons.render(self.probabilities)


@dataclass(frozen=True)
class Rule:
    """A selection rule and all that a page or the command line says of it.

    Attributes
    ----------
    id, label, summary : the name in commands, the name for people, and what it does in a sentence.
    family : "baseline", "diversity-first" or "target-driven".
    parameters : those that everyone can set.
    expert : further ones, which pages leave alone.
    cost : time and memory, for n candidates, d dimensions, M targets, K neighbours, k clusters.
    source : the paper and the equation, or "standard".
    needs_features : it looks at vectors; so do all rules that need targets.
    function : ``function(problem, *, progress, **parameters) -> Selection``.
    """

    id: str
    label: str
    summary: str
    family: Literal["baseline", "diversity-first", "target-driven"]
    function: Callable[..., Selection]
    parameters: tuple[Parameter, ...] = ()
    expert: tuple[Parameter, ...] = ()
    needs_features: bool = False
    needs_target: bool = False
    needs_clusters: bool = False
    needs_quality: bool = False
    needs_strata: bool = False
    cost: str = ""
    source: str = ""

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Check the given parameters and complete them with the defaults.

        Raises
        ------
        InputError
            A parameter that the rule does not have, or a value that it cannot take.
        """
        return resolve_options(self.label, self.parameters + self.expert, given)


def resolve_options(
    label: str, parameters: Sequence[Option], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Check what was given for some parameters and complete it with the defaults.

    Parameters
    ----------
    label : of what has these parameters, for the message.

    Raises
    ------
    InputError
        A parameter that there is not, or a value that it cannot take.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            has = ", ".join(known) or "none"
            raise InputError(
                f"{label} has no parameter {name!r}; leave it out (it has {has}).", option=name
            )
    return {
        name: parameter.check(given.get(name, parameter.default))
        for name, parameter in known.items()
    }


def finite_quality(problem: Problem, label: str) -> Numbers:
    """Return the candidates' quality; InputError where there is none or one is not finite."""
    if problem.quality is None:
        raise InputError(f"{label} goes by quality; give a column of numbers (--quality COLUMN).")
    quality = np.asarray(problem.quality, np.float64)[problem.candidates]
    bad = ~np.isfinite(quality)
    if bad.any():
        row = problem.candidates[bad.argmax()]
        raise InputError(
            f"Row {row} has no finite quality ({quality[bad.argmax()]}); "
            "fill the gaps or drop those rows."
        )
    return quality


def resolve_budget(pool_rows: int, ratio: float | None, budget: int | None) -> int:
    """Turn a ratio of the pool, or a number of rows, into a number of rows.

    Raises
    ------
    InputError
        Neither or both are given, or one is out of range.
    """
    if (ratio is None) == (budget is None):
        raise InputError("Give either a ratio or a budget.")
    if budget is not None:
        if not isinstance(budget, int | np.integer) or budget < 1:
            wrong = f"The budget must be a whole number of at least 1 row, not {budget}."
            raise InputError(wrong, option="budget")
        return int(budget)
    if not isinstance(ratio, int | float | np.number) or not 0 < ratio <= 1:
        wrong = f"The ratio must be above 0 and at most 1, not {ratio}."
        raise InputError(wrong, option="ratio")
    return max(1, round(ratio * pool_rows))
