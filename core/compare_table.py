"""A comparison as a table of texts: what the command line, the page and the report show."""

from dataclasses import dataclass, replace
from typing import Literal

from core.compare import Comparison, Spread
from core.compare_measure import metric_key
from core.metrics import METRICS, Metric

ARROWS = {"higher": "↑", "lower": "↓", "": ""}


@dataclass(frozen=True)
class Cell:
    """A metric of one run.

    Attributes
    ----------
    text : the value, "" where there is none.
    delta : its difference to the first run's with a sign, "" for that run itself.
    verdict : whether the difference is for the better; "" where no way is.
    count : the same as a number of things, such as "15 of 21"; "" where none are counted.
    """

    text: str
    delta: str = ""
    verdict: Literal["better", "worse", ""] = ""
    count: str = ""


@dataclass(frozen=True)
class Line:
    """A metric of all runs, and of Random (mean ± standard deviation).

    `target` is the target set that it is of, for a metric that needs one.
    """

    metric: Metric
    target: str | None
    cells: tuple[Cell, ...]
    random: tuple[str, ...]

    @property
    def label(self) -> str:
        """Its name, with an arrow to the good side."""
        name = f"{self.metric.label}, {self.target}" if self.target else self.metric.label
        return f"{name} {ARROWS[self.metric.good]}".rstrip()


@dataclass(frozen=True)
class MetricTable:
    """Lines for the metrics that any run has; the runs that were measured, Random after them."""

    runs: tuple[str, ...]
    random: tuple[str, ...]
    lines: tuple[Line, ...]


def metric_table(found: Comparison) -> MetricTable:
    """Set the metrics of the measured runs side by side.

    The differences are to the first run that was named; there are none until it is measured.
    """
    random = _random_columns(found)
    base = next(iter(found.budgets))
    lines = []
    kinds = [(m, t) for m in METRICS.values() for t in (found.aims if m.needs_target else [None])]
    for metric, target in kinds:
        key = metric_key(metric.id, target) if target else metric.id
        values = {name: of_run.get(key) for name, of_run in found.metrics.items()}
        if all(value is None for value in values.values()):
            continue
        cells = [
            Cell(number(value)) if name == base else _cell(metric, value, values.get(base))
            for name, value in values.items()
        ]
        if metric.id == "clusters_covered" and found.clusters:
            cells = [
                replace(cell, count=_of(value, len(found.clusters.names)))
                for cell, value in zip(cells, values.values(), strict=True)
            ]
        drawn = (_spread(of_random.get(key)) for of_random in random.values())
        lines.append(Line(metric, target, tuple(cells), tuple(drawn)))
    return MetricTable(tuple(found.metrics), tuple(random), tuple(lines))


def number(value: float | None) -> str:
    """A metric's value as a person reads it; "" for none."""
    if value is None:
        return ""
    return f"{value:,.{_decimals(value)}f}"


def _decimals(value: float) -> int:
    size = abs(value)
    return 3 if size < 10 else 1 if size < 1000 else 0


def _of(share: float | None, whole: int) -> str:
    return "" if share is None else f"{round(share * whole):,} of {whole:,}"


def _cell(metric: Metric, value: float | None, first: float | None) -> Cell:
    if value is None or first is None:
        return Cell(number(value))
    change = value - first
    if number(value) == number(first):
        return Cell(number(value), "=")
    verdict: Literal["better", "worse", ""] = ""
    if metric.good:
        verdict = "better" if (change > 0) == (metric.good == "higher") else "worse"
    return Cell(number(value), f"{'+' if change > 0 else '−'}{number(abs(change))}", verdict)


def _spread(spread: Spread | None) -> str:
    if not spread:
        return ""
    return f"{number(spread.mean)} ± {spread.sd:,.{_decimals(spread.mean)}f}"


def _random_columns(found: Comparison) -> dict[str, dict[str, Spread]]:
    """Random once for the runs that it is the same for.

    That is all runs of one budget, unless one of them has rows that were dropped since: Random may
    then draw them for this run alone.
    """
    kinds: list[tuple[int, str, dict[str, Spread]]] = []
    for name, of_run in found.random.items():
        budget = found.budgets[name]
        if not any(budget == other and of_run == kind for other, _, kind in kinds):
            kinds.append((budget, name, of_run))
    if len(kinds) == 1:
        return {"Random": kinds[0][2]}
    budgets = [budget for budget, _, _ in kinds]
    return {
        f"Random, {budget:,} rows" + (f", for {name}" if budgets.count(budget) > 1 else ""): of_kind
        for budget, name, of_kind in kinds
    }
