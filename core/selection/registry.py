"""The rules, and the one way to run them. Pages, command line and docs are made from this."""

from dataclasses import replace
from typing import Any

import numpy as np

from core.errors import InputError
from core.progress import Progress, silent
from core.selection import cover, kmeans_rules, quality_rules, target_rules, tsds, uot
from core.selection.base import Parameter, Problem, Rule, Selection
from core.values import check_seed

_DIVERSITY_WEIGHT = Parameter(
    "diversity_weight",
    "Diversity weight",
    "float",
    0.5,
    0.0,
    0.99,
    "λ = 1 − α. At 0 only the rows nearest to the targets are chosen; towards 1 the choice spreads "
    "over more of their neighbours.",
    below=1.0,
)
_SCALE = Parameter(
    "scale",
    "Scale of distances",
    "scale",
    "auto",
    help="C: the distance that weighs as much as one unit of diversity. auto: the mean distance "
    "from the targets to their neighbours.",
)
_DUPLICATE_COSINE = Parameter(
    "duplicate_cosine",
    "Near-duplicate above cosine",
    "float",
    0.95,
    0.0,
    1.0,
    "Rows with a cosine above this count as near-duplicates and share their mass. "
    "1: only density 1, as Uniform.",
)
_SIGMA = Parameter(
    "sigma",
    "Kernel width",
    "float",
    None,
    0.0,
    help="σ as an L2 distance, instead of the near-duplicate cosine c: σ² = 2 (1 − c) on unit "
    "vectors. 0: every density is 1.",
)
_MAX_NEIGHBORS = Parameter(
    "max_neighbors",
    "Neighbours of a target",
    "int",
    5000,
    1,
    help="K: how many nearest rows of each target may be chosen at most.",
)
_DENSITY_NEIGHBORS = Parameter(
    "density_neighbors",
    "Neighbours in a density",
    "int",
    0,
    0,
    help="How many nearest rows count in a row's density, itself among them. 0: all.",
)
_QUOTAS = Parameter(
    "quotas",
    "Quota of a cluster",
    "choice",
    "proportional",
    help="proportional: by the number of its rows. equal: the same for all, as far as they have "
    "rows.",
    choices=("proportional", "equal"),
)
_NEAR_COPY = replace(
    _DUPLICATE_COSINE,
    default=0.9,
    help="A row with this cosine or more to one taken before is left out.",
)
_EPSILON = Parameter(
    "epsilon",
    "Sampling error",
    "float",
    0.1,
    0.0,
    0.9,
    "ε: above 5,000 rows each choice looks at random rows, as many as lower the guarantee by ε at "
    "most. 0: at all rows, which is slow.",
)
_QUALITY_WEIGHT = Parameter(
    "quality_weight",
    "Quality weight",
    "float",
    0.5,
    0.0,
    1.0,
    "α: 0 covers the pool alone, 1 takes the best rows alone.",
)
_STRATUM_QUOTAS = replace(_QUOTAS, label="Quota of a group")
_TEMPERATURE = Parameter(
    "temperature",
    "Temperature",
    "float",
    0.0,
    0.0,
    10.0,
    "0: in proportion to quality itself. Above 0: to exp(quality / temperature), so that a lower "
    "temperature prefers the best more.",
)
_ENTROPY = Parameter(
    "entropy",
    "Entropy",
    "float",
    0.02,
    0.01,
    1.0,
    "In units of the mean distance from the targets to their neighbours: a row that much farther "
    "gets a third of the mass. Small: only the nearest rows; large: also farther ones.",
)
_RELAXATION = Parameter(
    "relaxation",
    "Relaxation",
    "float",
    0.01,
    0.0,
    1.0,
    "What it costs, in the same unit, that rows do not receive the same. 0: mass goes where it is "
    "nearest; large: it spreads evenly over the rows.",
)
_WITHIN = Parameter(
    "within",
    "Within a cluster",
    "choice",
    "nearest",
    help="nearest: the rows nearest to a target. random: all alike.",
    choices=("nearest", "random"),
)

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
        parameters=(_STRATUM_QUOTAS,),
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
        parameters=(_QUOTAS,),
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
        parameters=(_QUOTAS,),
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
        parameters=(_QUOTAS,),
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
        parameters=(_QUOTAS, _TEMPERATURE),
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
        expert=(_EPSILON,),
        needs_features=True,
        cost="O(n² d log(1/ε)) at most, 0.5 GB beside the rows",
        source="lazy greedy (Minoux 1978); stochastic greedy, arXiv 1409.7938",
    ),
    Rule(
        id="deita",
        label="Deita",
        summary="Takes the best rows by a quality column, and none that is much like one taken "
        "before.",
        family="diversity-first",
        function=quality_rules.deita,
        parameters=(_NEAR_COPY,),
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
        parameters=(_QUALITY_WEIGHT,),
        expert=(_EPSILON,),
        needs_features=True,
        needs_quality=True,
        cost="O(n² d log(1/ε)) at most, 0.5 GB beside the rows",
        source="arXiv 2311.14736, both terms scaled to [0, 1]",
    ),
    Rule(
        id="tsds-uniform",
        label="TSDS KNN-Uniform",
        summary="Takes rows near the target examples, spread evenly over each one's neighbours.",
        family="target-driven",
        function=tsds.knn_uniform,
        parameters=(_DIVERSITY_WEIGHT, _SCALE),
        expert=(_MAX_NEIGHBORS,),
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
        parameters=(_DIVERSITY_WEIGHT, _SCALE, _DUPLICATE_COSINE),
        expert=(_SIGMA, _MAX_NEIGHBORS, _DENSITY_NEIGHBORS),
        needs_target=True,
        cost="O(M n d + r u d) for r rows reached among u prefetched, mostly far less",
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
        parameters=(_ENTROPY, _RELAXATION),
        expert=(_MAX_NEIGHBORS,),
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
        parameters=(_WITHIN,),
        needs_target=True,
        needs_clusters=True,
        cost="O(n d + M k d + M r d) for r rows in the clusters of targets",
        source="standard",
    ),
)
RULES: dict[str, Rule] = {rule.id: rule for rule in _RULES}


def find_rule(rule_id: str) -> Rule:
    """Return a rule; InputError for an unknown one."""
    if rule_id not in RULES:
        known = ", ".join(RULES)
        raise InputError(f"Unknown method {rule_id!r}; use one of {known}.", option="method")
    return RULES[rule_id]


def solve(
    rule_id: str, problem: Problem, *, progress: Progress = silent, **parameters: Any
) -> Selection:
    """Choose exactly `problem.budget` different rows, the pinned ones among them.

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
    selection = rule.function(problem, progress=progress, **resolved)
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
    if rule.needs_target:
        _check_targets(rule, problem)


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
