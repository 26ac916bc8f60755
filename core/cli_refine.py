"""The commands of iterative refinement: `refine start`, `step`, `run` and what goes with them."""

from typing import Annotated, Any

import typer

from core.cli_select import BudgetOption, RatioOption
from core.console import ProjectArgument, SeedOption, aligned, console, counted
from core.errors import InputError, command
from core.values import decode_ranges

_SHOWN = 5  # clusters with the most and the least weight, for a person
NameOption = Annotated[
    str, typer.Option(metavar="NAME", help="Name of the refinement, and of its run.")
]
refine = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@refine.command()
def start(
    project: ProjectArgument,
    *,
    name: NameOption,
    rounds: Annotated[int | None, typer.Option(metavar="N", help="Rounds; default: 3.")] = None,
    ratio: RatioOption = None,
    budget: BudgetOption = None,
    within: Annotated[
        str | None,
        typer.Option(metavar="HOW", help="auto, random, closest or kmq, within a cluster."),
    ] = None,
    quality: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="kmq: numbers, or heuristic:NAME or score:NAME."),
    ] = None,
    quality_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="kmq: a table of row and score, instead.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            metavar="T", help="kmq: 0, in proportion to quality; low: the best. Scores: 0.5."
        ),
    ] = None,
    quotas: Annotated[
        str | None, typer.Option(metavar="QUOTAS", help="First weights: proportional or equal.")
    ] = None,
    trainer: Annotated[
        str | None,
        typer.Option(metavar="TRAINER", help="What is trained in a round; see `refine kinds`."),
    ] = None,
    trainer_option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the trainer; may be repeated."),
    ] = None,
    scorer: Annotated[
        str | None, typer.Option(metavar="SCORER", help="What scores the rows; see `refine kinds`.")
    ] = None,
    scorer_option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the scorer; may be repeated."),
    ] = None,
    update: Annotated[
        str | None,
        typer.Option(metavar="UPDATE", help="exponential, paper or ucb: how weights follow."),
    ] = None,
    eta: Annotated[
        float | None, typer.Option(metavar="E", help="exponential, ucb: how fast the weights move.")
    ] = None,
    exploration: Annotated[
        float | None, typer.Option(metavar="C", help="ucb: what few scores count for.")
    ] = None,
    shrink: Annotated[
        str | None,
        typer.Option(metavar="auto|M", help="Rows at which a cluster's own mean counts half."),
    ] = None,
    floor: Annotated[
        float | None,
        typer.Option(metavar="F", help="Least weight of a cluster, as a share of the mean."),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Plan a refinement. Nothing is drawn yet."""
    if (ratio is None) == (budget is None):
        raise InputError("Give either --ratio or --budget.")
    given: dict[str, Any] = {
        "rounds": rounds,
        "ratio": ratio,
        "budget": budget,
        "within": within,
        "quality": quality,
        "quality_file": quality_file,
        "temperature": temperature,
        "quotas": quotas,
        "trainer": trainer,
        "scorer": scorer,
        "update": update,
        "eta": eta,
        "exploration": exploration,
        "shrink": shrink,
        "floor": floor,
    }
    options = {key: value for key, value in given.items() if value is not None}
    try:
        _stage(
            "start",
            project,
            name=name,
            seed=seed,
            trainer_options=_mapping("--trainer-option", trainer_option),
            scorer_options=_mapping("--scorer-option", scorer_option),
            **options,
        )
    except InputError as error:
        # What is no option of this command is one of the trainer or the scorer.
        known = error.option in given or error.option in ("name", "seed")
        raise InputError(str(error), option=error.option if known else None) from None


@refine.command()
def step(project: ProjectArgument, *, name: NameOption) -> None:
    """Do a round, or go on with the one that was stopped."""
    _stage("step", project, name=name)


@refine.command()
def run(project: ProjectArgument, *, name: NameOption) -> None:
    """Do all rounds that are left."""
    _stage("run", project, name=name)


@refine.command()
def status(project: ProjectArgument, *, name: NameOption) -> None:
    """Say how a refinement stands."""
    from core.refinement.loop import status as state
    from core.stages import report_as_dict

    report = report_as_dict(state(_open(project), name))
    console.values(report, None if console.json else _told(project, report))


@refine.command()
def history(project: ProjectArgument, *, name: NameOption) -> None:
    """Show weights, scores and rows of every cluster by round."""
    from core.refinement.history import clusters_by_weight, history_of

    found = history_of(_open(project), name)
    rows = clusters_by_weight(found)
    values = {
        "name": name,
        "rounds": found.rounds,
        "clusters": rows,
        "sources": {
            source: counts
            for source, counts in zip(found.sources, found.source_counts.T.tolist(), strict=True)
            if any(counts)
        },
        "losses": [list(map(list, one)) for one in found.losses],
    }
    shown = [
        {
            "cluster": one["cluster"],
            "weights": " → ".join(f"{weight:.2%}" for weight in one["weights"]),
            "score": "" if one["score"] is None else f"{one['score']:.4g}",
            "rows": one["held"],
            "title": one["title"],
        }
        for one in rows
    ]
    console.values(values, "\n".join(aligned(shown)))


@refine.command()
def score(
    project: ProjectArgument,
    *,
    name: NameOption,
    file: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="CSV, TSV, JSON, JSONL or Parquet with row and score, or row and generation.",
        ),
    ],
) -> None:
    """Bring the waiting round its scores or generations."""
    _stage("score", project, name=name, file=file)


@refine.command()
def compare(project: ProjectArgument, *, name: NameOption) -> None:
    """Set a refinement beside static kMQ and Random."""
    from core.cli_compare import comparison_text, comparison_values
    from core.refinement.rivals import STATIC_MAY_WIN, beside_static, mean_scores

    opened = _open(project)
    found = beside_static(opened, name, progress=console.progress)
    means = mean_scores(opened, name)
    said = " · ".join(f"{label or 'all rows'} {mean:.4g}" for label, mean in means.items())
    lines = [comparison_text(found), *([f"Mean score: {said}"] if said else []), STATIC_MAY_WIN]
    console.values(comparison_values(found) | {"scores": means}, "\n\n".join(lines))


@refine.command()
def rollback(
    project: ProjectArgument,
    *,
    name: NameOption,
    round_: Annotated[
        int, typer.Option("--round", metavar="N", help="Round to keep as the last; 0 for none.")
    ],
) -> None:
    """Go back to the end of a round. Later ones are removed."""
    from core.refinement.edits import rollback as go_back

    _show(project, go_back(_open(project), name, round_))


@refine.command()
def branch(
    project: ProjectArgument,
    *,
    name: NameOption,
    new: Annotated[str, typer.Option(metavar="NAME", help="Name of the branch.")],
    round_: Annotated[
        int | None,
        typer.Option("--round", metavar="N", help="Last round that it shares; default: the last."),
    ] = None,
) -> None:
    """Copy a refinement as it was after a round."""
    from core.refinement.edits import branch as branch_off

    _show(project, branch_off(_open(project), name, new, round_))


@refine.command()
def reweight(
    project: ProjectArgument,
    *,
    name: NameOption,
    clusters: Annotated[
        str | None, typer.Option(metavar="CLUSTERS", help="Clusters, such as 3,5,8-10.")
    ] = None,
    factor: Annotated[
        float | None, typer.Option(metavar="F", help="What their weights are multiplied by.")
    ] = None,
    take_back: Annotated[
        bool, typer.Option("--take-back", help="Forget all such changes since the last draw.")
    ] = False,
) -> None:
    """Change weights by hand for the next round."""
    from core.refinement import edits

    if take_back and clusters is None and factor is None:
        _show(project, edits.take_back(_open(project), name))
        return
    if take_back or clusters is None or factor is None:
        raise InputError("Give --clusters and --factor, or --take-back alone.")
    try:
        numbers = decode_ranges(clusters.replace(" ", "")).tolist()
    except InputError as error:
        raise InputError(str(error), option="clusters") from None
    _show(project, edits.reweight(_open(project), name, numbers, factor))


@refine.command(name="list")
def list_(project: ProjectArgument) -> None:
    """List the refinements of a project."""
    from core.refinement.loop import list_refinements
    from core.stages import report_as_dict

    console.table(
        "refinements",
        [report_as_dict(one) for one in list_refinements(_open(project))],
        columns=("name", "state", "round", "rounds", "budget", "selected"),
        empty=f"None yet; {command('refine', 'start', '--help')} says how to start one.",
    )


@refine.command()
def delete(project: ProjectArgument, *, name: NameOption) -> None:
    """Delete a refinement and its run. Branches and exports stay."""
    from core.refinement.edits import delete as remove

    remove(_open(project), name)
    console.values({"deleted": name}, f"The refinement {name} is deleted.")


@refine.command()
def kinds() -> None:
    """List trainers and scorers with their options."""
    from core.refinement.registry import SCORERS, TRAINERS, Kind

    both: list[tuple[str, Kind]] = [("trainer", kind) for kind in TRAINERS.values()]
    both += [("scorer", kind) for kind in SCORERS.values()]
    rows = [
        {
            "kind": what,
            "id": kind.id,
            "label": kind.label,
            "needs": list(kind.needs),
            "options": [one.name for one in kind.parameters],
            "summary": kind.sentence,
            "source": kind.source,
        }
        for what, kind in both
    ]
    console.table("kinds", rows, columns=("kind", "id", "options", "summary"), empty="")


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(refine, name="refine", help="Select in rounds: draw, train, score, re-weight.")


def _stage(action: str, project: str, **options: Any) -> None:
    def told(report: dict[str, Any]) -> str:
        return _told(project, report)

    console.stage("refine", project, text=told, action=action, **options)


def _show(project: str, report: Any) -> None:
    from core.stages import report_as_dict

    found = report_as_dict(report)
    console.values(found, None if console.json else _told(project, found))


def _told(project: str, report: dict[str, Any]) -> str:
    """How it stands, what to do next, and where the weight is."""
    name = report["name"]
    lines = [
        f"{name}: {report['round']} of {report['rounds']} rounds, "
        f"{counted(report['selected'])} of {report['budget']:,}."
    ]
    lines += [_round(one) for one in report["done"]]
    weights = enumerate(report["weights"])
    heaviest = sorted(weights, key=lambda one: -one[1])[:_SHOWN]
    shown = [
        {"cluster": number, "weight": f"{weight:.1%}", "title": report["titles"][number]}
        for number, weight in heaviest
    ]
    lines += ["Clusters with the most weight:", *(f"  {line}" for line in aligned(shown))]
    if report["state"] == "finished":
        lines.append(f"Finished; {command('export', project, name, '--help')} writes the rows.")
    elif report["state"] == "waiting":
        lines.append(report["waiting"])
    else:
        again = "goes on with the round at work" if report["state"] == "unfinished" else "is next"
        lines.append(f"{command('refine', 'step', project, '--name', name)} {again}.")
    return "\n".join(lines)


def _round(one: dict[str, Any]) -> str:
    score = "no scores" if one["score"] is None else f"mean score {one['score']:.4g}"
    loss = "" if one["loss"] is None else f", loss {one['loss']:.4g}"
    lost = f", {one['lost']:,} dropped since" if one["lost"] else ""
    notes = "".join(f"\n  {note}" for note in one["notes"])
    return f"Round {one['number']}: {counted(one['rows'])}, {score}{loss}{lost}.{notes}"


def _open(root: str) -> Any:
    from core.project import Project

    return Project.open(root)


def _mapping(option: str, given: list[str] | None) -> dict[str, str]:
    split = [pair.partition("=") for pair in given or []]
    for name, equals, value in split:
        if not (name and equals):
            raise InputError(f"{option} takes NAME=VALUE, not {name + equals + value!r}.")
    return {name: value for name, _, value in split}
