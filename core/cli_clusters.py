"""The command that lists the clusters, describes one, groups them, and edits them."""

from typing import Annotated, Any

import typer

from core.console import ProjectArgument, console, counted
from core.errors import InputError
from core.values import decode_ranges

_COLUMNS = (
    *("cluster", "title", "rows", "kept", "median_length", "mean_quality", "duplicates"),
    *("mean_cosine", "selected"),
)


def clusters(
    project: ProjectArgument,
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="Show the share that this run selected.")
    ] = None,
    quality: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Show the mean of this column, or heuristic:NAME."),
    ] = None,
    card: Annotated[
        int | None, typer.Option(metavar="N", help="Describe one cluster, by its number.")
    ] = None,
    groups: Annotated[
        str | None, typer.Option(metavar="auto|N", help="List coarse groups of clusters instead.")
    ] = None,
    rename: Annotated[
        str | None, typer.Option(metavar="N=TITLE", help="Give a cluster another title.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="N[:PARTS]", help="Split a cluster, into 2 by default.")
    ] = None,
    merge: Annotated[
        str | None, typer.Option(metavar="CLUSTERS", help="Merge clusters, such as 3,5,8-10.")
    ] = None,
    title: Annotated[
        str | None, typer.Option(metavar="TITLE", help="Title of the merged cluster.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of a split, or of a card's random rows.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take back the last edit.")] = False,
) -> None:
    """List the clusters, or rename, split and merge them."""
    given = {
        "card": card,
        "groups": groups,
        "rename": rename,
        "split": split,
        "merge": merge,
        "undo": undo or None,
    }
    chosen = [name for name, value in given.items() if value is not None]
    if len(chosen) > 1:
        raise InputError(f"Give one of --{' and --'.join(chosen)} at a time.")
    how = chosen[0] if chosen else "list"
    _belongs("run", run, how, ("list",))
    _belongs("quality", quality, how, ("list", "card"))
    _belongs("title", title, how, ("merge",))
    _belongs("seed", seed, how, ("split", "card"))
    if how == "list":
        _list(project, run, quality)
    elif card is not None:
        _card(project, card, quality, seed or 0)
    elif groups is not None:
        _groups(project, groups)
    else:
        _edit(project, how, str(given[how]), title, seed or 0)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(clusters)


def _belongs(option: str, value: Any, how: str, places: tuple[str, ...]) -> None:
    if value is not None and how not in places:
        names = " and ".join("the list" if place == "list" else f"--{place}" for place in places)
        raise InputError(f"--{option} belongs to {names}; leave it out.")


def _list(root: str, run: str | None, quality: str | None) -> None:
    from core.cluster_stats import cluster_stats
    from core.project import Project
    from core.runs import load_run

    project = Project.open(root)
    selected = load_run(project, run).rows if run is not None else None
    stats = cluster_stats(project, quality=quality, selected=selected)
    console.table("clusters", stats.as_dicts(), columns=_COLUMNS, empty="")


def _card(root: str, number: int, quality: str | None, seed: int) -> None:
    from core.cluster_stats import cluster_card
    from core.project import Project

    try:
        found = cluster_card(Project.open(root), number, quality=quality, seed=seed)
    except InputError as error:
        raise InputError(str(error), option=error.option or "card") from None
    console.report(found)


def _groups(root: str, groups: str) -> None:
    import numpy as np

    from core.cluster_groups import coarse_groups
    from core.clusters import require_clusters
    from core.project import Project

    wanted = None if groups == "auto" else _number(groups, "groups")
    found = coarse_groups(require_clusters(Project.open(root)), wanted)
    listed = [
        {
            "group": number,
            "title": title,
            "rows": found.sizes[number],
            "clusters": np.flatnonzero(found.group == number).tolist(),
        }
        for number, title in enumerate(found.titles)
    ]
    console.table("groups", listed, columns=("group", "title", "rows", "clusters"), empty="")


def _edit(root: str, how: str, value: str, title: str | None, seed: int) -> None:
    from core import cluster_edits as edits
    from core.project import Project

    project = Project.open(root)
    try:
        if how == "rename":
            number, equals, name = value.partition("=")
            if not equals:
                raise InputError(f"A new title is given as N=TITLE, not {value!r}.")
            report = edits.rename_cluster(project, _number(number, how), name)
        elif how == "split":
            number, colon, parts = value.partition(":")
            k = _number(parts, how) if colon else 2
            report = edits.split_cluster(project, _number(number, how), k, seed)
        elif how == "merge":
            numbers = decode_ranges(value.replace(" ", "")).tolist()
            report = edits.merge_clusters(project, numbers, title)
        else:
            report = edits.undo_cluster_edit(project)
    except InputError as error:
        raise InputError(str(error), option=how) from None
    console.report(report, _said(report))


def _said(report: Any) -> str:
    """An edit, for a person: the clusters that it made, and whether numbers changed."""
    lines = [f"Undone: {report.edit}."] if report.action == "undo" else []
    lines += [
        f"{number}: {title} ({counted(rows)})"
        for number, title, rows in zip(report.clusters, report.titles, report.sizes, strict=True)
    ]
    if report.moved:
        moved = len(report.moved)
        has = (
            "1 cluster has another number" if moved == 1 else f"{moved} clusters have other numbers"
        )
        lines.append(f"{has} now; list them again.")
    lines.append(f"There are {report.k} clusters now.")
    return "\n".join(lines)


def _number(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{text!r} is not a whole number.", option=option) from None
