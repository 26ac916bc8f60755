"""Quality by a given model: how much an instruction helps, and the scores of DEITA's models."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.encoders.base import by_tokens
from core.progress import Progress
from core.records import Record
from core.refinement.chat import Example, encode
from core.refinement.likelihood import answer_losses, batch_tokens, check_finite
from core.refinement.models import Model

Measure = Callable[..., NDArray[np.float64]]

# How hkust-nlp/deita-complexity-scorer and deita-quality-scorer are asked: they know no other form.
_COMPLEXITY = (
    "You are a helpful assistant. Please identify the complexity score of the following user "
    "query. \n##Query: {prompt}  \n##Complexity: "
)
_QUALITY = (
    "You are a helpful assistant. Please identify the quality score of the Response corresponding "
    "to the Question. \n #Question#:\n{prompt}\n#Response#:\n{answer} \n##Quality: "
)
_MARKS = tuple("123456")


def difficulty(
    model: Model,
    records: Sequence[Record],
    max_tokens: int,
    *,
    rows: NDArray[np.int64],
    progress: Progress,
) -> NDArray[np.float64]:
    """Instruction-following difficulty (IFD, arXiv 2308.12032).

    IFD(x, y) = loss(y | x) / loss(y): near 1 where the instruction hardly helps to find the answer.
    Above 1 it misleads; the paper leaves such rows out, and they get 0 here. The answer's first
    token, which nothing but the instruction or the beginning of text precedes, counts in neither.

    Parameters
    ----------
    rows : int64 ndarray of shape (records,); their numbers in the pool.

    Returns
    -------
    float64 ndarray of shape (records,), in [0, 1]; not a number where there is no answer.

    Raises
    ------
    InputError
        The model gives no number where there is an answer: it diverged, or is damaged.
    """
    given, alone = [], []
    bos = model.tokenizer.bos_token_id
    for example in encode(model.tokenizer, records, model.limit(max_tokens)).rows:
        first, rest = example.answer[:1], example.answer[1:]
        usable = rest if example.prompt else []
        given.append(Example(example.prompt + first, usable))
        alone.append(Example(([] if bos is None else [bos]) + first, usable))
    helped, unhelped = (answer_losses(model, one, progress=progress) for one in (given, alone))
    for losses in (helped, unhelped):
        check_finite(losses, [bool(example.answer) for example in given], rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = helped / unhelped
    found[[record.format == "text" for record in records]] = np.nan
    found[found > 1] = 0.0
    return found


def complexity(
    model: Model,
    records: Sequence[Record],
    max_tokens: int,
    *,
    rows: NDArray[np.int64],
    progress: Progress,
) -> NDArray[np.float64]:
    """Complexity of the prompts by DEITA's scorer (arXiv 2312.15685).

    c = Σ_k k·p(k), with p the softmax over the model's logits of the tokens 1 … 6.

    Returns
    -------
    float64 ndarray of shape (records,), in [1, 6]; not a number where there is no prompt.

    Raises
    ------
    InputError
        As `difficulty`.
    """
    return _marks(model, records, _COMPLEXITY, max_tokens, rows, progress)


def answer_quality(
    model: Model,
    records: Sequence[Record],
    max_tokens: int,
    *,
    rows: NDArray[np.int64],
    progress: Progress,
) -> NDArray[np.float64]:
    """Quality of the answers by DEITA's scorer, as `complexity`; in [1, 6]."""
    return _marks(model, records, _QUALITY, max_tokens, rows, progress)


MEASURES: dict[str, Measure] = {
    "ifd": difficulty,
    "deita-complexity": complexity,
    "deita-quality": answer_quality,
}


def _marks(
    model: Model,
    records: Sequence[Record],
    template: str,
    max_tokens: int,
    of_pool: NDArray[np.int64],
    progress: Progress,
) -> NDArray[np.float64]:
    """Expected mark of each record; texts that are too long lose their end."""
    import torch

    tokenizer = model.tokenizer
    marks = [tokenizer(mark, add_special_tokens=False)["input_ids"][-1] for mark in _MARKS]
    needs_answer = "{answer}" in template
    places = [
        at for at, one in enumerate(records) if one.turns and (one.answer or not needs_answer)
    ]
    rows = [_asked(tokenizer, records[at], template, model.limit(max_tokens)) for at in places]
    found = np.full(len(records), np.nan)
    lengths = [len(row) for row in rows]
    steps = torch.arange(1.0, len(_MARKS) + 1, dtype=torch.float64)
    done = 0
    with torch.inference_mode():
        for batch in by_tokens(lengths, batch_tokens(model), padded=True):
            ids = torch.full((len(batch), lengths[batch[0]]), model.pad)
            for at, place in enumerate(batch):
                ids[at, : lengths[place]] = torch.tensor(rows[place])
            logits = model.network(input_ids=ids.to(model.device), use_cache=False).logits
            ends = torch.tensor([lengths[place] - 1 for place in batch], device=logits.device)
            last = logits[torch.arange(len(batch), device=logits.device), ends][:, marks]
            expected = torch.softmax(last.double().cpu(), dim=-1) @ steps
            found[[places[i] for i in batch]] = expected.numpy()
            done += len(batch)
            progress(done, len(places), "asking for marks")
    check_finite(found, np.isin(np.arange(len(records)), places), of_pool)
    return found


def _asked(tokenizer: Any, record: Record, template: str, max_tokens: int) -> list[int]:
    """The question in tokens, with the texts cut so that its own words stay whole."""
    prompt, answer = record.prompt, record.answer
    before, _, rest = template.partition("{prompt}")
    between, _, after = rest.partition("{answer}")
    while True:
        said = between + answer + after if after else between
        ids: list[int] = tokenizer(before + prompt + said, verbose=False)["input_ids"]
        if len(ids) <= max_tokens or not (prompt or answer):
            return ids[-max_tokens:]
        kept = 0.9 * max_tokens / len(ids)
        prompt, answer = prompt[: int(len(prompt) * kept)], answer[: int(len(answer) * kept)]
