"""The trainers and scorers, and all that a page or the command line says of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.refinement.base import Scorer, Trainer
from core.refinement.endpoint import Endpoint
from core.refinement.parameters import (
    BATCH_ROWS,
    DEVICE,
    EPOCHS,
    MAX_TOKENS,
    NEW_TOKENS,
    Text,
)
from core.refinement.scorers.coherence import coherence_scorer
from core.refinement.scorers.imported import ImportScorer
from core.refinement.scorers.judge import Judge
from core.refinement.scorers.perplexity import Perplexity
from core.refinement.scorers.reward import Reward
from core.refinement.scorers.soundness import soundness_scorer
from core.refinement.trainers.by_hand import ManualTrainer, NoTrainer
from core.refinement.trainers.command import Command
from core.refinement.trainers.lora import Lora
from core.refinement.trainers.proxy import Proxy
from core.selection.base import Parameter, resolve_options

Made = TypeVar("Made", Trainer, Scorer)
Options = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """What a refinement knows of its project.

    Attributes
    ----------
    labels : int32 ndarray of shape (pool rows,); the cluster of every row of the pool.
    folder : where artefacts are kept by fingerprint, for all refinements of the project.
    """

    labels: NDArray[np.int32]
    folder: Path


@dataclass(frozen=True)
class Kind(Generic[Made]):
    """A trainer or a scorer and how it describes itself.

    Attributes
    ----------
    id, label, sentence : the name in commands, the name for people, and what it does.
    parameters : what everyone can set.
    needs : "answers" (rows without one are not scored), "clusters", "model" (one that the trainer
        leaves), "network" (a model that a person names).
    make : ``make(options, place)``, with options that `resolve` gave.
    source : the paper and the equation, or "standard".
    """

    id: str
    label: str
    sentence: str
    parameters: tuple[Parameter | Text, ...]
    needs: tuple[str, ...]
    make: Callable[[Options, Place], Made]
    source: str

    @property
    def reaches_beyond(self) -> bool:
        """Whether a person names a command, a model or an address, which no project holds."""
        texts = (one for one in self.parameters if isinstance(one, Text))
        return any(text.kind in ("command", "model", "url") for text in texts)

    def resolve(self, given: Options) -> dict[str, Any]:
        """Check the given options and complete them with the defaults.

        Raises
        ------
        InputError
            An option that this has not, or a value that it cannot take.
        """
        return resolve_options(self.label, self.parameters, given)


_NONE = Kind[Trainer](
    id="none",
    label="No training",
    sentence="Trains nothing: for scores that need no model.",
    parameters=(),
    needs=(),
    make=lambda options, place: NoTrainer(),
    source="standard",
)
_PROXY = Kind[Trainer](
    id="proxy",
    label="Small model from scratch",
    sentence="Trains a small transformer from nothing on the rounds' answers: needs no weights, "
    "and a minute a round for 500 rows on two cores.",
    parameters=(
        replace(EPOCHS, default=2),
        Parameter("learning_rate", "Learning rate", "float", 1e-3, 1e-6, 0.1),
        BATCH_ROWS,
        replace(MAX_TOKENS, default=256, high=4096),
        Parameter("width", "Width", "int", 256, 64, 2048, help="Of a layer; a multiple of 64."),
        Parameter("layers", "Layers", "int", 4, 1, 48),
        Parameter(
            "vocabulary",
            "Vocabulary",
            "int",
            4096,
            300,
            65_536,
            help="Most tokens that are learnt from the pool.",
        ),
        DEVICE,
    ),
    needs=(),
    make=lambda options, place: Proxy(**options),
    source="Llama's architecture (arXiv 2302.13971), byte-level BPE",
)
_LORA = Kind[Trainer](
    id="lora",
    label="LoRA adapter",
    sentence="Trains a low-rank adapter on any causal language model, of a folder or the hub.",
    parameters=(
        Text("model", "Model", kind="model", help="A full causal language model."),
        replace(EPOCHS, default=1),
        Parameter("learning_rate", "Learning rate", "float", 2e-4, 1e-7, 0.1),
        replace(BATCH_ROWS, default=16),
        MAX_TOKENS,
        Parameter("rank", "Rank", "int", 16, 1, 1024, help="Of the adapter's matrices."),
        Parameter("alpha", "Alpha", "float", 32.0, 0.1, 4096.0, help="Scale, over the rank."),
        Parameter("dropout", "Dropout", "float", 0.0, 0.0, 0.9),
        DEVICE,
    ),
    needs=("network",),
    make=lambda options, place: Lora(**options),
    source="arXiv 2106.09685",
)
_COMMAND = Kind[Trainer](
    id="command",
    label="Command",
    sentence="Runs a command line of yours with the round's file, a folder to write to and the "
    "seed; its exit code counts.",
    parameters=(
        Text(
            "command",
            "Command",
            kind="command",
            help="{data}, {out} and {seed} stand for the round's file, the folder and the seed.",
        ),
        Parameter(
            "seconds",
            "Time limit in seconds",
            "float",
            86_400.0,
            1.0,
            2_592_000.0,
            help="A command that runs longer is stopped, and all that it started.",
        ),
    ),
    needs=(),
    make=lambda options, place: Command(options["command"], options["seconds"]),
    source="standard",
)
_MANUAL = Kind[Trainer](
    id="manual",
    label="By hand",
    sentence="Writes each round's rows and waits for scores, or for the generations of a model "
    "that you trained elsewhere.",
    parameters=(),
    needs=(),
    make=lambda options, place: ManualTrainer(),
    source="standard",
)
_SOUNDNESS = Kind[Scorer](
    id="soundness",
    label="Soundness",
    sentence="How little a row looks like one whose answer was mixed up, cut short, garbled or "
    "only says the instruction again; learnt from spoiled copies of the pool's own rows. Needs no "
    "model.",
    parameters=(),
    needs=("answers",),
    make=lambda options, place: soundness_scorer(place.folder),
    source="noise-contrastive estimation (Gutmann & Hyvärinen 2010) on four numbers of a row",
)
_COHERENCE = Kind[Scorer](
    id="coherence",
    label="Coherence",
    sentence="How much better an answer fits its own instruction than the other instructions of "
    "its cluster: finds answers that were mixed up. Needs no model.",
    parameters=(),
    needs=("answers", "clusters"),
    make=lambda options, place: coherence_scorer(place.labels, place.folder),
    source="cos(x_i, y_i) − mean over j≠i of the cluster of cos(x_j, y_i)",
)
_PERPLEXITY = Kind[Scorer](
    id="perplexity",
    label="Perplexity",
    sentence="How hard the round's model finds an answer: high where it has still to learn, and as "
    "high where nobody could, as in garbled text.",
    parameters=(
        Parameter(
            "measure",
            "Measure",
            "choice",
            "ratio",
            choices=("ratio", "loss", "loss-reduction"),
            help="ratio: against what the model says itself; loss: of the answer alone; "
            "loss-reduction: against the model before the round.",
        ),
        MAX_TOKENS,
        NEW_TOKENS,
        DEVICE,
    ),
    needs=("answers", "model"),
    make=lambda options, place: Perplexity(**options),
    source="arXiv 2409.11378: −log(PPL(generated)/PPL(gold))",
)
_AGAINST = Parameter(
    "against",
    "Compared with",
    "choice",
    "generated",
    choices=("generated", "nothing"),
    help="What the answer is compared with: what the round's model says, or nothing.",
)
_REWARD = Kind[Scorer](
    id="reward",
    label="Reward model",
    sentence="How much better a reward model finds an answer than what the round's model says.",
    parameters=(
        Text("model", "Reward model", kind="model", help="A classifier with one output."),
        _AGAINST,
        MAX_TOKENS,
        NEW_TOKENS,
        DEVICE,
    ),
    needs=("answers", "network"),
    make=lambda options, place: Reward(**options),
    source="arXiv 2409.11378: R(x, gold) − R(x, generated)",
)
_JUDGE = Kind[Scorer](
    id="judge",
    label="Judge",
    sentence="A large model behind an OpenAI-compatible address rates each answer from 1 to 10; "
    "the texts of the round are sent there.",
    parameters=(
        Text(
            "url",
            "Address",
            kind="url",
            help="What comes before /chat/completions, such as https://host/v1.",
        ),
        Text("model", "Model", help="As the endpoint calls it."),
        Text(
            "key_variable",
            "Variable with the key",
            "OPENAI_API_KEY",
            help="Name of an environment variable, or none; the key itself is never stored.",
        ),
        replace(_AGAINST, default="nothing"),
        Parameter(
            "most_calls",
            "Most calls",
            "int",
            2_000,
            1,
            10_000_000,
            help="Of a round; it does not start where more would be needed.",
        ),
        Parameter(
            "most_tokens",
            "Most tokens",
            "int",
            2_000_000,
            1,
            10_000_000_000,
            help="Of a round, sent and received, by estimate.",
        ),
        Parameter(
            "most_failed",
            "Most failures",
            "float",
            0.1,
            0.0,
            1.0,
            help="The share of ratings that may fail before it stops.",
        ),
        Parameter("parallel", "Questions at a time", "int", 4, 1, 64),
        Parameter("seconds", "Seconds for an answer", "float", 60.0, 0.1, 3600.0),
        MAX_TOKENS,
        NEW_TOKENS,
        DEVICE,
    ),
    needs=("answers",),
    make=lambda options, place: _judge(options),
    source="arXiv 2409.11378 (rating by a large model), in our words",
)

_IMPORT = Kind[Scorer](
    id="import",
    label="From a file",
    sentence="Takes scores by row that the trainer's command left, or waits for a file of them.",
    parameters=(),
    needs=(),
    make=lambda options, place: ImportScorer(),
    source="standard",
)

TRAINERS: dict[str, Kind[Trainer]] = {
    kind.id: kind for kind in (_NONE, _PROXY, _LORA, _COMMAND, _MANUAL)
}
SCORERS: dict[str, Kind[Scorer]] = {
    kind.id: kind for kind in (_SOUNDNESS, _COHERENCE, _PERPLEXITY, _REWARD, _JUDGE, _IMPORT)
}
DEFAULT_SCORER = "soundness"
# Where others can open the server these are its owner's alone: they run commands, send what the
# server knows, or load a model from any of its folders or from the hub.
_TRAINERS_BEYOND = {kind.id for kind in TRAINERS.values() if kind.reaches_beyond}
_SCORERS_BEYOND = {kind.id for kind in SCORERS.values() if kind.reaches_beyond}
PRIVATE = frozenset(_TRAINERS_BEYOND | _SCORERS_BEYOND)
OF_ALL_ROWS = ("soundness", "coherence")  # scorers that know every row's score without a round


def default_trainer(scorer: str) -> str:
    """The trainer of those who name none: one that needs no weights, where a model is needed."""
    return "proxy" if {"model", "network"} & {*find_scorer(scorer).needs} else "none"


def _judge(options: Options) -> Scorer:
    rest = dict(options)
    key = rest.pop("key_variable")
    endpoint = Endpoint(
        rest.pop("url"), rest.pop("model"), "" if key == "none" else key, rest.pop("seconds")
    )
    endpoint.check()
    return Judge(endpoint, **rest)


def find_trainer(name: str) -> Kind[Trainer]:
    """Return a trainer by its id; InputError where there is none."""
    return _find(TRAINERS, name, "trainer")


def find_scorer(name: str) -> Kind[Scorer]:
    """Return a scorer by its id; InputError where there is none."""
    return _find(SCORERS, name, "scorer")


def _find(kinds: dict[str, Kind[Made]], name: str, what: str) -> Kind[Made]:
    if name not in kinds:
        raise InputError(
            f"There is no {what} {name!r}; use one of {', '.join(kinds)}.", option=what
        )
    return kinds[name]
