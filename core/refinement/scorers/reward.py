"""A reward model's opinion of an answer, beside its opinion of what the round's model says.

s_i = R(x_i, gold_i) − R(x_i, generated_i)                               (arXiv 2409.11378)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.encoders.base import by_tokens
from core.errors import InputError
from core.progress import Progress
from core.records import Record
from core.refinement.base import RoundWork, Scores
from core.refinement.chat import encode
from core.refinement.generate import Said, brought, generations_of
from core.refinement.likelihood import batch_tokens, check_finite
from core.refinement.models import Model, opened


@dataclass(frozen=True)
class Reward:
    """Scores by a sequence-classification model with one output.

    `against` is "generated" for the difference above, or "nothing" for R(x, gold) alone.
    """

    model: str
    against: str
    max_tokens: int
    new_tokens: int
    device: str

    def score(self, work: RoundWork, model: Path | None, *, progress: Progress) -> Scores:
        """Score the rows; errors as in `Scorer`."""
        said = self._generated(work, model, progress) if self.against == "generated" else None
        notes = list(said.notes) if said else []
        with opened(self.model, self.device, kind="reward") as judge:
            _check_outputs(judge)
            gold = [record.answer or None for record in work.records]
            values = self._rewards(judge, work, gold, progress)
            if said is not None:
                values = values - self._rewards(
                    judge,
                    work,
                    [said.texts.get(row) or None for row in work.rows.tolist()],
                    progress,
                )
        missing = int(np.isnan(values).sum())
        if missing:
            notes.append(
                f"{missing:,} of {len(values):,} rows have no answer or no generated one, and no "
                "score."
            )
        return Scores(values, tuple(notes))

    def _rewards(
        self, judge: Model, work: RoundWork, answers: Sequence[str | None], progress: Progress
    ) -> NDArray[np.float64]:
        found = rewards(judge, work.records, answers, self.max_tokens, progress=progress)
        due = [bool(a and r.turns) for a, r in zip(answers, work.records, strict=True)]
        check_finite(found, due, work.rows)
        return found

    def _generated(self, work: RoundWork, model: Path | None, progress: Progress) -> Said:
        """What the model says to each row; it has left the memory before the judge is loaded."""
        limits = {"max_tokens": self.max_tokens, "new_tokens": self.new_tokens}
        folder = model or work.previous
        if folder is None:
            if not brought(work):
                raise InputError(
                    "There is no model whose answers could be compared; bring generations, choose "
                    "a trainer that leaves one, or compare with nothing.",
                    option="against",
                )
            return generations_of(work, None, **limits, progress=progress)
        with opened(folder, self.device) as network:
            return generations_of(work, network, **limits, progress=progress)


def rewards(
    judge: Model,
    records: Sequence[Record],
    answers: Sequence[str | None],
    max_tokens: int,
    *,
    progress: Progress,
) -> NDArray[np.float64]:
    """Reward of each answer; not a number where there is none. Shape (records,)."""
    import torch

    places = [at for at, answer in enumerate(answers) if answer and records[at].turns]
    examples = encode(
        judge.tokenizer,
        [records[at] for at in places],
        judge.limit(max_tokens),
        [answers[at] for at in places],
    ).rows
    found = np.full(len(records), np.nan)
    # Without a token of its own for it, padding cannot be told from an end.
    tokens = batch_tokens(judge) if _can_pad(judge) else 1
    lengths = [len(example) for example in examples]
    done = 0
    with torch.inference_mode():
        for batch in by_tokens(lengths, tokens, padded=True):
            ids = torch.full((len(batch), lengths[batch[0]]), judge.pad)
            mask = torch.zeros_like(ids)
            for at, place in enumerate(batch):
                example = examples[place]
                ids[at, : len(example)] = torch.tensor(example.prompt + example.answer)
                mask[at, : len(example)] = 1
            logits: Any = judge.network(
                input_ids=ids.to(judge.device), attention_mask=mask.to(judge.device)
            ).logits
            found[[places[i] for i in batch]] = logits[:, 0].double().cpu().numpy()
            done += len(batch)
            progress(done, len(places), "judging answers")
    return found


def _can_pad(judge: Model) -> bool:
    tokenizer = judge.tokenizer
    own = tokenizer.pad_token_id is not None and tokenizer.pad_token_id != tokenizer.eos_token_id
    if own:
        judge.network.config.pad_token_id = tokenizer.pad_token_id
    return own


def _check_outputs(judge: Model) -> None:
    outputs = int(judge.network.config.num_labels)
    if outputs != 1:
        raise InputError(
            f"{judge.name} gives {outputs} numbers for an answer and a reward model gives one; "
            "choose another model.",
            option="model",
        )
