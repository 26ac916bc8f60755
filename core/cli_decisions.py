"""The commands that say which rows a selection may or must take, and take that back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.console import LIST_ROWS, ProjectArgument, console
from core.errors import InputError
from core.values import decode_ranges

if TYPE_CHECKING:
    from core.decisions import Decisions
    from core.project import Project

LabelArgument = Annotated[
    str, typer.Argument(metavar="LABEL", help="A label of up to 64 characters.")
]
NoteOption = Annotated[
    str, typer.Option(metavar="TEXT", help="Why, in up to 500 characters; kept in the log.")
]
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
    note: NoteOption = "",
) -> None:
    """Take rows out: no selection chooses them."""
    _decide("drop", project, clusters, rows, where, note)


def keep(
    project: ProjectArgument,
    clusters: ClustersOption = None,
    rows: RowsOption = None,
    where: WhereOption = None,
    note: NoteOption = "",
) -> None:
    """Keep these rows alone; all others are dropped."""
    _decide("keep", project, clusters, rows, where, note)


def pin(
    project: ProjectArgument,
    clusters: ClustersOption = None,
    rows: RowsOption = None,
    where: WhereOption = None,
    note: NoteOption = "",
) -> None:
    """Make every selection take these rows."""
    _decide("pin", project, clusters, rows, where, note)


def unpin(
    project: ProjectArgument,
    clusters: ClustersOption = None,
    rows: RowsOption = None,
    where: WhereOption = None,
    note: NoteOption = "",
) -> None:
    """Let selections choose these rows or not, as any other."""
    _decide("unpin", project, clusters, rows, where, note)


def tag(
    project: ProjectArgument,
    label: LabelArgument,
    clusters: ClustersOption = None,
    rows: RowsOption = None,
    where: WhereOption = None,
    note: NoteOption = "",
) -> None:
    """Put a label on rows; selections take no notice of it."""
    _decide("tag", project, clusters, rows, where, note, label)


def untag(
    project: ProjectArgument,
    label: LabelArgument,
    clusters: ClustersOption = None,
    rows: RowsOption = None,
    where: WhereOption = None,
    note: NoteOption = "",
) -> None:
    """Take a label off rows."""
    _decide("untag", project, clusters, rows, where, note, label)


def undo(project: ProjectArgument) -> None:
    """Take back the last decision."""
    _step("undo", project)


def redo(project: ProjectArgument) -> None:
    """Put back the decision that was undone last."""
    _step("redo", project)


def decisions(
    project: ProjectArgument,
    back: Annotated[
        int | None,
        typer.Option(
            metavar="ID", help="Bring back the rows as they were after this entry; 0: before all."
        ),
    ] = None,
    note: Annotated[
        str | None,
        typer.Option(metavar="ID=TEXT", help="Write or change the note on a decision."),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the decisions that stand as one JSON file."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --export.")
    ] = False,
    import_: Annotated[
        Path | None,
        typer.Option(
            "--import", metavar="FILE", help="Add the decisions of a file that --export wrote."
        ),
    ] = None,
) -> None:
    """Show, go back in, or exchange what was decided on rows."""
    from core.project import Project

    if sum(given is not None for given in (back, note, export, import_)) > 1:
        raise InputError("Give at most one of --back, --note, --export and --import.")
    if overwrite and export is None:
        raise InputError("--overwrite belongs to --export; leave it out.")
    opened = Project.open(project)
    if export is not None or import_ is not None:
        _exchange(opened, export, import_, overwrite)
        return
    if note is not None:
        _annotate(opened, note)
    _step("show" if back is None else "back", project, *([] if back is None else [back]))


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (drop, keep, pin, unpin, tag, untag, undo, redo, decisions):
        app.command()(command)


def _exchange(
    project: "Project", export: Path | None, import_: Path | None, overwrite: bool
) -> None:
    from core.decision_exchange import export_decisions, import_decisions

    if export is not None:
        written = export_decisions(project, export, overwrite=overwrite)
        console.report(written)
    elif import_ is not None:
        report = import_decisions(project, import_)
        console.values(report.as_dict(), None if console.json else report.sentence)


def _annotate(project: "Project", text: str) -> None:
    from core.decisions import annotate

    entry, equals, note = text.partition("=")
    if not equals or not entry.strip().isdecimal() or len(entry) > 12:
        raise InputError(f"A note is given as ID=TEXT, not {text[:40]!r}.", option="note")
    annotate(project, int(entry), note)


def _decide(
    action: str,
    root: str,
    clusters: str | None,
    rows: str | None,
    where: str | None,
    note: str,
    label: str | None = None,
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
        origin = f"command line: {how} {value}"[:200]
        state = decide(project, pool.rows, action, chosen, origin, label=label, note=note)
    except InputError as error:
        # The label is an argument; what names no option is about the rows.
        option = None if error.option == "label" else error.option or how
        raise InputError(str(error), option=option) from None
    _show(state)


def _step(action: str, root: str, *arguments: Any) -> None:
    from core import decisions as log
    from core.pool import Pool
    from core.project import Project

    project = Project.open(root)
    steps = {
        "undo": log.undo,
        "redo": log.redo,
        "back": log.go_back,
        "show": log.load_decisions,
    }
    step: Any = steps[action]
    _show(step(project, Pool.open(project).rows, *arguments))


def _show(state: "Decisions") -> None:
    entries = [entry.as_dict() for entry in state.log]
    if not console.json:
        shown = entries[-LIST_ROWS:]
        entries = [{key: value for key, value in one.items() if key != "uid"} for one in shown]
    console.values(
        {
            "candidates": len(state.candidates),
            "dropped": int(state.dropped.sum()),
            "pinned": int(state.pinned.sum()),
            "tags": state.tags.counts,
            "log": entries,
        }
    )
