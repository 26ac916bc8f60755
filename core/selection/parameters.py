"""The parameters of the rules: ranges, defaults, and what each does in a sentence or two."""

from dataclasses import replace

from core.selection.base import Parameter

DIVERSITY_WEIGHT = Parameter(
    "diversity_weight",
    "Diversity weight",
    "float",
    "auto",
    0.0,
    0.99,
    "λ = 1 − α. At 0 only the rows nearest to the targets are chosen; towards 1 the choice spreads "
    "over more of their neighbours. auto: the smallest with room for the budget, where "
    "near-duplicates share one place.",
    below=1.0,
    automatic=True,
)
SCALE = Parameter(
    "scale",
    "Scale of distances",
    "scale",
    "auto",
    help="C: the distance that weighs as much as one unit of diversity. auto: the mean distance "
    "from the targets to their neighbours.",
    automatic=True,
)
DUPLICATE_COSINE = Parameter(
    "duplicate_cosine",
    "Near-duplicate above cosine",
    "float",
    0.95,
    0.0,
    1.0,
    "Weighs: rows with a cosine above this share the chance of one, yet two of them may be chosen. "
    "1: only density 1, as Uniform.",
)
SIGMA = Parameter(
    "sigma",
    "Kernel width",
    "float",
    None,
    0.0,
    help="σ as an L2 distance, instead of the near-duplicate cosine c: σ² = 2 (1 − c) on unit "
    "vectors. 0: every density is 1.",
)
MAX_NEIGHBORS = Parameter(
    "max_neighbors",
    "Neighbours of a target",
    "int",
    5000,
    1,
    help="K: how many nearest rows of each target may be chosen at most.",
)
DENSITY_NEIGHBORS = Parameter(
    "density_neighbors",
    "Neighbours in a density",
    "int",
    0,
    0,
    help="How many nearest rows count in a row's density, itself among them. 0: all.",
)
DENSITY_SCOPE = Parameter(
    "density_scope",
    "Rows in a density",
    "choice",
    "prefetched",
    help="prefetched: the neighbours of the targets, as published. pool: all rows that are kept.",
    choices=("prefetched", "pool"),
)
QUOTAS = Parameter(
    "quotas",
    "Quota of a cluster",
    "choice",
    "proportional",
    help="proportional: by the number of its rows. equal: the same for all, as far as they have "
    "rows.",
    choices=("proportional", "equal"),
)
NEAR_COPY = replace(
    DUPLICATE_COSINE,
    default=0.9,
    help="A row with this cosine or more to one taken before is left out.",
)
EPSILON = Parameter(
    "epsilon",
    "Sampling error",
    "float",
    0.2,
    0.0,
    0.9,
    "ε: above 5,000 rows each choice looks at random rows, as many as lower the guarantee by ε at "
    "most. 0: at all rows, which is slow.",
)
QUALITY_WEIGHT = Parameter(
    "quality_weight",
    "Quality weight",
    "float",
    0.5,
    0.0,
    1.0,
    "α: 0 covers the pool alone, 1 takes the best rows alone.",
)
STRATUM_QUOTAS = replace(QUOTAS, label="Quota of a group")
TEMPERATURE = Parameter(
    "temperature",
    "Temperature",
    "float",
    0.0,
    0.0,
    10.0,
    "0: in proportion to quality itself. Above 0: to exp(quality / temperature), so that a lower "
    "temperature prefers the best more.",
)
ENTROPY = Parameter(
    "entropy",
    "Entropy",
    "float",
    0.02,
    0.01,
    1.0,
    "In units of the mean distance from the targets to their neighbours: a row that much farther "
    "gets a third of the mass. Small: only the nearest rows; large: also farther ones.",
)
RELAXATION = Parameter(
    "relaxation",
    "Relaxation",
    "float",
    0.01,
    0.0,
    1.0,
    "What it costs, in the same unit, that rows do not receive the same. 0: mass goes where it is "
    "nearest; large: it spreads evenly over the rows.",
)
WITHIN = Parameter(
    "within",
    "Within a cluster",
    "choice",
    "nearest",
    help="nearest: the rows nearest to a target. random: all alike.",
    choices=("nearest", "random"),
)
# Of every rule: see core.selection.constraints.
MAX_COSINE = Parameter(
    "max_cosine",
    "Near-duplicate cap",
    "float",
    None,
    0.0,
    1.0,
    "Forbids: no two chosen rows have a cosine above this, unless both are pinned. The rule's "
    "other rows take the places.",
)
SEMDEDUP = Parameter(
    "semdedup",
    "SemDeDup",
    "float",
    None,
    0.0,
    1.0,
    "Thins the pool before the rule: of rows of a cluster with a cosine above this, only the one "
    "farthest from the centroid can be chosen (arXiv 2303.09540).",
)
