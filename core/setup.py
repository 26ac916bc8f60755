"""What a rule is to choose from in a project: gathered in one place for runs and previews."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.clusters import Clusters, load_clusters
from core.decisions import Decisions, load_decisions
from core.errors import InputError, command
from core.features import load_features
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project, describe_file
from core.quality import quality_of, read_scores
from core.selection import Problem, Rule, Selection, Strata, find_rule, resolve_budget, solve
from core.selection.constraints import CLUSTER, cluster_groups, make_constraints
from core.target_features import encode_target


@dataclass(frozen=True)
class Setup:
    """What a rule chooses from, in a project as it stood when it was asked.

    Attributes
    ----------
    request : the options of `core.runs.select` as they were resolved, for the recipe.
    notes : sentences on options that the rule has no use for.
    """

    project: Project
    pool: Pool
    rule: Rule
    decisions: Decisions
    clusters: Clusters | None
    problem: Problem
    request: dict[str, Any]
    notes: tuple[str, ...]

    def at(self, *, budget: int, seed: int) -> "Setup":
        """The same, for another budget and seed."""
        return replace(
            self,
            problem=replace(self.problem, budget=budget, seed=seed),
            request={**self.request, "budget": budget, "ratio": None, "seed": seed},
        )

    def solve(self, *, progress: Progress = silent, **parameters: Any) -> Selection:
        """Choose the rows that a run with these parameters would hold."""
        return solve(self.rule.id, self.problem, progress=progress, **parameters)


def set_up(
    project: Project,
    *,
    method: str,
    ratio: float | None = None,
    budget: int | None = None,
    target: str | None = None,
    quality: str | None = None,
    by: str | None = None,
    seed: int = 0,
    quality_file: str | Path | None = None,
    limits: Sequence[str] = (),
    max_cosine: float | None = None,
    semdedup: float | None = None,
    progress: Progress = silent,
) -> Setup:
    """Gather what the rule `method` chooses from; options and errors as of `core.runs.select`."""
    rule = find_rule(method)
    project = project.snapshot()
    pool = Pool.open(project)
    decisions = load_decisions(project, pool.rows)
    wanted = resolve_budget(pool.rows, ratio, budget)
    clusters = load_clusters(project) if project.pointer("features") else None
    ignored = tuple(
        f"{rule.label} uses no {what}; it was left out."
        for what, given, used in (
            ("target set", target, rule.needs_target),
            ("quality", quality or quality_file, rule.needs_quality),
            ("groups of a column", by, rule.needs_strata),
        )
        if given and not used
    )
    target = target if rule.needs_target else None
    if quality and quality_file:
        raise InputError("Give quality or a file of scores, not both.", option="quality")
    quality_file = quality_file if rule.needs_quality else None
    by_column = rule.needs_quality and not quality_file
    quality = (quality or pool.quality_column()) if by_column else None
    by = (by or "source") if rule.needs_strata else None
    problem = _problem(
        project, pool, rule, decisions, clusters, wanted, target, quality, by, seed, progress
    )
    if quality_file:
        scores = read_scores(quality_file, pool.rows, problem.candidates)
        problem = replace(problem, quality=scores)
    limits = list(limits)

    def groups(column: str) -> Strata:
        return _groups(project, pool, clusters, column, "limit")

    constraints = make_constraints(groups, limits, max_cosine, semdedup)
    if constraints is not None:
        problem = replace(problem, constraints=constraints)
        by_cluster = any(one.groups.by == "cluster" for one in constraints.limits)
        if max_cosine is not None or semdedup is not None or by_cluster:
            # Also where the rule looks at none: they are then part of the recipe.
            problem = replace(problem, features=load_features(project).vectors)
    request = {
        "method": rule.id,
        "budget": wanted,
        "ratio": ratio,
        "target": target,
        "quality": quality,
        "by": by,
        "seed": seed,
        "quality_file": describe_file(Path(quality_file)) if quality_file else None,
        "limits": limits,
        "max_cosine": max_cosine,
        "semdedup": semdedup,
    }
    return Setup(project, pool, rule, decisions, clusters, problem, request, ignored)


def _problem(
    project: Project,
    pool: Pool,
    rule: Rule,
    decisions: Decisions,
    clusters: Clusters | None,
    budget: int,
    target: str | None,
    quality: str | None,
    by: str | None,
    seed: int,
    progress: Progress,
) -> Problem:
    """Gather what the rule needs, and say in one sentence what is missing."""
    if rule.needs_target and not target:
        raise InputError(f"{rule.label} needs a target set; give one with --target NAME.")
    if rule.needs_clusters and clusters is None:
        made = command("cluster", project.root)
        raise InputError(f"{rule.label} needs clusters; run {made} first.")
    by_cluster = by == CLUSTER
    # Groups that are clusters are part of the recipe with the vectors that they were made from.
    vectors = rule.needs_features or rule.needs_target or rule.needs_clusters or by_cluster
    features = load_features(project).vectors if vectors else None
    return Problem(
        features=features,
        candidates=decisions.candidates,
        budget=budget,
        targets=encode_target(project, target, progress=progress)
        if rule.needs_target and target
        else None,
        labels=clusters.labels if clusters else None,
        strata=_groups(project, pool, clusters, by, "by") if by else None,
        quality=quality_of(pool, quality) if quality else None,
        pinned=decisions.pinned_rows,
        seed=seed,
    )


def _groups(
    project: Project, pool: Pool, clusters: Clusters | None, column: str, option: str
) -> Strata:
    """The groups of a column that has limits or is drawn by; the clusters are no column."""
    if column == CLUSTER:
        if clusters is None:
            made = command("cluster", project.root)
            what = "A limit of" if option == "limit" else "Drawing by"
            raise InputError(f"{what} clusters needs clusters; run {made} first.", option=option)
        return cluster_groups(clusters.labels)
    try:
        groups = pool.categories(column)
    except InputError as error:
        raise InputError(str(error), option=option) from None
    return Strata(column, groups.codes, tuple(groups.names))
