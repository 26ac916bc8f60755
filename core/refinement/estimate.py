"""What a refinement will take, said before it starts; only where it was measured."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.pool import Pool
from core.refinement.registry import find_trainer
from core.refinement.scorers.judge import Asked, expected
from core.told import counted

# Measured on two cores, see benchmarks/README.md: rows of a pool that are scored in a second
# without a model, and rows that the small model of the default size is trained on in a second.
_POOL_RATES = {"soundness": 2_000.0, "coherence": 2_000.0}
_PROXY_RATE = 10.0
_SIZE = ("width", "layers", "vocabulary", "max_tokens")  # of the small model
_PEOPLE = "How long a round waits is up to you."
_OF_THE_MODEL = "How long {} takes is not known: it depends on the model and the device."
_TRAINING = {
    "proxy": "How long training takes is not known: only the small model of the usual size was "
    "measured.",
    "command": "How long training takes is not known: it depends on the command.",
}
_JUDGING = "How long scoring takes is not known: it depends on the address that is asked."


@dataclass(frozen=True)
class Estimate:
    """What a refinement will take.

    Attributes
    ----------
    rows : of a round; the first ones may have one more.
    once : seconds for what is done once for a pool and its clusters; None where that is unknown.
    a_round : seconds of training and scoring in a round; None where that is unknown.
    training : seconds of training alone in a round; None where that is unknown.
    unknown : sentences on what is not known of the time, and why.
    asked : calls and tokens of a judge in a round; None without one.
    allowed : calls that the judge may make in a round.
    """

    rows: int
    once: float | None
    a_round: float | None
    training: float | None = None
    unknown: tuple[str, ...] = ()
    asked: Asked | None = None
    allowed: int = 0


def estimate(
    pool: Pool,
    *,
    budget: int,
    rounds: int,
    trainer: str,
    trainer_options: Mapping[str, Any],
    scorer: str,
    scorer_options: Mapping[str, Any],
) -> Estimate:
    """Estimate what a refinement will take; options are those of `core.refinement.loop.start`.

    Parameters
    ----------
    trainer_options, scorer_options : complete, as `Kind.resolve` gives them.
    """
    rows = max(1, budget // max(1, rounds))
    once = pool.rows / _POOL_RATES[scorer] if scorer in _POOL_RATES else 0.0
    training = _training(trainer, trainer_options, rows)
    unknown = []
    if trainer == "manual" or (scorer == "import" and trainer != "command"):
        unknown.append(_PEOPLE)
    if training is None and trainer != "manual":
        unknown.append(_TRAINING.get(trainer, _OF_THE_MODEL.format("training")))
    if scorer not in _POOL_RATES and scorer != "import":
        unknown.append(_scoring(scorer, scorer_options, rows))
    found = Estimate(rows, once, None if unknown else training, training, tuple(unknown))
    if scorer == "judge":
        asked = expected(rows, float(pool.lengths().mean()), str(scorer_options["against"]))
        return replace(found, asked=asked, allowed=int(scorer_options["most_calls"]))
    return found


def _scoring(scorer: str, options: Mapping[str, Any], rows: int) -> str:
    """Why the time of scoring is not known, and what takes most of it."""
    said = _JUDGING if scorer == "judge" else _OF_THE_MODEL.format("scoring")
    if options.get("measure") != "ratio" and options.get("against") != "generated":
        return said
    most = f"up to {int(options['new_tokens']):,} tokens to each of {counted(rows)}"
    return f"{said} The model first writes {most}, which takes longest."


def _training(trainer: str, options: Mapping[str, Any], rows: int) -> float | None:
    """Seconds of training in a round, where that is known."""
    if trainer == "none":
        return 0.0
    usual = find_trainer("proxy").resolve({})
    if trainer == "proxy" and all(options[name] == usual[name] for name in _SIZE):
        return rows * int(options["epochs"]) / _PROXY_RATE
    return None
