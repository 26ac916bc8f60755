"""The commands that choose rows: in a project, and from plain arrays."""

from pathlib import Path
from typing import Annotated, Any

import typer

from core.console import ProjectArgument, SeedOption, console
from core.errors import InputError

_NEEDS = ("target", "clusters", "quality")
MethodOption = Annotated[
    str,
    typer.Option(
        metavar="METHOD",
        help="tsds-kde, tsds-uniform, round-robin, doubly-greedy, mean-similarity, uot, "
        "target-kmeans, kmeans-random, kmeans-closest, kmeans-median, kmq, "
        "k-center, facility-location, deita, qdit, stratified or random; see the command "
        "`methods`.",
    ),
]
RatioOption = Annotated[
    float | None, typer.Option(metavar="R", help="Share of the pool to choose, such as 0.1.")
]
BudgetOption = Annotated[
    int | None, typer.Option(metavar="B", help="Number of rows to choose, in place of --ratio.")
]
DiversityOption = Annotated[
    float | None,
    typer.Option(metavar="L", help="tsds: from 0, nearest to the target, to below 1, diverse."),
]
ScaleOption = Annotated[
    str | None, typer.Option(metavar="auto|C", help="tsds: what one unit of distance costs.")
]
QuotasOption = Annotated[
    str | None,
    typer.Option(
        metavar="QUOTAS",
        help="kmeans, kmq, stratified: proportional to the rows of a group, or equal.",
    ),
]
DuplicateOption = Annotated[
    float | None,
    typer.Option(metavar="COS", help="tsds-kde, deita: more similar rows are near-duplicates."),
]
EpsilonOption = Annotated[
    float | None,
    typer.Option(metavar="E", help="facility-location, qdit: error of sampling; 0: all rows."),
]
QualityWeightOption = Annotated[
    float | None,
    typer.Option(metavar="A", help="qdit: from 0, coverage alone, to 1, quality alone."),
]


def select(
    project: ProjectArgument,
    method: MethodOption,
    ratio: RatioOption = None,
    budget: BudgetOption = None,
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="tsds and others: the target set to be like.")
    ] = None,
    diversity_weight: DiversityOption = None,
    scale: ScaleOption = None,
    duplicate_cosine: DuplicateOption = None,
    quality: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="kmq, deita, qdit: numbers, higher is better."),
    ] = None,
    quality_weight: QualityWeightOption = None,
    epsilon: EpsilonOption = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="stratified: what groups the rows; default: source."),
    ] = None,
    quotas: QuotasOption = None,
    seed: SeedOption = 0,
    name: Annotated[
        str | None, typer.Option(metavar="RUN", help="Name of the run, such as first.")
    ] = None,
) -> None:
    """Choose a subset and store it as a run."""
    _one_size(ratio, budget)
    given: dict[str, Any] = {
        "diversity_weight": diversity_weight,
        "scale": scale_of(scale),
        "duplicate_cosine": duplicate_cosine,
        "quality_weight": quality_weight,
        "epsilon": epsilon,
        "quotas": quotas,
    }
    console.stage(
        "select",
        project,
        method=method,
        ratio=ratio,
        budget=budget,
        target=target,
        quality=quality,
        by=by,
        seed=seed,
        name=name,
        **{key: value for key, value in given.items() if value is not None},
    )


def select_arrays(
    pool: Annotated[
        Path, typer.Argument(metavar="POOL.npy", help="Vectors of the pool, a row for each.")
    ],
    target: Annotated[
        Path | None,
        typer.Argument(metavar="TARGET.npy", help="tsds and others: vectors of the target."),
    ] = None,
    *,
    method: MethodOption,
    out: Annotated[
        Path, typer.Option(metavar="ROWS.npy", help="File to write the row numbers to.")
    ],
    ratio: RatioOption = None,
    budget: BudgetOption = None,
    diversity_weight: DiversityOption = None,
    scale: ScaleOption = None,
    sigma: Annotated[
        float | None,
        typer.Option(metavar="S", help="tsds-kde: width of the kernel, in L2 distance."),
    ] = None,
    max_neighbors: Annotated[
        int | None, typer.Option(metavar="K", help="tsds: neighbours of a target row, at most.")
    ] = None,
    density_neighbors: Annotated[
        int | None,
        typer.Option(metavar="K", help="tsds-kde: neighbours in a density; 0 for all."),
    ] = None,
    quality: Annotated[
        Path | None,
        typer.Option(metavar="Q.npy", help="kmq, deita, qdit: quality of each row."),
    ] = None,
    duplicate_cosine: DuplicateOption = None,
    quality_weight: QualityWeightOption = None,
    epsilon: EpsilonOption = None,
    by: Annotated[
        Path | None, typer.Option(metavar="G.npy", help="stratified: the group of each row.")
    ] = None,
    quotas: QuotasOption = None,
    seed: SeedOption = 0,
    probabilities: Annotated[
        Path | None, typer.Option(metavar="P.npy", help="File to write the probabilities to.")
    ] = None,
) -> None:
    """Choose rows of an array, with no project. Distances are L2."""
    from core.array_files import select_array_files

    _one_size(ratio, budget)
    given: dict[str, Any] = {
        "diversity_weight": diversity_weight,
        "scale": scale_of(scale),
        "sigma": sigma,
        "max_neighbors": max_neighbors,
        "density_neighbors": density_neighbors,
        "duplicate_cosine": duplicate_cosine,
        "quality_weight": quality_weight,
        "epsilon": epsilon,
        "quotas": quotas,
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
            by=by,
            seed=seed,
            **{key: value for key, value in given.items() if value is not None},
        )
    )


def methods() -> None:
    """List the selection methods and what each needs."""
    from core.selection import RULES

    console.table(
        "methods",
        [
            {
                "id": rule.id,
                "label": rule.label,
                "needs": [need for need in _NEEDS if getattr(rule, f"needs_{need}")],
                "summary": rule.summary,
                "source": rule.source,
            }
            for rule in RULES.values()
        ],
        columns=("id", "needs", "summary"),
        empty="",
    )


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (select, select_arrays, methods):
        app.command()(command)


def _one_size(ratio: float | None, budget: int | None) -> None:
    if (ratio is None) == (budget is None):
        raise InputError("Give either --ratio or --budget.")


def scale_of(text: str | None) -> float | str | None:
    """What --scale means; InputError when it is neither auto nor a number."""
    if text is None or text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--scale takes auto or a number, not {text!r}.") from None
