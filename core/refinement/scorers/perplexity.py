"""How hard the round's model finds an answer, beside what it would say itself.

- ``ratio`` (arXiv 2409.11378): −log(PPL(generated)/PPL(gold)) = loss(gold) − loss(generated).
- ``loss``: loss(gold), the mean loss a token in nats, so that PPL = exp(loss).
- ``loss-reduction``: loss(gold) under the model before the round − under the model after it.

The first two are high where the model has still to learn, and as high where nobody could: an answer
that is garbled is the hardest of all. The third is high only where training helped.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.progress import Progress
from core.records import Record
from core.refinement.base import RoundWork, Scores
from core.refinement.chat import Examples, encode
from core.refinement.generate import generations_of
from core.refinement.likelihood import answer_losses, check_finite
from core.refinement.models import ADAPTER, Model, base_of, opened


@dataclass(frozen=True)
class Perplexity:
    """Scores by the losses of a causal model; see the module for the measures."""

    measure: str
    max_tokens: int
    new_tokens: int
    device: str

    def score(self, work: RoundWork, model: Path | None, *, progress: Progress) -> Scores:
        """Score the rows with the round's model, else with the one before; errors as `Scorer`."""
        folder = model or work.previous
        if folder is None:
            raise InputError(
                "Perplexity needs a model and the trainer leaves none; choose another trainer or "
                "scorer.",
                option="scorer",
            )
        with opened(folder, self.device) as network:
            gold = self._examples(network, work.records, None)
            notes = list(gold.notes(network.limit(self.max_tokens)))
            losses = _losses(network, gold, work, progress)
            if self.measure == "ratio":
                said, more = self._generated(network, work, progress)
                losses, notes = losses - said, notes + more
        if self.measure == "loss-reduction":
            losses = self._before(work, folder, progress) - losses
        missing = int(np.isnan(losses).sum())
        if missing:
            notes.append(f"{missing:,} of {len(losses):,} rows have no answer, and no score.")
        return Scores(losses, tuple(notes))

    def _examples(
        self, model: Model, records: Sequence[Record], answers: Sequence[str | None] | None
    ) -> Examples:
        return encode(model.tokenizer, records, model.limit(self.max_tokens), answers)

    def _generated(
        self, model: Model, work: RoundWork, progress: Progress
    ) -> tuple[NDArray[np.float64], list[str]]:
        """Losses of what the model says; not a number where it says nothing."""
        said = generations_of(
            work,
            model,
            max_tokens=self.max_tokens,
            new_tokens=self.new_tokens,
            progress=progress,
        )
        answers = [said.texts.get(row) for row in work.rows.tolist()]
        asked = [record.turns != () for record in work.records]
        found = _losses(model, self._examples(model, work.records, answers), work, progress)
        silent = [not answer for answer in answers]
        found[silent] = np.nan
        # Saying nothing at all is certain to the end mark.
        count = int(np.sum(np.array(silent) & np.array(asked)))
        notes = list(said.notes)
        if count:
            notes.append(f"The model says nothing to {count:,} rows; they have no score.")
        return found, notes

    def _before(
        self, work: RoundWork, folder: Path, progress: Progress
    ) -> NDArray[np.float64] | float:
        """Losses under the model before the round: the last one, or the one below an adapter.

        Before the first round of a model from scratch every token is as likely as another.
        """
        with ExitStack() as stack:
            if work.previous is not None and work.previous != folder:
                before = stack.enter_context(opened(work.previous, self.device))
            elif (folder / ADAPTER).is_file():
                before = stack.enter_context(opened(base_of(folder), self.device))
            else:
                model = stack.enter_context(opened(folder, self.device))
                return float(np.log(model.vocabulary))
            return _losses(before, self._examples(before, work.records, None), work, progress)


def _losses(
    model: Model, examples: Examples, work: RoundWork, progress: Progress
) -> NDArray[np.float64]:
    losses = answer_losses(model, examples.rows, progress=progress)
    # The very first token of a row follows nothing, and counts nowhere.
    due = [len(row.answer) > (not row.prompt) for row in examples.rows]
    check_finite(losses, due, work.rows)
    return losses
