"""The commands that say which rows a selection may or must take, and take that back."""

from typing import Annotated, Any

import typer

from core.console import LIST_ROWS, ProjectArgument, console
from core.errors import InputError
from core.values import decode_ranges

ClustersOption = Annotated[
    str | None, typer.Option(metavar="CLUSTERS", help="Numbers of clusters, such as 3,5,8-10.")
]
RowsOption = Annotated[
    str | None, typer.Option(metavar="ROWS", help="Numbers of rows, such as 1,2,40-45.")
]
WhereOption = Annotated[
    str | None,
    typer.Option(metavar="SQL", help="A condition, such as \"source = 't0' AND n_chars > 20\"."),
]


def drop(
    project: ProjectArgument,
    clusters: ClustersOption = None,
    rows: RowsOption = None,
    where: WhereOption = None,
) -> None:
    """Take rows out: no selection chooses them."""
    _decide("drop", project, clusters, rows, where)


def keep(
    project: ProjectArgument,
    clusters: ClustersOption = None,
    rows: RowsOption = None,
    where: WhereOption = None,
) -> None:
    """Keep these rows alone; all others are dropped."""
    _decide("keep", project, clusters, rows, where)


def pin(
    project: ProjectArgument,
    clusters: ClustersOption = None,
    rows: RowsOption = None,
    where: WhereOption = None,
) -> None:
    """Make every selection take these rows."""
    _decide("pin", project, clusters, rows, where)


def unpin(
    project: ProjectArgument,
    clusters: ClustersOption = None,
    rows: RowsOption = None,
    where: WhereOption = None,
) -> None:
    """Let selections choose these rows or not, as any other."""
    _decide("unpin", project, clusters, rows, where)


def undo(project: ProjectArgument) -> None:
    """Take back the last decision."""
    _step("undo", project)


def redo(project: ProjectArgument) -> None:
    """Put back the decision that was undone last."""
    _step("redo", project)


def decisions(project: ProjectArgument) -> None:
    """Show what was dropped, kept and pinned."""
    _step("show", project)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (drop, keep, pin, unpin, undo, redo, decisions):
        app.command()(command)


def _decide(
    action: str, root: str, clusters: str | None, rows: str | None, where: str | None
) -> None:
    from core.decisions import decide
    from core.pool import Pool
    from core.project import Project

    given = {"clusters": clusters, "rows": rows, "where": where}
    given = {key: value for key, value in given.items() if value is not None}
    if len(given) != 1:
        raise InputError("Give exactly one of --clusters, --rows and --where.")
    project = Project.open(root)
    pool = Pool.open(project)
    ((how, value),) = given.items()
    try:
        if how == "rows":
            chosen = decode_ranges(str(value).replace(" ", ""))
        elif how == "where":
            chosen = pool.where(str(value))
        else:
            from core.clusters import cluster_rows

            chosen = cluster_rows(project, decode_ranges(str(value).replace(" ", "")))
        state = decide(project, pool.rows, action, chosen, f"command line: {how} {value}"[:200])
    except InputError as error:
        raise InputError(str(error), option=how) from None
    _show(state)


def _step(action: str, root: str) -> None:
    from core import decisions as log
    from core.pool import Pool
    from core.project import Project

    project = Project.open(root)
    step = {"undo": log.undo, "redo": log.redo, "show": log.load_decisions}[action]
    _show(step(project, Pool.open(project).rows))


def _show(state: Any) -> None:
    log = state.log if console.json else state.log[-LIST_ROWS:]
    console.values(
        {
            "candidates": len(state.candidates),
            "dropped": int(state.dropped.sum()),
            "pinned": int(state.pinned.sum()),
            "log": [entry.as_dict() for entry in log],
        }
    )
