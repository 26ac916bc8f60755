"""Quality by a given model: how much an instruction helps, and the scores of DEITA's models.

Their values are for a file of scores (`write_quality`), which `select --quality-file` reads.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.decisions import load_decisions
from core.encoders.base import by_tokens
from core.errors import InputError
from core.paths import check_new_file, user_path
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project, atomic_file
from core.records import Record
from core.refinement.chat import Example, encode
from core.refinement.likelihood import answer_losses, batch_tokens
from core.refinement.models import Model, opened
from core.refinement.parameters import DEVICE, MAX_TOKENS
from core.selection.base import resolve_options
from core.values import encode_ranges

Measure = Callable[..., NDArray[np.float64]]
_BLOCK = 2048  # rows in memory together
_TOKENS = replace(MAX_TOKENS, default=2048)

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
    model: Model, records: Sequence[Record], max_tokens: int, *, progress: Progress
) -> NDArray[np.float64]:
    """Instruction-following difficulty (IFD, arXiv 2308.12032).

    IFD(x, y) = loss(y | x) / loss(y): near 1 where the instruction hardly helps to find the answer.
    Above 1 it misleads; the paper leaves such rows out, and they get 0 here. The answer's first
    token, which nothing but the instruction or the beginning of text precedes, counts in neither.

    Returns
    -------
    float64 ndarray of shape (records,), in [0, 1]; not a number where there is no answer.
    """
    given, alone = [], []
    bos = model.tokenizer.bos_token_id
    for example in encode(model.tokenizer, records, model.limit(max_tokens)).rows:
        first, rest = example.answer[:1], example.answer[1:]
        usable = rest if example.prompt else []
        given.append(Example(example.prompt + first, usable))
        alone.append(Example(([] if bos is None else [bos]) + first, usable))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = answer_losses(model, given, progress=progress) / answer_losses(
            model, alone, progress=progress
        )
    found[[record.format == "text" for record in records]] = np.nan
    found[found > 1] = 0.0
    return found


def complexity(
    model: Model, records: Sequence[Record], max_tokens: int, *, progress: Progress
) -> NDArray[np.float64]:
    """Complexity of the prompts by DEITA's scorer (arXiv 2312.15685).

    c = Σ_k k·p(k), with p the softmax over the model's logits of the tokens 1 … 6.

    Returns
    -------
    float64 ndarray of shape (records,), in [1, 6]; not a number where there is no prompt.
    """
    return _marks(model, records, _COMPLEXITY, max_tokens, progress)


def answer_quality(
    model: Model, records: Sequence[Record], max_tokens: int, *, progress: Progress
) -> NDArray[np.float64]:
    """Quality of the answers by DEITA's scorer, as `complexity`; in [1, 6]."""
    return _marks(model, records, _QUALITY, max_tokens, progress)


MEASURES: dict[str, Measure] = {
    "ifd": difficulty,
    "deita-complexity": complexity,
    "deita-quality": answer_quality,
}


@dataclass(frozen=True)
class QualityReport:
    """What was scored.

    Attributes
    ----------
    file : where the scores are, a table of row and score.
    rows, scored : rows that are kept, and those of them that have a score.
    unscored : the others, as ranges: they have no prompt or no answer.
    mean : of the scores.
    """

    measure: str
    model: str
    file: str
    rows: int
    scored: int
    unscored: str
    mean: float
    seconds: float


def write_quality(
    project: Project,
    *,
    measure: str,
    model: str,
    out: str | Path,
    device: str = DEVICE.default,
    max_tokens: int = _TOKENS.default,
    overwrite: bool = False,
    progress: Progress = silent,
) -> QualityReport:
    """Score the kept rows of a pool and write a Parquet file with the columns row and score.

    Parameters
    ----------
    measure : one of `MEASURES`.
    model : folder or name on the hub of a causal model; for DEITA's measures, of its scorer.
    out : a file that ends in ``.parquet``; rows that cannot be scored are left out of it.
    device : "auto", "cpu" or "cuda".
    max_tokens : longer rows are cut.

    Raises
    ------
    InputError
        No such measure or model, it does not fit the memory, an option is out of range, the place
        cannot be used, or no row is kept or has what is scored.
    """
    started = time.perf_counter()
    if measure not in MEASURES:
        raise InputError(
            f"There is no measure {measure!r}; use one of {', '.join(MEASURES)}.", option="measure"
        )
    settings = resolve_options(
        "Quality by a model", (DEVICE, _TOKENS), {"device": device, "max_tokens": max_tokens}
    )
    target = _place(out, overwrite)
    pool = Pool.open(project)
    rows = load_decisions(project, pool.rows).candidates
    if not len(rows):
        raise InputError("All rows are dropped; restore some, or undo.")
    values = _measured(pool, rows, measure, model, progress=progress, **settings)
    scored = np.isfinite(values)
    if not scored.any():
        raise InputError(
            f"No row can be scored by {measure}: each lacks a prompt or an answer.",
            option="measure",
        )
    try:
        with atomic_file(target) as temporary:
            pq.write_table(pa.table({"row": rows[scored], "score": values[scored]}), temporary)
    except OSError as error:
        raise InputError(
            f"Cannot write {target}: {error.strerror or error}; free some space or choose another "
            "place.",
            option="out",
        ) from error
    return QualityReport(
        measure,
        model,
        str(target),
        len(rows),
        int(scored.sum()),
        encode_ranges(rows[~scored]),
        float(values[scored].mean()),
        round(time.perf_counter() - started, 3),
    )


def _place(out: str | Path, overwrite: bool) -> Path:
    path = check_new_file(user_path(out, "out").absolute(), "out", overwrite=overwrite)
    if path.suffix != ".parquet":
        raise InputError(f"{out} must end in .parquet.", option="out")
    return path


def _measured(
    pool: Pool,
    rows: NDArray[np.int64],
    measure: str,
    model: str,
    *,
    device: str,
    max_tokens: int,
    progress: Progress,
) -> NDArray[np.float64]:
    values = np.full(len(rows), np.nan)
    progress(0, 0, "loading the model")
    with opened(model, device) as loaded:
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]

            def tell(done: int, total: int, what: str, start: int = start) -> None:
                progress(start + done, len(rows), what)

            values[start : start + len(part)] = MEASURES[measure](
                loaded, list(pool.records(part)), max_tokens, progress=tell
            )
    return values


def _marks(
    model: Model, records: Sequence[Record], template: str, max_tokens: int, progress: Progress
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
