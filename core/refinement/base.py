"""What trainers and scorers are given in a round of a refinement, and what they give back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import WinnowError
from core.pool import Pool
from core.progress import Progress
from core.records import Record


class WaitingError(WinnowError):
    """A round cannot go on until somebody brings something; the sentence says what, and to where.

    Not a failure: what was done of the round is kept.

    Attributes
    ----------
    file : what to work from, if anything was written for that.
    """

    def __init__(self, sentence: str, *, file: Path | None = None) -> None:
        super().__init__(sentence)
        self.file = file


@dataclass(frozen=True)
class RoundWork:
    """A round, as its trainer and its scorer see it.

    Attributes
    ----------
    number : from 1.
    pool : where the rows are, for what looks beyond the round (other rows of a cluster).
    rows : int64 ndarray of shape (n,), ascending; the rows that this round brought.
    records : the same rows in canonical form.
    labels : int32 ndarray of shape (n,); the cluster of each.
    folder : what is left here outlives a kill, and stays with the round; a trainer that finds its
        own unfinished work in it goes on from there.
    previous : model folder that the round before left; None in the first round, or without models.
    generations : what a model said to the prompt of a row, by row, where somebody brought it.
    seed : of this round.
    """

    number: int
    pool: Pool
    rows: NDArray[np.int64]
    records: Sequence[Record]
    labels: NDArray[np.int32]
    folder: Path
    previous: Path | None
    seed: int
    generations: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainReport:
    """What a trainer did.

    Attributes
    ----------
    model : folder that `core.refinement.models.load_model` opens; None where there is no model.
    losses : pairs of step, from 1, and mean training loss a token in nats since the pair before.
    notes : sentences on what was cut short or left out, if anything.
    """

    model: Path | None = None
    losses: tuple[tuple[int, float], ...] = ()
    notes: tuple[str, ...] = ()


class Trainer(Protocol):
    """Trains a model on the rows of a round."""

    def train(self, work: RoundWork, *, progress: Progress) -> TrainReport:
        """Train, and leave the model in the round's folder.

        The same work gives the same model on the same machine, also when an earlier try was
        killed.

        Raises
        ------
        InputError
            It cannot be done as asked; nothing is half-kept.
        WaitingError
            Somebody else trains.
        """
        ...


@dataclass(frozen=True)
class Scores:
    """What a scorer found.

    Attributes
    ----------
    values : float64 ndarray of shape (n,), finite; higher is better: the row taught more, or is
        better than what the model already says. Not a number where a row could not be scored.
    notes : sentences on rows that could not be scored, were cut short, and the like.
    """

    values: NDArray[np.float64]
    notes: tuple[str, ...] = ()


class Scorer(Protocol):
    """Scores the rows of a round, with the model that was trained on them or without one."""

    def score(self, work: RoundWork, model: Path | None, *, progress: Progress) -> Scores:
        """Score the rows.

        Parameters
        ----------
        model : folder of the round's model; None where the trainer leaves none.

        Raises
        ------
        InputError
            It cannot be done as asked; the round stays as it was and can be tried again.
        WaitingError
            Somebody else scores.
        """
        ...
