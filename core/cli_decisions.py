"""The commands that say which rows a selection may or must take, and take that back."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.console import LIST_ROWS, ProjectArgument, console
from core.errors import InputError
from core.values import decode_ranges, encode_ranges

if TYPE_CHECKING:
    from core.decisions import Decisions, Entry
    from core.project import Project

_NAMED = 3  # decisions that a step took back, of many
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


# What is said of rows, and the first line of the command's help.
_ON_ROWS = {
    "drop": "Take rows out: no selection chooses them.",
    "restore": "Bring back rows that were dropped.",
    "keep": "Keep these rows alone; all others are dropped.",
    "pin": "Make every selection take these rows.",
    "unpin": "Let selections choose these rows or not, as any other.",
}
_WITH_LABEL = {
    "tag": "Put a label on rows; selections take no notice of it.",
    "untag": "Take a label off rows.",
}


def _on_rows(action: str) -> Callable[..., None]:
    def command(
        project: ProjectArgument,
        clusters: ClustersOption = None,
        rows: RowsOption = None,
        where: WhereOption = None,
        note: NoteOption = "",
    ) -> None:
        _decide(action, project, clusters, rows, where, note)

    return command


def _with_label(action: str) -> Callable[..., None]:
    def command(
        project: ProjectArgument,
        label: LabelArgument,
        clusters: ClustersOption = None,
        rows: RowsOption = None,
        where: WhereOption = None,
        note: NoteOption = "",
    ) -> None:
        _decide(action, project, clusters, rows, where, note, label)

    return command


def undo(project: ProjectArgument) -> None:
    """Take back the last decision."""
    from core.decisions import undo

    _step(project, undo)


def redo(project: ProjectArgument) -> None:
    """Put back the decision that was undone last."""
    from core.decisions import redo

    _step(project, redo)


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
    rows: Annotated[
        int | None, typer.Option(metavar="ID", help="Show the rows of a decision.")
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

    if sum(given is not None for given in (back, note, rows, export, import_)) > 1:
        raise InputError("Give at most one of --back, --note, --rows, --export and --import.")
    if overwrite and export is None:
        raise InputError("--overwrite belongs to --export; leave it out.")
    opened = Project.open(project)
    if export is not None or import_ is not None:
        _exchange(opened, export, import_, overwrite)
        return
    if note is not None:
        _annotate(opened, note)
    elif rows is not None:
        _rows(opened, rows)
    elif back is not None:
        from core.decisions import go_back

        _step(project, partial(go_back, entry_id=back))
    else:
        _show(_state(opened))


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for action, told in _ON_ROWS.items():
        app.command(action, help=told)(_on_rows(action))
    for action, told in _WITH_LABEL.items():
        app.command(action, help=told)(_with_label(action))
    for command in (undo, redo, decisions):
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


def _rows(project: "Project", entry: int) -> None:
    from core.decisions import entry_rows
    from core.pool import Pool

    found = encode_ranges(entry_rows(project, Pool.open(project).rows, entry))
    console.values({"entry": entry, "rows": found}, None if console.json else found)


def _annotate(project: "Project", text: str) -> None:
    from core.decisions import annotate

    entry, equals, note = text.partition("=")
    if not equals or not entry.strip().isdecimal() or len(entry) > 12:
        raise InputError(f"A note is given as ID=TEXT, not {text[:40]!r}.", option="note")
    annotate(project, int(entry), note)
    state = _state(project)
    written = next(one for one in state.log if one.id == int(entry)).note
    _show(state, f"The note on entry {entry} is {'removed' if written is None else 'written'}.")


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
        origin, before = f"command line: {how} {value}"[:200], _state(project)
        state = decide(project, pool.rows, action, chosen, origin, label=label, note=note)
    except InputError as error:
        # The label is an argument; what names no option is about the rows.
        option = None if error.option == "label" else error.option or how
        raise InputError(str(error), option=option) from None
    said, gone = state.log[-1].sentence, before.dropped[chosen]
    if action == "drop" and gone.any():
        said += f", {int(gone.sum()):,} of which had been dropped before"
    elif action == "restore" and not gone.all():
        said += f", {int((~gone).sum()):,} of which had not been dropped"
    elif action == "keep" and gone.any():
        said += f", {int(gone.sum()):,} of which had been dropped before and stay so"
    _show(state, f"{said[0].upper()}{said[1:]}. {_left(state)}")


def _step(root: str, step: Callable[..., "Decisions"]) -> None:
    """Undo, redo or go back, and say which decisions that took or brought back."""
    from core.project import Project

    project = Project.open(root)
    before = _state(project)
    stood = {entry.id for entry in before.log if entry.active}
    state = step(project, len(before.dropped))
    stand = {entry.id for entry in state.log if entry.active}
    lines = [
        f"{did}: {_listed([entry for entry in state.log if entry.id in changed])}."
        for did, changed in (("Taken back", stood - stand), ("Brought back", stand - stood))
        if changed
    ]
    _show(state, "\n".join([*lines, _left(state)]))


def _listed(entries: "list[Entry]") -> str:
    told = [f"{entry.sentence} ({entry.origin})" for entry in entries[-_NAMED:]]
    more = len(entries) - len(told)
    return "; ".join([*([f"{more:,} earlier decisions"] if more else []), *told])


def _left(state: "Decisions") -> str:
    kept, rows = len(state.candidates), len(state.dropped)
    return f"{kept:,} of {rows:,} rows are kept, {len(state.pinned_rows):,} pinned."


def _state(project: "Project") -> "Decisions":
    from core.decisions import load_decisions
    from core.pool import Pool

    return load_decisions(project, Pool.open(project).rows)


def _show(state: "Decisions", text: str | None = None) -> None:
    """Print the log as it is now; to a person the text instead, if there is one."""
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
        },
        None if console.json else text,
    )
