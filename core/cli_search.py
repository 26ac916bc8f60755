"""The command that looks for rows: by words, by a condition, by likeness."""

from typing import Annotated, Any

import typer

from core.console import ProjectArgument, console
from core.values import decode_ranges

_SHOWN = 20  # rows, when a person reads them
_FIRST_LINE = 90  # characters


def search(
    project: ProjectArgument,
    words: Annotated[
        str, typer.Argument(metavar="[WORDS]", help='All of them, whatever the case; "a phrase".')
    ] = "",
    like: Annotated[
        str, typer.Option(metavar="TEXT", help="The rows nearest to this text in meaning.")
    ] = "",
    like_rows: Annotated[
        str, typer.Option(metavar="ROWS", help="The rows nearest to these rows, such as 12,40-45.")
    ] = "",
    where: Annotated[
        str, typer.Option(metavar="SQL", help='A condition, such as "n_chars > 200".')
    ] = "",
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Of this source; may be repeated.")
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many rows likeness gives.")
    ] = 200,
    dropped: Annotated[
        bool, typer.Option("--dropped", help="Look at rows that were dropped, too.")
    ] = False,
) -> None:
    """Find rows by words, meaning or a condition."""
    from core.pool import Pool
    from core.project import Project
    from core.search import find_rows

    opened = Project.open(project)
    found = find_rows(
        opened,
        words,
        like=like,
        like_rows=decode_ranges(like_rows.replace(" ", "")).tolist() if like_rows else (),
        where=where,
        sources=source or (),
        dropped=dropped,
        limit=limit,
        progress=console.progress,
    )
    rows = found.rows if console.json else found.rows[:_SHOWN]
    page = Pool.open(opened).page(rows[:limit])
    listed: list[dict[str, Any]] = [
        {"row": int(row), "source": source_, "text": " ".join(prompt.split())[:_FIRST_LINE]}
        for row, source_, prompt in zip(page["row"], page["source"], page["prompt"], strict=True)
    ]
    if found.cosines is not None:
        for one, cosine in zip(listed, found.cosines.tolist(), strict=False):
            one["cosine"] = round(cosine, 4)
    console.values({"total": len(found.rows), "rows": rows.tolist(), "found": listed})


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(search)
