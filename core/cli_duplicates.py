"""The command that finds near-duplicates, shows their groups and drops all but one of each."""

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from core.console import ProjectArgument, console

if TYPE_CHECKING:
    from core.group_spread import GroupSpread
    from core.near_duplicates import DuplicateGroups

_SHOWN = 20  # groups, and rows of a group
_FIRST_LINE = 100  # characters


def duplicates(
    project: ProjectArgument,
    cosine: Annotated[
        float,
        typer.Option(metavar="C", help="Rows of this cosine or more are joined; 0.8 to 1."),
    ] = 0.95,
    drop: Annotated[
        bool, typer.Option("--drop", help="Drop all rows but one of each group; undo brings back.")
    ] = False,
    keep: Annotated[
        str, typer.Option(metavar="WHICH", help="The row that stays: first, longest or best.")
    ] = "first",
    quality: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="What best means: a column, or heuristic:NAME."),
    ] = None,
) -> None:
    """Find near-duplicates; drop all but one of each group."""
    from core.group_spread import spread_of
    from core.near_duplicates import Keep, drop_duplicates, duplicate_groups, worth_of
    from core.pool import Pool
    from core.project import Project
    from core.spanning_forest import check_cosine
    from core.stages import run_stage

    opened = Project.open(project)
    pool = Pool.open(opened)
    way = cast(Keep, keep)
    # Before the search, which takes longer.
    check_cosine(cosine)
    worth_of(pool, way, quality)
    report = run_stage("duplicates", opened.root, {}, progress=console.progress)
    groups = duplicate_groups(opened, cosine)
    spread = spread_of(opened, groups)
    shown = [groups[number] for number in range(min(_SHOWN, len(groups)))]
    found: dict[str, Any] = {
        "cosine": cosine,
        "groups": len(groups),
        "rows": len(groups.rows),
        "extra": groups.extra,
        "least_alike": (
            {**_least_alike(groups, spread, spread.worst), "exact": bool(spread.exact.all())}
            if len(groups)
            else None
        ),
        "largest": [
            {
                **_least_alike(groups, spread, number),
                "some": rows[:_SHOWN].tolist(),
                "text": " ".join(pool.page(rows[:1])["prompt"].iloc[0].split())[:_FIRST_LINE],
            }
            for number, rows in enumerate(shown)
        ],
        "seconds": report.seconds,
    }
    if drop:
        state = drop_duplicates(opened, cosine, keep=way, quality=quality)
        found |= {"dropped": state.log[-1].row_count, "candidates": len(state.candidates)}
    console.values(found if console.json else _for_people(found, spread))


def _least_alike(groups: "DuplicateGroups", spread: "GroupSpread", number: int) -> dict[str, Any]:
    """How large a group is, and its two least alike rows."""
    return {
        "rows": int(groups.sizes[number]),
        "lowest_cosine": round(float(spread.cosines[number]), 4),
        "exact": bool(spread.exact[number]),
        "pair": spread.pairs[number].tolist(),
    }


def _for_people(found: dict[str, Any], spread: "GroupSpread") -> dict[str, Any]:
    """The same with the least alike rows in a sentence, and a shorter table."""
    from core.group_spread import LOOKED_AT

    said = dict(found)
    worst = found["least_alike"]
    if worst:
        first, second = worst["pair"]
        said["least_alike"] = (
            f"cosine {spread.said()}: rows {first:,} and {second:,} of one group of "
            f"{worst['rows']:,}"
        )
    said["largest"] = [
        {"rows": one["rows"], "lowest_cosine": spread.said(number), "text": one["text"]}
        for number, one in enumerate(found["largest"])
    ]
    if not spread.exact.all():
        said["note"] = f"≤: an even sample of {LOOKED_AT} rows of the group was looked at"
    return said


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(duplicates)
