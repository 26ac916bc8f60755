"""The command that sets runs side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.console import ProjectArgument, console, counted
from core.told import abridged

if TYPE_CHECKING:
    from core.compare import Comparison
    from core.compare_groups import Groups
    from core.compare_table import Cell

_CHANGES = 3  # of each kind in a sentence


def compare(
    project: ProjectArgument,
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN", help="Names of the runs, at least one.")
    ],
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a report that any browser opens, in one file."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a report that is there.")
    ] = False,
) -> None:
    """Set the metrics of runs side by side, with Random's."""
    from core.compare import compare_runs
    from core.project import Project
    from core.report import report_place, write_report

    opened = Project.open(project)
    place = report_place(html, overwrite=overwrite) if html else None
    found = compare_runs(opened, runs, progress=console.progress)
    values, text = comparison_values(found), comparison_text(found)
    if place:
        values["html"] = str(write_report(opened, found, place))
        text += f"\n\nThe report is in {values['html']}."
    console.values(values, text)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(compare)


def comparison_values(found: "Comparison") -> dict[str, Any]:
    """A comparison for a script."""
    return {
        "runs": found.metrics,
        "targets": found.targets,
        "random": {
            name: {metric: [spread.mean, spread.sd] for metric, spread in of_run.items()}
            for name, of_run in found.random.items()
        },
        "overlap": {f"{pair.first}|{pair.second}": pair.share for pair in found.overlaps},
        "sources": _counts(found.sources),
        "clusters": _counts(found.clusters),
    }


def _counts(groups: "Groups | None") -> dict[str, dict[str, int]]:
    """Rows of each run by source or cluster."""
    if groups is None:
        return {}
    return {
        run: {name: int(rows) for name, rows in zip(groups.names, counts, strict=True) if rows}
        for run, counts in groups.counts.items()
    }


def comparison_text(found: "Comparison") -> str:
    """A table with a line for each metric, the shared rows, and what the arrows mean."""
    from core.compare_table import metric_table

    table = metric_table(found)
    lines = [["", *table.runs, *table.random]]
    for line in table.lines:
        lines.append([line.label, *map(_cell, line.cells), *line.random])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    shared = [
        f"{pair.first} and {pair.second} share {counted(len(pair.shared))}, "
        f"{pair.share:.0%} of the smaller."
        for pair in found.overlaps
    ]
    base, *others = found.budgets
    against = f" In brackets: against {base}." if others else ""
    gained = [_gained(found.sources, "Sources", name, base) for name in others]
    return "\n".join(
        [*text, "", *shared, *gained, "↑ higher is better, ↓ lower is better." + against]
    )


def _cell(cell: "Cell") -> str:
    text = f"{cell.text} ({cell.delta})" if cell.delta else cell.text
    return f"{text}, {cell.count}" if cell.count else text


def _gained(groups: "Groups", what: str, run: str, base: str) -> str:
    """Where a run has more of its rows than the first one, and where fewer."""
    changes = groups.changes(run, base)
    more = [one for one in changes if one.points > 0][:_CHANGES]
    fewer = [one for one in changes if one.points < 0][:_CHANGES]
    said = [f"{abridged(one.name)} {_signed(one.points)}" for one in more + fewer]
    return f"{what} of {run} against {base}, in points: {', '.join(said) or 'no change'}."


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")
