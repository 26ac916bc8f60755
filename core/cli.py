"""The command line: parses options, asks the engine, prints the report. No algorithm lives here."""

from pathlib import Path
from typing import Annotated, Any

import typer

from core import (
    cli_clusters,
    cli_compare,
    cli_decisions,
    cli_duplicates,
    cli_quality,
    cli_refine,
    cli_search,
    cli_select,
    cli_stored,
    cli_tradeoff,
)
from core.console import ProjectArgument, SeedOption, aligned, console, pairs, run_app
from core.errors import InputError
from core.values import decode_ranges

_EXAMPLE = """\b
The way through:
  python -m core init my-project data.jsonl
  python -m core embed my-project
  python -m core target my-project goal examples.jsonl
  python -m core select my-project --method tsds-kde --ratio 0.1 --target goal --name first
  python -m core export my-project first --format llama-factory --out subset

`python -m core COMMAND --help` explains a command."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Rich would take [@split] for markup, and half of the width
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Winnow: from a raw pool of fine-tuning rows to the subset worth training on.",
    epilog=_EXAMPLE,
)

_COLUMN_HELP = "A column's role, such as instruction=question; may be repeated."
_FORMAT_HELP = "auto, alpaca, sharegpt, openai, prompt-completion or text."


@app.callback()
def _options(
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, with any command.")
    ] = False,
) -> None:
    """Say in the help what `run_app` takes out of the arguments, wherever it stands."""


def main(arguments: list[str]) -> int:
    """Run one command; return the exit code of the contract (0, 1, 2, 3 or 130)."""
    return run_app(app, arguments)


@app.command()
def init(
    project: ProjectArgument,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="JSON, JSONL, CSV, TSV, Parquet or Arrow files, folders of them, or "
            "hf://owner/name[@split].",
        ),
    ],
    format: Annotated[  # noqa: A002  (the contract's name)
        str, typer.Option(metavar="FORMAT", help=_FORMAT_HELP)
    ] = "auto",
    column: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=NAME", help=_COLUMN_HELP)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Read the first N rows only.")
    ] = None,
) -> None:
    """Read a pool of rows into a new project."""
    console.stage(
        "init", project, files=files, format=format, columns=_mapping(column), limit=limit
    )


@app.command()
def embed(
    project: ProjectArgument,
    encoder: Annotated[
        str,
        typer.Option(
            metavar="ENCODER",
            help="auto, static (fast), minilm (better), or the folder or hub id of a "
            "sentence-transformers model.",
        ),
    ] = "auto",
    device: Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu or cuda.")] = "auto",
    features: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Take vectors from a .npy, .npz or Parquet file."),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Column or array of that file, if it has several."),
    ] = None,
) -> None:
    """Turn every row into a vector. The same command goes on after a stop."""
    if features:
        if encoder != "auto" or device != "auto":
            raise InputError("Give either --features, or --encoder and --device.")
        console.stage("embed", project, features=str(features), column=column)
    else:
        if column:
            raise InputError("--column belongs to --features; leave it out.")
        console.stage("embed", project, encoder=encoder, device=device)


@app.command()
def target(
    project: ProjectArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the target set.")],
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="Its rows, in any form that init reads.")
    ] = None,
    format: Annotated[  # noqa: A002
        str, typer.Option(metavar="FORMAT", help=_FORMAT_HELP)
    ] = "auto",
    column: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=NAME", help=_COLUMN_HELP)
    ] = None,
    rows: Annotated[
        str | None, typer.Option(metavar="ROWS", help="Rows of the pool, such as 3,17,40-45.")
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its vectors, if those of the pool came from a file."),
    ] = None,
) -> None:
    """Add a target set. It holds examples of what the model should become good at."""
    if (file is None) == (rows is None):
        raise InputError("Give either a FILE or --rows for the target set.")
    options: dict[str, Any] = {"name": name}
    if rows is not None:
        options["rows"] = decode_ranges(rows.replace(" ", "")).tolist()
    else:
        options |= {"files": [file], "format": format, "columns": _mapping(column)}
    if features:
        options["features"] = str(features)
    console.stage("target", project, **options)


@app.command()
def cluster(
    project: ProjectArgument,
    k: Annotated[str, typer.Option(metavar="auto|N", help="Number of clusters.")] = "auto",
    seed: SeedOption = 0,
) -> None:
    """Group the rows into titled clusters and list them."""
    console.stage("cluster", project, text=_clusters, k=_auto_or_int("--k", k), seed=seed)


def _clusters(report: dict[str, Any]) -> str:
    listed = [
        {"cluster": number, "rows": rows, "title": title}
        for number, (rows, title) in enumerate(zip(report["sizes"], report["titles"], strict=True))
    ]
    facts = {key: report[key] for key in ("k", "silhouette", "seconds")}
    if report["edits"]:
        count = report["edits"]
        facts["edits"] = (
            f"{count} of earlier {'stays' if count == 1 else 'stay'} in use; "
            "clusters --undo goes back"
        )
    return "\n".join([*pairs(facts), "", *aligned(listed)])


@app.command(name="map")
def map_(project: ProjectArgument, seed: SeedOption = 0) -> None:
    """Lay the rows out in the plane, for the Map page."""
    console.stage("map", project, seed=seed)


cli_clusters.register(app)
cli_select.register(app)
cli_tradeoff.register(app)
cli_quality.register(app)
cli_refine.register(app)


cli_stored.register(app)
cli_compare.register(app)
cli_decisions.register(app)
cli_duplicates.register(app)
cli_search.register(app)


@app.command()
def export(
    project: ProjectArgument,
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name of the run.")],
    format: Annotated[  # noqa: A002
        str,
        typer.Option(
            metavar="FORMAT",
            help="jsonl, json, csv, parquet, hf, openai, sharegpt, alpaca, llama-factory, "
            "axolotl or trl.",
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="File to write, or a folder to put it in; hf, llama-factory and axolotl write "
            "a folder.",
        ),
    ],
    lossy: Annotated[
        bool, typer.Option("--lossy", help="Leave out rows that the format cannot hold.")
    ] = False,
    with_selection: Annotated[
        bool, typer.Option("--with-selection", help="Add probability, cluster and reason.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Write a run's rows for a trainer, with their recipe."""
    console.stage(
        "export",
        project,
        run_id=run,
        format=format,
        out=out,
        lossy=lossy,
        with_selection=with_selection,
        overwrite=overwrite,
    )


@app.command()
def replay(
    recipe: Annotated[
        Path,
        typer.Argument(
            metavar="RECIPE.yaml", help="The recipe of an export or run, or an export's folder."
        ),
    ],
    out: Annotated[
        str | None, typer.Option(metavar="PROJECT", help="Folder to keep the rebuilt project in.")
    ] = None,
) -> None:
    """Make the rows of a recipe again and compare."""
    from core.replay import replay as replay_recipe

    report = replay_recipe(recipe, out=out, progress=console.progress)
    console.report(report, report.sentence)


@app.command()
def demo(project: ProjectArgument = "projects/demo") -> None:
    """Build the demo project of 5,000 bundled rows."""
    console.stage("demo", project)


@app.command()
def doctor() -> None:
    """Check versions, device, memory, disk and model weights."""
    from core.doctor import examine

    console.report(examine())


def _mapping(pairs: list[str] | None) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs or []]
    for role, equals, name in split:
        if not (role and equals and name):
            raise InputError(f"--column takes ROLE=NAME, not {role + equals + name!r}.")
    return {role: name for role, _, name in split}


def _auto_or_int(option: str, text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{option} takes auto or a whole number, not {text!r}.") from None
