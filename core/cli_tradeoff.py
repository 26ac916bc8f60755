"""The command that shows what a target set offers a budget."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli_select import (
    BudgetOption,
    DiversityOption,
    DuplicateOption,
    LimitOption,
    MaxCosineOption,
    RatioOption,
    ScaleOption,
    SemDeDupOption,
)
from core.console import ProjectArgument, SeedOption, aligned, console
from core.told import shortened

if TYPE_CHECKING:
    from core.tradeoff import TradeoffReport

_SHOWN_TARGETS = 10
_TEXT = 60  # characters of a target example in the table
_EVERY = 3  # points of the curve that are left out between two that are shown


def tradeoff(
    project: ProjectArgument,
    target: Annotated[str, typer.Option(metavar="NAME", help="The target set to be like.")],
    method: Annotated[
        str, typer.Option(metavar="METHOD", help="tsds-kde or tsds-uniform.")
    ] = "tsds-kde",
    ratio: RatioOption = None,
    budget: BudgetOption = None,
    diversity_weight: DiversityOption = None,
    scale: ScaleOption = None,
    duplicate_cosine: DuplicateOption = None,
    limit: LimitOption = None,
    max_cosine: MaxCosineOption = None,
    semdedup: SemDeDupOption = None,
    seed: SeedOption = 0,
) -> None:
    """Show what a target set offers, by diversity weight.

    That is cost and rows in reach, and which targets find close rows. Dropped rows and what
    SemDeDup takes are left out. The curve knows nothing of pinned rows, limits and the
    near-duplicate cap; what they change in the chosen rows is said. Without a ratio or a budget,
    it is for 5 % of the pool.
    """
    from core.project import Project
    from core.stages import report_as_dict
    from core.tradeoff import tradeoff as lay_out

    given: dict[str, Any] = {
        "diversity_weight": diversity_weight,
        "scale": scale,
        "duplicate_cosine": duplicate_cosine,
    }
    report = lay_out(
        Project.open(project),
        target=target,
        method=method,
        ratio=ratio,
        budget=budget,
        seed=seed,
        limits=limit or (),
        max_cosine=max_cosine,
        semdedup=semdedup,
        progress=console.progress,
        **{key: value for key, value in given.items() if value is not None},
    )
    console.values(report_as_dict(report), _text(report))


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(tradeoff)


def _text(report: "TradeoffReport") -> str:
    points = [
        {
            "diversity weight": f"{point.diversity_weight:.2f}",
            "alignment cost": f"{point.alignment_cost:.3f}",
            "rows in reach": point.support,
            "effective size": f"{point.effective_size:,.0f}",
        }
        for point in report.curve[::_EVERY]
    ]
    smallest = report.smallest_diversity_weight
    filled = "at no diversity weight" if smallest is None else f"from {smallest:.3f} on"
    far = [one for one in report.coverage if not one.close]
    rows = [
        {
            "target": one.target,
            "pulled": one.pulled,
            "nearest row": one.nearest_row,
            "cosine": f"{one.cosine:.2f}",
            "close": "yes" if one.close else "no",
            "text": shortened(one.text, _TEXT),
        }
        for one in report.coverage[:_SHOWN_TARGETS]
    ]
    return "\n".join(
        [
            *aligned(points),
            "",
            f"{report.budget:,} rows are in reach {filled}; "
            f"at {report.diversity_weight:g} there are {report.largest_budget:,}.",
            *([f"{report.left_out:,} rows are left out."] if report.left_out else []),
            *report.notes,
            *(["", "Rows around the cosine of near-duplicates:"] if report.near_duplicates else []),
            *(
                f"Cosine {pair.cosine:.4f}: rows {pair.rows[0]:,} and {pair.rows[1]:,}."
                for pair in report.near_duplicates
            ),
            "",
            f"{len(far):,} of {len(report.coverage):,} targets found no close row, that is, none "
            f"within {report.close_distance:.3f}, where nine in ten rows have another one.",
            *aligned(rows),
        ]
    )
