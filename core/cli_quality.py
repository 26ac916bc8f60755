"""The command that scores rows, for the rules that go by quality."""

from typing import Annotated, Any

import typer

from core.console import ProjectArgument, console, counted
from core.errors import command
from core.told import shortened


def quality(
    project: ProjectArgument,
    *,
    measure: Annotated[
        str,
        typer.Option(
            metavar="MEASURE",
            help="soundness or coherence; with a model ifd, deita-complexity or deita-quality.",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Folder or hub name of a causal model; for deita, of its scorer of that name.",
        ),
    ] = None,
    out: Annotated[
        str, typer.Option(metavar="FILE", help="File of scores to write; it ends in .parquet.")
    ],
    device: Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu or cuda.")] = "auto",
    max_tokens: Annotated[
        int | None, typer.Option(metavar="N", help="Longer rows are cut; default: 2048.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there.")
    ] = False,
) -> None:
    """Score rows, for --quality-file."""
    given = {} if max_tokens is None else {"max_tokens": max_tokens}

    def told(report: dict[str, Any]) -> str:
        return _told(project, report)

    console.stage(
        "quality",
        project,
        text=told,
        measure=measure,
        model=model,
        out=out,
        device=device,
        overwrite=overwrite,
        **given,
    )


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(quality)


def _told(project: str, report: dict[str, Any]) -> str:
    """How many rows have a score, which have none, and what takes the file."""
    lines = [
        f"{counted(report['scored'])} of {report['rows']:,} scored by {report['measure']}, "
        f"{report['mean']:.4g} on average; the scores are in {report['file']}."
    ]
    if report["unscored"]:
        rows = shortened(report["unscored"])
        lines.append(
            f"Rows without a prompt or an answer have no score: {rows}; drop them before you "
            "select."
        )
    select = command("select", project, "--method", "kmq", "--quality-file", report["file"])
    lines.append(f"{select} takes them, with a size.")
    return "\n".join(lines)
