"""The command line: parses options, asks the engine, prints the report. No algorithm lives here."""

from pathlib import Path
from typing import Annotated, Any

import typer

from core import cli_decisions
from core.console import ProjectArgument, SeedOption, console, run_app
from core.errors import InputError
from core.values import decode_ranges

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Winnow: from a raw pool of fine-tuning rows to the subset worth training on. "
    "`--json` before any command prints one JSON object.",
)


def main(arguments: list[str]) -> int:
    """Run one command; return the exit code of the contract (0, 1, 2, 3 or 130)."""
    return run_app(app, arguments)


@app.command()
def init(
    project: ProjectArgument,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Files, or hf://owner/name[@split].")
    ],
    format: Annotated[  # noqa: A002  (the contract's name)
        str, typer.Option(help="auto, alpaca, sharegpt, openai, prompt-completion or text.")
    ] = "auto",
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE=NAME", help="Which column plays a role; repeatable."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Read at most so many rows.")] = None,
) -> None:
    """Read a pool of rows into a new project."""
    console.stage(
        "init", project, files=files, format=format, columns=_mapping(column), limit=limit
    )


@app.command()
def embed(
    project: ProjectArgument,
    encoder: Annotated[
        str, typer.Option(help="auto, static, minilm, a sentence-transformers folder or hub id.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    features: Annotated[
        Path | None, typer.Option(help="Take vectors from this .npy, .npz or Parquet file.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="The file's column or array, where it has several.")
    ] = None,
) -> None:
    """Turn every row into a vector; goes on where it was stopped."""
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
    name: Annotated[str, typer.Argument(help="Name of the target set.")],
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="Its rows.")] = None,
    format: Annotated[str, typer.Option(help="As for init.")] = "auto",  # noqa: A002
    column: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=NAME", help="As for init.")
    ] = None,
    rows: Annotated[
        str | None, typer.Option(help="Take pool rows instead of a file: 3,17,40-45.")
    ] = None,
    features: Annotated[
        Path | None, typer.Option(help="Vectors of the target, where the pool's were imported.")
    ] = None,
) -> None:
    """Add a target set: a few rows like those that you want more of."""
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
    k: Annotated[str, typer.Option(help="auto, or the number of clusters.")] = "auto",
    seed: SeedOption = 0,
) -> None:
    """Group the rows into titled clusters."""
    console.stage("cluster", project, k=_auto_or_int("--k", k), seed=seed)


@app.command(name="map")
def map_(project: ProjectArgument, seed: SeedOption = 0) -> None:
    """Lay the rows out in the plane."""
    console.stage("map", project, seed=seed)


@app.command()
def select(
    project: ProjectArgument,
    method: Annotated[str, typer.Option(help="A rule; `methods` lists them.")],
    ratio: Annotated[float | None, typer.Option(help="Share of the pool.")] = None,
    budget: Annotated[int | None, typer.Option(help="Number of rows.")] = None,
    target: Annotated[str | None, typer.Option(help="Name of a target set.")] = None,
    diversity_weight: Annotated[
        float | None, typer.Option(help="0 is pure alignment, towards 1 more diverse.")
    ] = None,
    scale: Annotated[
        str | None, typer.Option(help="auto, or C: the price of one unit of distance.")
    ] = None,
    duplicate_cosine: Annotated[
        float | None, typer.Option(help="Rows above this cosine count as near-duplicates.")
    ] = None,
    quality: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="A column of numbers, higher is better.")
    ] = None,
    seed: SeedOption = 0,
    name: Annotated[str | None, typer.Option(metavar="RUN", help="Name of the run.")] = None,
) -> None:
    """Choose a subset and store it as a run."""
    given = {
        "diversity_weight": diversity_weight,
        "scale": _scale(scale),
        "duplicate_cosine": duplicate_cosine,
    }
    console.stage(
        "select",
        project,
        method=method,
        ratio=ratio,
        budget=budget,
        target=target,
        quality=quality,
        seed=seed,
        name=name,
        **{key: value for key, value in given.items() if value is not None},
    )


