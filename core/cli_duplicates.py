"""The command that finds near-duplicates, shows their groups and drops all but one of each."""

from typing import Annotated, Any, cast

import typer

from core.console import ProjectArgument, console

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
    shown = [groups[number] for number in range(min(_SHOWN, len(groups)))]
    found: dict[str, Any] = {
        "cosine": cosine,
        "groups": len(groups),
        "rows": len(groups.rows),
        "extra": groups.extra,
        "largest": [
            {
                "rows": len(rows),
                "some": rows[:_SHOWN].tolist(),
                "text": " ".join(pool.page(rows[:1])["prompt"].iloc[0].split())[:_FIRST_LINE],
            }
            for rows in shown
        ],
        "seconds": report.seconds,
    }
    if drop:
        state = drop_duplicates(opened, cosine, keep=way, quality=quality)
        found |= {"dropped": state.log[-1].row_count, "candidates": len(state.candidates)}
    if not console.json:
        found["largest"] = [{"rows": one["rows"], "text": one["text"]} for one in found["largest"]]
    console.values(found)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(duplicates)
