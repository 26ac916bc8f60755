"""The commands that choose rows: in a project, and from plain arrays."""

import functools
import inspect
from collections.abc import Callable
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
        "k-center, facility-location, deita, qdit, stratified or random; or its name, such as "
        "'TSDS KNN-KDE'; see the command `methods`.",
    ),
]
RatioOption = Annotated[
    float | None, typer.Option(metavar="R", help="Share of the pool to choose, such as 0.1.")
]
BudgetOption = Annotated[
    int | None, typer.Option(metavar="B", help="Number of rows to choose, in place of --ratio.")
]
LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GROUP=A..B",
        help="Fewest and most rows of a group, such as source:alpaca=..500, or of each one, such "
        "as cluster=20..; may be repeated.",
    ),
]
MaxCosineOption = Annotated[
    float | None,
    typer.Option(metavar="COS", help="No two chosen rows are more similar than this."),
]
SemDeDupOption = Annotated[
    float | None,
    typer.Option(
        metavar="COS", help="Leave out rows more similar than this to a kept one of their cluster."
    ),
]


def _option(kind: Any, metavar: str, meaning: str) -> Any:
    return Annotated[kind | None, typer.Option(metavar=metavar, help=meaning)]


DiversityOption = _option(
    str, "auto|L", "tsds: from 0, nearest to the target, to below 1, diverse."
)
ScaleOption = _option(str, "auto|C", "tsds: what one unit of distance costs.")
DuplicateOption = _option(float, "COS", "tsds-kde, deita: more similar rows are near-duplicates.")
# The parameters of the rules, by name; the registry is not imported for a list of options.
RULE_OPTIONS = {
    "diversity_weight": DiversityOption,
    "scale": ScaleOption,
    "duplicate_cosine": DuplicateOption,
    "sigma": _option(
        float, "S", "tsds-kde: width of the kernel, in L2 distance; 0: every density is 1."
    ),
    "max_neighbors": _option(int, "K", "tsds, uot: neighbours of a target row, at most."),
    "density_neighbors": _option(int, "K", "tsds-kde: neighbours in a density; 0 for all."),
    "density_scope": _option(
        str, "SCOPE", "tsds-kde: prefetched or pool, the rows that count in a density."
    ),
    "quotas": _option(
        str, "QUOTAS", "kmeans, kmq, stratified: proportional to the rows of a group, or equal."
    ),
    "temperature": _option(
        float, "T", "kmq: 0, in proportion to quality; a low one prefers the best."
    ),
    "quality_weight": _option(float, "A", "qdit: from 0, coverage alone, to 1, quality alone."),
    "epsilon": _option(float, "E", "facility-location, qdit: error of sampling; 0: all rows."),
    "entropy": _option(float, "E", "uot: small, only the nearest rows; large, farther ones."),
    "relaxation": _option(float, "R", "uot: large, mass spreads evenly over the rows."),
    "within": _option(str, "HOW", "target-kmeans: nearest or random rows of a cluster."),
}


def _with_rule_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, as `parameters`, the options of the rules that were set."""
    own = inspect.signature(command)
    taken = [one for one in own.parameters.values() if one.name != "parameters"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in RULE_OPTIONS.items()
    ]

    @functools.wraps(command)
    def run(**options: Any) -> None:
        given = {name: options.pop(name) for name in RULE_OPTIONS}
        command(**options, **{key: value for key, value in given.items() if value is not None})

    vars(run)["__signature__"] = own.replace(parameters=[*taken, *added])
    return run


@_with_rule_options
def select(
    project: ProjectArgument,
    *,
    method: MethodOption,
    ratio: RatioOption = None,
    budget: BudgetOption = None,
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="tsds and others: the target set to be like.")
    ] = None,
    quality: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="kmq, deita, qdit: numbers, higher is better; or heuristic:length, "
            "heuristic:answer-length, heuristic:variety.",
        ),
    ] = None,
    quality_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="CSV, JSONL or Parquet with row and score, instead."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="stratified: what groups the rows; default: source. Here as in --limit, cluster "
            "is the clusters, also where a column is called so.",
        ),
    ] = None,
    limit: LimitOption = None,
    max_cosine: MaxCosineOption = None,
    semdedup: SemDeDupOption = None,
    seed: SeedOption = 0,
    name: Annotated[
        str | None, typer.Option(metavar="RUN", help="Name of the run, such as first.")
    ] = None,
    **parameters: Any,
) -> None:
    """Choose a subset and store it as a run."""
    _one_size(ratio, budget)
    console.stage(
        "select",
        project,
        method=method,
        ratio=ratio,
        budget=budget,
        target=target,
        quality=quality,
        quality_file=quality_file,
        by=by,
        limits=limit or [],
        max_cosine=max_cosine,
        semdedup=semdedup,
        seed=seed,
        name=name,
        **parameters,
    )


@_with_rule_options
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
    quality: Annotated[
        Path | None,
        typer.Option(metavar="Q.npy", help="kmq, deita, qdit: quality of each row."),
    ] = None,
    by: Annotated[
        Path | None,
        typer.Option(metavar="G.npy", help="stratified, --limit group: the group of each row."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="L.npy", help="Cluster of each row; without it they are found."),
    ] = None,
    limit: LimitOption = None,
    max_cosine: MaxCosineOption = None,
    semdedup: SemDeDupOption = None,
    seed: SeedOption = 0,
    probabilities: Annotated[
        Path | None, typer.Option(metavar="P.npy", help="File to write the probabilities to.")
    ] = None,
    **parameters: Any,
) -> None:
    """Choose rows of an array, with no project. Distances are L2."""
    from core.array_files import select_array_files

    _one_size(ratio, budget)
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
            labels=labels,
            limits=limit or [],
            max_cosine=max_cosine,
            semdedup=semdedup,
            seed=seed,
            **parameters,
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