@app.command()
def select_arrays(
    pool: Annotated[Path, typer.Argument(metavar="POOL.npy")],
    target: Annotated[Path | None, typer.Argument(metavar="TARGET.npy")] = None,
    *,
    method: Annotated[str, typer.Option(help="A rule; `methods` lists them.")],
    out: Annotated[Path, typer.Option(metavar="ROWS.npy", help="Where the row numbers go.")],
    ratio: Annotated[float | None, typer.Option(help="Share of the pool.")] = None,
    budget: Annotated[int | None, typer.Option(help="Number of rows.")] = None,
    diversity_weight: Annotated[float | None, typer.Option(help="λ = 1 − α in [0, 1).")] = None,
    scale: Annotated[str | None, typer.Option(help="auto, or C.")] = None,
    sigma: Annotated[float | None, typer.Option(help="Kernel width, in L2 distance.")] = None,
    max_neighbors: Annotated[int | None, typer.Option(help="Neighbours of a target.")] = None,
    density_neighbors: Annotated[
        int | None, typer.Option(help="Neighbours that count in the density.")
    ] = None,
    quality: Annotated[Path | None, typer.Option(metavar="Q.npy")] = None,
    seed: SeedOption = 0,
    probabilities: Annotated[
        Path | None, typer.Option(metavar="P.npy", help="Where the probabilities go.")
    ] = None,
) -> None:
    """Choose rows of an array, with no project; distances are L2 on the arrays as given."""
    from core.array_files import select_array_files

    given = {
        "diversity_weight": diversity_weight,
        "scale": _scale(scale),
        "sigma": sigma,
        "max_neighbors": max_neighbors,
        "density_neighbors": density_neighbors,
    }
    console.report(
        select_array_files(
            pool,
            target,
            out=out,
            probabilities=probabilities,
            method=method,
            ratio=ratio,
            budget=budget,
            quality=quality,
            seed=seed,
            **{key: value for key, value in given.items() if value is not None},
        )
    )


@app.command()
def methods() -> None:
    """List the selection rules, with what each needs and its source."""
    from core.selection import RULES

    console.table(
        "methods",
        [
            {"id": rule.id, "label": rule.label, "summary": rule.summary, "source": rule.source}
            for rule in RULES.values()
        ],
    )


@app.command()
def runs(project: ProjectArgument) -> None:
    """List the runs of a project."""
    from core.project import Project
    from core.runs import list_runs
    from core.stages import report_as_dict

    console.table("runs", [report_as_dict(run.report) for run in list_runs(Project.open(project))])


cli_decisions.register(app)


@app.command()
def export(
    project: ProjectArgument,
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    format: Annotated[  # noqa: A002
        str,
        typer.Option(
            help="jsonl, json, csv, parquet, hf, openai, sharegpt, alpaca, llama-factory, "
            "axolotl or trl."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="PATH", help="A file, or a folder for hf, …")],
    lossy: Annotated[
        bool, typer.Option("--lossy", help="Drop rows that the format cannot hold.")
    ] = False,
    with_selection: Annotated[
        bool, typer.Option("--with-selection", help="Add probability, cluster and reason.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Write a run's rows for a trainer, with the recipe beside them."""
    console.stage(
        "export",
        project,
        run_id=run,
        format=format,
        out=str(out),
        lossy=lossy,
        with_selection=with_selection,
        overwrite=overwrite,
    )


@app.command()
def replay(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.yaml")],
    out: Annotated[
        str | None, typer.Option(metavar="PROJECT", help="Keep the rebuilt project here.")
    ] = None,
) -> None:
    """Make the rows of a recipe again, and say whether they are the same."""
    from core.replay import replay as replay_recipe

    console.report(replay_recipe(recipe, out=out, progress=console.progress))


@app.command()
def demo(
    project: Annotated[str, typer.Argument(metavar="[PROJECT]")] = "projects/demo",
) -> None:
    """Build the bundled demo project."""
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


def _scale(text: str | None) -> float | str | None:
    if text is None or text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--scale takes auto or a number, not {text!r}.") from None
