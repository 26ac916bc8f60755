"""Iterative refinement: start it, go on by a round or to the end, and say how it stands."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.clusters import require_clusters
from core.decisions import load_decisions
from core.errors import InputError, command
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project, describe_file
from core.quality import quality_of, read_scores
from core.refinement.base import Scores, TrainReport
from core.refinement.draw import living
from core.refinement.names import refinement_names
from core.refinement.own_scores import PREFIX, scorer_of
from core.refinement.plan import AUTO, OWN_TEMPERATURE, PARAMETERS, Plan
from core.refinement.registry import (
    DEFAULT_SCORER,
    OF_ALL_ROWS,
    default_trainer,
    find_scorer,
    find_trainer,
)
from core.refinement.report import RefineReport, make_report
from core.refinement.result import ranges, standing_of
from core.refinement.round_store import Round
from core.refinement.scores_file import ScoresFile, read_scores_file
from core.refinement.steps import (
    Ground,
    advance,
    draw_now,
    ground_of,
    opened,
    standing_weights,
    updated,
)
from core.refinement.store import Refinement, create_refinement, open_refinement
from core.refinement.weights import Numbers
from core.runs import check_run_name
from core.selection import resolve_budget
from core.selection.base import resolve_options
from core.values import check_seed


def start(
    project: Project,
    *,
    name: str,
    ratio: float | None = None,
    budget: int | None = None,
    trainer: str | None = None,
    trainer_options: Mapping[str, Any] | None = None,
    scorer: str = DEFAULT_SCORER,
    scorer_options: Mapping[str, Any] | None = None,
    quality: str | None = None,
    quality_file: str | Path | None = None,
    seed: int = 0,
    progress: Progress = silent,
    **parameters: Any,
) -> RefineReport:
    """Plan a refinement; nothing is drawn yet.

    Parameters
    ----------
    name : of the refinement, and of the run that it becomes after its first round.
    ratio, budget : share of the whole pool, or number of rows, of all rounds together.
    trainer, scorer : names of `core.refinement.registry`, with their options; without a trainer,
        none is trained unless the scorer needs a model.
    quality, quality_file : for kMQ within clusters; see `core.runs.select`. They are read once.
        `score:soundness` and `score:coherence` are the scores of these scorers.
    **parameters : see `core.refinement.plan.PARAMETERS`.

    Raises
    ------
    InputError
        The name is taken; there are no clusters yet; an option is unknown or out of range; the
        budget is larger than what is kept, or smaller than the rounds; kMQ has no quality.
    BusyError
        Another process writes to the project.
    """
    check_seed(seed)
    check_run_name(project, name)
    settings = resolve_options("A refinement", PARAMETERS, parameters)
    trainer = default_trainer(scorer) if trainer is None else trainer
    training, scoring = find_trainer(trainer), find_scorer(scorer)
    if "model" in scoring.needs and trainer == "none":
        raise InputError(
            f"The scorer {scorer} needs a model; choose a trainer that leaves one.",
            option="trainer",
        )
    chosen: dict[str, Any] = {
        "trainer": trainer,
        "trainer_options": training.resolve(trainer_options or {}),
        "scorer": scorer,
        "scorer_options": scoring.resolve(scorer_options or {}),
    }
    with project.writing(f"refine {name}"):
        project = project.snapshot()
        clusters, pool = require_clusters(project), Pool.open(project)
        size = resolve_budget(pool.rows, ratio, budget)
        _check_size(project, pool, size, settings["rounds"])
        if settings["within"] == AUTO:
            settings, quality = _automatic(settings, scorer, quality, quality_file)
        weighed = settings["within"] == "kmq"
        if weighed and quality and quality_file:
            raise InputError("Give quality or a file of scores, not both.", option="quality")
        quality = (quality or pool.quality_column()) if weighed and not quality_file else None
        found: Numbers | None = None
        progress(0, 0, "looking at the pool")
        if weighed and quality_file:
            kept = load_decisions(project, pool.rows).candidates
            found = read_scores(quality_file, pool.rows, kept)
        elif weighed and scorer_of(quality):
            if not settings["temperature"]:
                raise InputError(
                    f"Drawing by {quality} needs a temperature above 0, such as "
                    f"{OWN_TEMPERATURE:g}.",
                    option="temperature",
                )
        elif weighed and quality:
            found = quality_of(pool, quality)
        plan = Plan(
            name=name,
            budget=size,
            ratio=ratio,
            quality=quality,
            quality_file=describe_file(Path(quality_file)) if weighed and quality_file else None,
            seed=int(seed),
            pool=pool.fingerprint,
            features=str(project.pointer("features")),
            clusters=clusters.fingerprint,
            **settings,
            **chosen,
        )
        ground = ground_of(project, plan)
        training.make(plan.trainer_options, ground.place)
        scoring.make(plan.scorer_options, ground.place)
        # A plan is made at once: the first round works the scores out, and any will do to try.
        by_scores = weighed and scorer_of(quality) is not None
        _try_out(plan, ground, np.zeros(pool.rows) if by_scores else found)
        check_run_name(project, name)
        return make_report(create_refinement(project, plan, found), ground)


def step(project: Project, name: str, *, progress: Progress = silent) -> RefineReport:
    """Do a round, or what is left of the one that was stopped or waits.

    A stage that fails leaves the round as it was: it can be tried again, with the same rows.
    Rolling back to the last finished round gives up the rows as well.

    Raises
    ------
    InputError
        No such refinement, all its rounds are finished, too few rows are kept, or what the
        trainer or the scorer refuses.
    BusyError
        Another process writes to the project.
    """
    with opened(project, name) as (refinement, ground):
        advance(refinement, ground, progress)
        return make_report(refinement, ground)


def run(project: Project, name: str, *, progress: Progress = silent) -> RefineReport:
    """Do all rounds that are left, as far as none waits for somebody; errors as of `step`."""
    with opened(project, name) as (refinement, ground):
        advance(refinement, ground, progress)
        while refinement.pending is None and len(refinement.rounds()) < refinement.plan.rounds:
            advance(refinement, ground, progress)
        return make_report(refinement, ground)


def status(project: Project, name: str) -> RefineReport:
    """How a refinement stands, also while another process works on it.

    Raises
    ------
    InputError
        There is none of this name, or a file of it cannot be read.
    """
    refinement = open_refinement(project, name)
    ground = ground_of(project, refinement.plan)
    while True:
        there = refinement.folders
        try:
            return make_report(refinement, ground)
        except InputError:
            if refinement.folders == there:  # else a round was finished or removed meanwhile
                raise


def list_refinements(project: Project) -> list[RefineReport]:
    """How all refinements stand, by name."""
    return [status(project, name) for name in refinement_names(project)]


def bring(
    project: Project, name: str, file: str | Path, *, progress: Progress = silent
) -> RefineReport:
    """Bring the waiting round a file of scores or generations, and go on with it.

    Parameters
    ----------
    file : see `core.refinement.scores_file.read_scores_file`. With scores, nothing is trained or
        scored any more; with generations, the scorer has them.

    Raises
    ------
    InputError
        No round waits, or the file or its scores cannot be used; then nothing of it is kept.
    BusyError
        Another process writes to the project.
    """
    with opened(project, name) as (refinement, ground):
        pending, brought = _brought(project, refinement, file)
        if brought.scores is not None:
            if pending.report is None:
                pending.keep_report(TrainReport())
            pending.keep_scores(Scores(brought.scores))
        elif brought.generations is not None:
            pending.keep_generations(brought.generations)
        pending.keep_waiting(None)
        advance(refinement, ground, progress)
        return make_report(refinement, ground)


def check_file(project: Project, name: str, file: str | Path) -> ScoresFile:
    """Read a file as `bring` would, and keep nothing of it; errors as of `bring`."""
    return _brought(project, open_refinement(project, name), file)[1]


def _brought(
    project: Project, refinement: Refinement, file: str | Path
) -> tuple[Round, ScoresFile]:
    """The round that waits, and what a file holds for it."""
    pending, plan = refinement.pending, refinement.plan
    if pending is None or pending.waiting is None:
        todo = command("refine", "step", project.root, "--name", plan.name)
        raise InputError(f"No round of {plan.name} waits for anything; {todo} does the next one.")
    brought = read_scores_file(file, pending.rows)
    if brought.scores is not None:
        updated(plan, pending, refinement.rounds(), Scores(brought.scores))  # may refuse them
    elif plan.scorer == "import":
        raise InputError(
            f"{file} has generations; {plan.name} takes scores: give a table of row and score."
        )
    return pending, brought


def _check_size(project: Project, pool: Pool, size: int, rounds: int) -> None:
    if size > pool.rows:
        raise InputError(
            f"The budget of {size:,} rows is larger than the pool of {pool.rows:,}; lower it.",
            option="budget",
        )
    decisions = load_decisions(project, pool.rows)
    kept = len(decisions.candidates)
    if not kept:
        raise InputError("All rows are dropped; restore some, or undo.")
    if size > kept:
        raise InputError(
            f"The budget of {size:,} rows is larger than the {kept:,} that are kept; lower it or "
            "restore some.",
            option="budget",
        )
    if size < rounds:
        raise InputError(
            f"{size:,} rows cannot be drawn in {rounds} rounds; lower the rounds.", option="rounds"
        )


def _try_out(plan: Plan, ground: Ground, quality: Numbers | None) -> None:
    """Draw a first round and forget it: what cannot be drawn is said at the start."""
    decisions = load_decisions(ground.project, ground.pool.rows)
    standing = standing_of([], ground.labels, ranges(decisions.dropped), ranges(decisions.pinned))
    weights = standing_weights(plan, standing, [], [], ground.k)
    candidates = standing.by_cluster(standing.candidates, ground.k)
    draw_now(plan, ground, standing, living(weights, candidates), 1, quality)


def _automatic(
    settings: dict[str, Any], scorer: str, quality: str | None, file: str | Path | None
) -> tuple[dict[str, Any], str | None]:
    """The settings with what "auto" comes to within a cluster, and the quality."""
    if quality or file:
        return settings | {"within": "kmq"}, quality
    if scorer not in OF_ALL_ROWS:
        return settings | {"within": "random"}, None
    temperature = settings["temperature"] or OWN_TEMPERATURE
    return settings | {"within": "kmq", "temperature": temperature}, PREFIX + scorer
