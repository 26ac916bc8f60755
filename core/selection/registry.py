"""The rules, and the one way to run them. Pages, command line and docs are made from this."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from core.errors import InputError
from core.progress import Progress, silent
from core.selection import cover, kmeans_rules, quality_rules, target_rules, tsds, uot
from core.selection import parameters as options
from core.selection.base import Problem, Rule, Selection
from core.selection.constrained import solve_constrained
from core.selection.constraints import Constraints
from core.values import check_seed

_RULES = (
    Rule(
        id="random",
        label="Random",
        summary="Every row has the same chance: the yardstick for all other rules.",
        family="baseline",
        function=kmeans_rules.random,
        cost="O(n)",
        source="standard",
    ),
    Rule(
        id="stratified",
        label="Stratified",
        summary="Each source, or value of another column, gives its share of the rows, drawn at "
        "random within it.",
        family="baseline",
        function=kmeans_rules.stratified,
        parameters=(options.STRATUM_QUOTAS,),
        needs_strata=True,
        cost="O(n + k log k) for k groups",
        source="standard",
    ),
    Rule(
        id="kmeans-random",
        label="k-means random",
        summary="Each cluster gives its share of the rows, drawn at random within it.",
        family="diversity-first",
        function=kmeans_rules.kmeans_random,
        parameters=(options.QUOTAS,),
        needs_clusters=True,
        cost="O(n + k log k)",
        source="arXiv 2409.11378 (kM-random)",
    ),
    Rule(
        id="kmeans-closest",
        label="k-means closest",
        summary="Each cluster gives its share of the rows, those closest to its centroid.",
        family="diversity-first",
        function=kmeans_rules.kmeans_closest,
        parameters=(options.QUOTAS,),
        needs_features=True,
        needs_clusters=True,
        cost="O(n d + n log n)",
        source="arXiv 2409.11378 (kM-closest)",
    ),
    Rule(
        id="kmeans-median",
        label="k-means median",
        summary="Each cluster gives its share of the rows, those at a middling distance to its "
        "centroid.",
        family="diversity-first",
        function=kmeans_rules.kmeans_median,
        parameters=(options.QUOTAS,),
        needs_features=True,
        needs_clusters=True,
        cost="O(n d + n log n)",
        source="after arXiv 2409.11378, with the distance nearest to the cluster's median",
    ),
    Rule(
        id="kmq",
        label="k-means quality (kMQ)",
        summary="Each cluster gives its share of the rows; within it, better rows are more likely.",
        family="diversity-first",
        function=kmeans_rules.kmq,
        parameters=(options.QUOTAS, options.TEMPERATURE),
        needs_clusters=True,
        needs_quality=True,
        cost="O(n log n + k log k)",
        source="arXiv 2409.11378 (kMQ); drawn by systematic sampling",
    ),
    Rule(
        id="k-center",
        label="k-center",
        summary="Takes the row farthest from all that are chosen, again and again, so that none is "
        "far from a chosen one.",
        family="diversity-first",
        function=cover.k_center,
        needs_features=True,
        cost="O(n b d) for b rows",
        source="Gonzalez 1985; Sener & Savarese, arXiv 1708.00489 (greedy)",
    ),
    Rule(
        id="facility-location",
        label="Facility location",
        summary="Takes rows so that every row of the pool has a similar one among them.",
        family="diversity-first",
        function=cover.facility_location,
        expert=(options.EPSILON,),
        needs_features=True,
        cost="O(n² d log(1/ε)) at most, 1 GB beside the rows",
        source="lazy greedy (Minoux 1978); stochastic greedy, arXiv 1409.7938",
    ),
    Rule(
        id="deita",
        label="Deita",
        summary="Takes the best rows by a quality column, and none that is much like one taken "
        "before.",
        family="diversity-first",
        function=quality_rules.deita,
        parameters=(options.NEAR_COPY,),
        needs_features=True,
        needs_quality=True,
        cost="O(n b d) at most, for b rows",
        source="arXiv 2312.15685 (score-first, diversity-aware selection)",
    ),
    Rule(
        id="qdit",
        label="QDIT",
        summary="Takes rows that are good by a quality column and cover the pool, weighed against "
        "each other.",
        family="diversity-first",
        function=quality_rules.qdit,
        parameters=(options.QUALITY_WEIGHT,),
        expert=(options.EPSILON,),
        needs_features=True,
        needs_quality=True,
        cost="O(n² d log(1/ε)) at most, 1 GB beside the rows",
        source="arXiv 2311.14736, both terms scaled to [0, 1]",
    ),
    Rule(
        id="tsds-uniform",
        label="TSDS KNN-Uniform",
        summary="Takes rows near the target examples, spread evenly over each one's neighbours.",
        family="target-driven",
        function=tsds.knn_uniform,
        parameters=(options.DIVERSITY_WEIGHT, options.SCALE),
        expert=(options.MAX_NEIGHBORS,),
        needs_target=True,
        cost="O(M n d + M K log(M K))",
        source="arXiv 2410.11303 (KNN-Uniform)",
    ),
    Rule(
        id="tsds-kde",
        label="TSDS KNN-KDE",
        summary="Takes rows near the target examples, where near-duplicates share one row's "
        "chance.",
        family="target-driven",
        function=tsds.knn_kde,
        parameters=(options.DIVERSITY_WEIGHT, options.SCALE, options.DUPLICATE_COSINE),
        expert=(
            options.SIGMA,
            options.MAX_NEIGHBORS,
            options.DENSITY_NEIGHBORS,
            options.DENSITY_SCOPE,
        ),
        needs_target=True,
        cost="O(M n d + r u d) for r rows reached among u prefetched (or n), mostly far less",
        source="arXiv 2410.11303 (KNN-KDE)",
    ),
    Rule(
        id="round-robin",
        label="Round robin",
        summary="The target examples take turns, and each takes the row nearest to it that is "
        "still free.",
        family="target-driven",
        function=target_rules.round_robin,
        needs_target=True,
        cost="O(M n d + b), and as much again each time that a target runs out of neighbours",
        source="arXiv 2503.01807 (RDS+); arXiv 2602.14696 (greedy round robin)",
    ),
    Rule(
        id="doubly-greedy",
        label="Doubly greedy",
        summary="Takes the rows nearest to any target example, whichever it is.",
        family="target-driven",
        function=target_rules.doubly_greedy,
        needs_target=True,
        cost="O(M n d + n log n)",
        source="arXiv 2602.14696 (doubly greedy)",
    ),
    Rule(
        id="mean-similarity",
        label="Mean similarity",
        summary="Takes the rows that are most similar to the target examples on average.",
        family="target-driven",
        function=target_rules.mean_similarity,
        needs_target=True,
        cost="O(n d + n log n)",
        source="standard",
    ),
    Rule(
        id="uot",
        label="Unbalanced transport (UOT)",
        summary="Each target example sends its mass to near rows, and rows are drawn in "
        "proportion to what they receive.",
        family="target-driven",
        function=uot.uot,
        parameters=(options.ENTROPY, options.RELAXATION),
        expert=(options.MAX_NEIGHBORS,),
        needs_target=True,
        cost="O(M n d + M u) a step, for u rows prefetched; memory O(M u)",
        source="arXiv 2602.14696 (UOT); solved by sinkhorn_unbalanced of POT",
    ),
    Rule(
        id="target-kmeans",
        label="k-means by target",
        summary="Each cluster gives its share of the target examples; within it, the rows nearest "
        "to them.",
        family="target-driven",
        function=target_rules.target_kmeans,
        parameters=(options.WITHIN,),
        needs_target=True,
        needs_clusters=True,
        cost="O(n d + M k d + M r d) for r rows in the clusters of targets",
        source="standard",
    ),
)
RULES: dict[str, Rule] = {rule.id: rule for rule in _RULES}


def find_rule(name: str) -> Rule:
    """Return the rule of this id, or of this label in any case; InputError for an unknown one."""
    by_label = {rule.label.casefold(): rule for rule in _RULES}
    rule = RULES.get(name) or by_label.get(name.casefold())
    if rule is None:
        known = ", ".join(RULES)
        raise InputError(f"Unknown method {name!r}; use one of {known}.", option="method")
    return rule


def solve(
    rule_id: str, problem: Problem, *, progress: Progress = silent, **parameters: Any
) -> Selection:
    """Choose exactly `problem.budget` different rows, the pinned ones among them.

    Where the problem has constraints, `core.selection.constrained` says how they are obeyed.

    Parameters
    ----------
    rule_id : str
        A key of `RULES`.
    problem : Problem
    **parameters
        The rule's own; those that are not given have their defaults.

    Returns
    -------
    Selection
        The same for the same arguments.

    Raises
    ------
    InputError
        Unknown rule or parameter, a value out of its range, a budget that cannot be met, or
        something that the rule needs is missing or does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> solve("random", Problem(None, np.arange(10), budget=3, seed=1)).rows
    array([4, 7, 8])
    """
    rule = find_rule(rule_id)
    resolved = rule.resolve(parameters)
    _check(rule, problem)
    choose = partial(rule.function, progress=progress, **resolved)
    if problem.constraints is None:
        selection = choose(problem)
    else:
        selection = solve_constrained(problem, choose, progress=progress)
    rows = selection.rows
    # A broken promise here would only show in a trained model.
    if len(rows) != problem.budget or (np.diff(rows) <= 0).any():
        raise AssertionError(f"{rule_id} chose {len(rows)} rows, not {problem.budget} different.")
    return replace(selection, settings={**resolved, **selection.settings})


def _check(rule: Rule, problem: Problem) -> None:
    candidates, budget = problem.candidates, problem.budget
    if not len(candidates):
        raise InputError("No rows are left to choose from; undo a drop, or keep some rows.")
    if budget < 1:
        raise InputError(f"The budget must be at least 1 row, not {budget}.", option="budget")
    if budget > len(candidates):
        raise InputError(
            f"The budget of {budget:,} rows is more than the {len(candidates):,} that are kept; "
            "lower it or keep more rows.",
            option="budget",
        )
    if len(problem.pinned) > budget:
        raise InputError(
            f"{len(problem.pinned):,} rows are pinned, more than the budget of {budget:,}; "
            "unpin some of them or raise it.",
            option="budget",
        )
    if np.count_nonzero(problem.is_pinned) != len(problem.pinned):
        raise InputError("Some pinned rows are dropped, or pinned twice; unpin them.")
    check_seed(problem.seed)
    if rule.needs_clusters and problem.labels is None:
        raise InputError(f"{rule.label} needs clusters; run `cluster` first.")
    if rule.needs_strata and problem.strata is None:
        raise InputError(f"{rule.label} needs groups; give a column (--by COLUMN).", option="by")
    if rule.needs_features and problem.features is None:
        raise InputError(f"{rule.label} needs features; run `embed` first.")
    if problem.constraints is not None:
        _check_constraints(problem.constraints, problem)
    if rule.needs_target:
        _check_targets(rule, problem)


def _check_constraints(constraints: Constraints, problem: Problem) -> None:
    for option, cosine in (
        ("semdedup", constraints.semdedup),
        ("max_cosine", constraints.max_cosine),
    ):
        if cosine is not None and problem.features is None:
            wrong = "Near-duplicates are told by features; run `embed` first."
            raise InputError(wrong, option=option)
    if constraints.semdedup is not None and problem.labels is None:
        raise InputError("SemDeDup needs clusters; run `cluster` first.", option="semdedup")


def _check_targets(rule: Rule, problem: Problem) -> None:
    features, targets = problem.features, problem.targets
    if targets is None or not len(targets):
        raise InputError(f"{rule.label} needs target rows; give a target set.")
    if features is None:
        raise InputError(f"{rule.label} needs features; run `embed` first.")
    if features.shape[1] != targets.shape[1]:
        raise InputError(
            f"The target's vectors have {targets.shape[1]} dimensions and the pool's "
            f"{features.shape[1]}; encode both with the same encoder."
        )
    bad = ~np.isfinite(targets).all(axis=1)
    if bad.any():
        raise InputError(
            f"Target row {bad.argmax()} holds NaN or infinite values; encode it again."
        )
