"""How likely a model finds answers: batches of similar length, the loss on the answer alone."""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.encoders.base import by_tokens
from core.errors import InputError
from core.progress import Progress
from core.refinement.chat import Example
from core.refinement.models import Model

# A batch: as many tokens as keep the device busy, and whose logits fit beside the model. A CPU is
# busy with few, and few of like length need less padding.
_TOKENS = {"cpu": 512, "cuda": 32_768}
_LOGITS_BYTES = {"cpu": 256 << 20, "cuda": 2 << 30}


@dataclass(frozen=True)
class Batch:
    """Some examples as tensors, right-padded.

    Attributes
    ----------
    places : which examples.
    ids, counted : tensors of shape (examples, longest); `counted` marks the answers. What fills a
        row up comes last, where no token before it can look: no mask is needed.
    first : position before which nothing is counted in any of them.
    """

    places: list[int]
    ids: Any
    counted: Any
    first: int


def batches(model: Model, examples: Sequence[Example]) -> Iterator[Batch]:
    """Share examples out to batches of similar length, the longest first."""
    import torch

    lengths = [len(example) for example in examples]
    for places in by_tokens(lengths, batch_tokens(model), padded=True):
        longest = max(1, lengths[places[0]])
        ids = torch.full((len(places), longest), model.pad)
        counted = torch.zeros_like(ids, dtype=torch.bool)
        for at, place in enumerate(places):
            example = examples[place]
            ids[at, : len(example)] = torch.tensor(example.prompt + example.answer)
            counted[at, len(example.prompt) : len(example)] = True
        first = min(len(examples[place].prompt) for place in places)
        yield Batch(places, ids.to(model.device), counted.to(model.device), first)


def batch_tokens(model: Model) -> int:
    """Most tokens of a batch, padding included."""
    by_logits = _LOGITS_BYTES[model.device] // (4 * max(1, model.vocabulary))
    return max(1, min(_TOKENS[model.device], by_logits))


def precision(device: str) -> AbstractContextManager[Any]:
    """Bfloat16 for the products on CUDA, float32 on a CPU."""
    import torch

    return torch.autocast("cuda", torch.bfloat16) if device == "cuda" else nullcontext()


def row_losses(model: Model, batch: Batch) -> tuple[Any, Any]:
    """Return the summed loss of each row's answer in nats, and its tokens; gradients flow."""
    import torch

    # The first token follows nothing; a token is told by the logits of the one before it.
    first = max(1, batch.first)
    kept = batch.ids.shape[1] - first + 1
    with precision(model.device):
        logits = model.network(
            input_ids=batch.ids, use_cache=False, **_last_logits(model, kept)
        ).logits[:, -kept:-1]
    counted = batch.counted[:, first:]
    found = torch.nn.functional.cross_entropy(
        logits[counted].float(), batch.ids[:, first:][counted], reduction="none"
    )
    tokens = counted.sum(dim=1)
    losses = torch.zeros(len(tokens), device=found.device).index_add(
        0, torch.arange(len(tokens), device=found.device).repeat_interleave(tokens), found
    )
    return losses, tokens


def _last_logits(model: Model, kept: int) -> dict[str, int]:
    """Ask for the logits of the last positions only, of a network that can be asked."""
    network = model.network.get_base_model() if model.base else model.network
    asked = "logits_to_keep" in inspect.signature(network.forward).parameters
    return {"logits_to_keep": kept} if asked else {}


def answer_losses(
    model: Model, examples: Sequence[Example], *, progress: Progress, what: str = "reading answers"
) -> NDArray[np.float64]:
    """Mean loss a token of each answer.

    loss(y | x) = −(1/|y|) Σ_t log p(y_t | x, y_<t), so that exp(loss) is the perplexity.

    Returns
    -------
    float64 ndarray of shape (examples,), in nats; not a number where there is no answer.
    """
    import torch

    found = np.full(len(examples), np.nan)
    done = 0
    with torch.inference_mode():
        for batch in batches(model, examples):
            losses, tokens = row_losses(model, batch)
            with np.errstate(invalid="ignore"):
                found[batch.places] = losses.double().cpu().numpy() / tokens.cpu().numpy()
            done += len(batch.places)
            progress(done, len(examples), what)
    return found


def check_finite(values: NDArray[np.float64], due: Any, rows: NDArray[np.int64]) -> None:
    """Look for what a model with broken weights gives instead of a number.

    Parameters
    ----------
    values : of shape (n,); what a model gave for some rows.
    due : booleans of shape (n,); where there was something to give a number for.
    rows : of shape (n,); their numbers in the pool.

    Raises
    ------
    InputError
        A value that is due is not finite; says for which row.
    """
    broken = np.flatnonzero(np.asarray(due, bool) & ~np.isfinite(values))
    if len(broken):
        raise InputError(
            f"The model gives no number for row {rows[broken[0]]} ({len(broken):,} of "
            f"{len(values):,} rows); its weights are broken or diverged: choose another, or train "
            "with a lower learning rate."
        )
