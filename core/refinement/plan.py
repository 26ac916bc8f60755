"""The plan of a refinement: what is fixed when it starts."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from core.refinement.draw import WITHIN
from core.refinement.weights import UPDATES, Update
from core.selection.base import Parameter
from core.selection.parameters import QUOTAS, TEMPERATURE

_DEFAULT = Update()
AUTO = "auto"
# Of kMQ by the scores themselves, in their standard deviations. On pools with spoiled sources lower
# ones keep out little more, and leave more of a cluster to its best rows (benchmarks/README.md).
OWN_TEMPERATURE = 0.5
ROUNDS = Parameter(
    "rounds", "Rounds", "int", 3, 1, 99, "The budget is drawn in as many rounds, about alike."
)
WITHIN_CLUSTER = Parameter(
    "within",
    "Within a cluster",
    "choice",
    AUTO,
    help="random: all alike. closest: nearest to the middle of the rows not drawn yet. "
    "kmq: in proportion to quality. auto: kmq by the quality that is named, or by the scores "
    "themselves where those of all rows are known (soundness, coherence); else random.",
    choices=(AUTO, *WITHIN),
)
OF_QUALITY = replace(
    TEMPERATURE,
    help=f"{TEMPERATURE.help} Scores, at times below 0, take {OWN_TEMPERATURE:g} for 0.",
)
UPDATE = Parameter(
    "update",
    "Update of the weights",
    "choice",
    _DEFAULT.rule,
    help="exponential: a factor for each standard deviation that a cluster's score is above the "
    "others'. paper: in proportion to the score, which must not be below 0. ucb: also prefers "
    "clusters that were scored little.",
    choices=UPDATES,
)
ETA = Parameter(
    "eta",
    "Speed of the weights",
    "float",
    _DEFAULT.eta,
    0.0,
    10.0,
    "η: one standard deviation of score makes a weight exp(η) times as large. The paper's update "
    "has none.",
)
EXPLORATION = Parameter(
    "exploration",
    "Exploration",
    "float",
    _DEFAULT.exploration,
    0.0,
    10.0,
    "c of ucb: what few scores count for, in standard deviations.",
)
SHRINK = Parameter(
    "shrink",
    "Rows against chance",
    "scale",
    _DEFAULT.shrink,
    help="A cluster with this many scored rows is taken to stand half-way between all rows' mean "
    "and its own. auto: as many as the spread within clusters and between them says, so that "
    "scores that are chance move nothing.",
    automatic=True,
)
FLOOR = Parameter(
    "floor",
    "Floor",
    "float",
    _DEFAULT.floor,
    0.0,
    1.0,
    "No score brings a cluster's weight below this share of what each would have if all were "
    "alike.",
)
PARAMETERS = (
    ROUNDS,
    WITHIN_CLUSTER,
    QUOTAS,
    OF_QUALITY,
    UPDATE,
    ETA,
    EXPLORATION,
    SHRINK,
    FLOOR,
)


@dataclass(frozen=True)
class Plan:
    """What a refinement was started with; all else follows from it, the decisions and the scores.

    Attributes
    ----------
    budget, ratio : rows in all, and the share of the pool that they were asked for as, if so.
    rounds, within, quotas, temperature, update, eta, exploration, shrink, floor : see `PARAMETERS`;
        the quotas are those of the first weights, and what "auto" came to stands in its place.
    quality : column, heuristic or scores (`core.refinement.own_scores`) of kMQ; None with a file
        of scores and where it is not used.
    quality_file : path and SHA-256 of such a file, else None.
    trainer, trainer_options, scorer, scorer_options : see `core.refinement.registry`.
    pool, features, clusters : fingerprints of what it was started on, and stays on.
    """

    name: str
    budget: int
    ratio: float | None
    rounds: int
    within: str
    quotas: str
    temperature: float
    quality: str | None
    quality_file: dict[str, Any] | None
    trainer: str
    trainer_options: dict[str, Any]
    scorer: str
    scorer_options: dict[str, Any]
    update: str
    eta: float
    exploration: float
    shrink: float | Literal["auto"]
    floor: float
    seed: int
    pool: str
    features: str
    clusters: str

    @property
    def rule(self) -> Update:
        """How its weights follow scores."""
        return Update(self.update, self.eta, self.exploration, self.shrink, self.floor)

    @property
    def settings(self) -> dict[str, Any]:
        """What a person chose, for reports and recipes."""
        own = {"name", "budget", "ratio", "seed", "quality", "quality_file"}
        own |= {"pool", "features", "clusters"}
        return {key: value for key, value in asdict(self).items() if key not in own}

    @classmethod
    def read(cls, stored: dict[str, Any]) -> "Plan":
        """A plan from its JSON; KeyError where a part is missing."""
        return cls(**{field.name: stored[field.name] for field in fields(cls)})
