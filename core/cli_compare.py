"""The command that sets runs side by side."""

from typing import TYPE_CHECKING, Annotated

import typer

from core.console import ProjectArgument, console

if TYPE_CHECKING:
    from core.compare import Comparison, Spread

_ARROWS = {"higher": "↑", "lower": "↓", "": ""}


def compare(
    project: ProjectArgument,
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN", help="Names of the runs, at least one.")
    ],
) -> None:
    """Set the metrics of runs side by side, with Random's."""
    from core.compare import compare_runs
    from core.project import Project

    found = compare_runs(Project.open(project), runs, progress=console.progress)
    random = {
        name: {metric: [spread.mean, spread.sd] for metric, spread in of_run.items()}
        for name, of_run in found.random.items()
    }
    overlap = {f"{pair.first}|{pair.second}": pair.share for pair in found.overlaps}
    values = {"runs": found.metrics, "random": random, "overlap": overlap}
    console.values(values, _text(found))


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(compare)


def _text(found: "Comparison") -> str:
    """A table with a line for each metric, the shared rows, and what the arrows mean."""
    from core.metrics import METRICS

    random = _random_columns(found)
    lines = [["", *found.metrics, *random]]
    for metric in METRICS.values():
        own = [_number(of_run.get(metric.id)) for of_run in found.metrics.values()]
        if any(own):
            drawn = [_spread(of_random.get(metric.id)) for of_random in random.values()]
            lines.append([f"{metric.label} {_ARROWS[metric.good]}".rstrip(), *own, *drawn])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    shared = [
        f"{pair.first} and {pair.second} share {len(pair.shared):,} rows, "
        f"{pair.share:.0%} of the smaller."
        for pair in found.overlaps
    ]
    return "\n".join([*table, "", *shared, "↑ higher is better, ↓ lower is better."])


def _random_columns(found: "Comparison") -> dict[str, dict[str, "Spread"]]:
    """Random once for the runs of one budget and target set, under a name that tells them apart."""
    kinds = {
        (found.budgets[name], found.targets[name]): found.random[name] for name in found.random
    }
    aimed = {budget for budget, target in kinds if target}
    # Random without a target says nothing that it does not say beside one.
    kinds = {kind: of_kind for kind, of_kind in kinds.items() if kind[1] or kind[0] not in aimed}
    if len(kinds) == 1:
        return {"Random": next(iter(kinds.values()))}
    return {
        f"Random, {budget:,} rows" + (f", {target}" if target else ""): of_kind
        for (budget, target), of_kind in kinds.items()
    }


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _spread(spread: "Spread | None") -> str:
    return f"{_number(spread.mean)} ± {spread.sd:.2g}" if spread else ""
