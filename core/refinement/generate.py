"""What a model says to prompts: greedy, in batches of similar length."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.encoders.base import by_tokens
from core.progress import Progress
from core.project import atomic_file, fingerprint
from core.refinement.base import RoundWork
from core.refinement.brought import left_by_command
from core.refinement.chat import encode
from core.refinement.models import Model

# Tokens whose keys and values are kept at once, those still to be written included.
_TOKENS = {"cpu": 8192, "cuda": 131_072}


@dataclass(frozen=True)
class Said:
    """What a model says to rows.

    Attributes
    ----------
    texts : by row; "" where it says nothing.
    notes : sentences on what had to be cut short, if anything.
    """

    texts: Mapping[int, str]
    notes: tuple[str, ...] = ()


def room_for_answers(model: Model, new_tokens: int) -> int:
    """Tokens that an answer can have, where `new_tokens` are asked for.

    At most half of what the network was made for: the rest is for the prompt.
    """
    positions = model.positions
    return min(new_tokens, positions - positions // 2) if positions else new_tokens


def generate(
    model: Model,
    prompts: Sequence[list[int]],
    new_tokens: int,
    *,
    progress: Progress,
) -> list[str]:
    """Continue prompts, always with the likeliest token, up to the end mark or `new_tokens`.

    A prompt that leaves no room within what the network was made for loses its beginning, and
    answers end where `room_for_answers` does.
    """
    import torch

    new_tokens = room_for_answers(model, new_tokens)
    room = max(1, model.positions - new_tokens) if model.positions else None
    cut = [list(prompt[-room:] if room else prompt) or [_begin(model)] for prompt in prompts]
    said = [""] * len(cut)
    lengths = [len(prompt) + new_tokens for prompt in cut]
    done = 0
    with torch.inference_mode():
        for places in by_tokens(lengths, _TOKENS[model.device], padded=True):
            longest = max(len(cut[place]) for place in places)
            ids = torch.full((len(places), longest), model.pad)
            mask = torch.zeros_like(ids)
            for at, place in enumerate(places):
                ids[at, longest - len(cut[place]) :] = torch.tensor(cut[place])
                mask[at, longest - len(cut[place]) :] = 1
            written = model.network.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                generation_config=_greedy(model, new_tokens),
            )
            for place, tokens in zip(places, written[:, longest:].tolist(), strict=True):
                said[place] = model.tokenizer.decode(tokens, skip_special_tokens=True).strip()
            done += len(places)
            progress(done, len(cut), "writing answers")
    return said


def generations_of(
    work: RoundWork,
    open_model: Model | None,
    *,
    max_tokens: int,
    new_tokens: int,
    progress: Progress,
) -> Said:
    """Return what a model says to each row of a round.

    What somebody brought, or a command left, is taken as it is; the rest is written by the model
    and kept in the round's folder.

    Parameters
    ----------
    open_model : None where none is at hand; rows that nobody brought anything for are left out.
    """
    found = dict(brought(work))
    missing = [
        place
        for place, row in enumerate(work.rows.tolist())
        if row not in found and work.records[place].turns
    ]
    if not missing or open_model is None:
        return Said(found)
    room = room_for_answers(open_model, new_tokens)
    notes: tuple[str, ...] = ()
    if room < new_tokens:
        notes = (f"Answers of the model end at {room:,} tokens, half of what it was made for.",)
    name = fingerprint("generations", open_model.name, max_tokens, new_tokens, sorted(found))
    path = work.folder / f"generations-{name}.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Said(found | {int(row): str(said) for row, said in stored.items()}, notes)
    except (OSError, ValueError, AttributeError):
        pass  # not written yet, or damaged: written now
    records = [work.records[place] for place in missing]
    prompts = encode(open_model.tokenizer, records, max_tokens, [None] * len(records)).rows
    said = generate(open_model, [row.prompt for row in prompts], new_tokens, progress=progress)
    fresh = {int(work.rows[place]): text for place, text in zip(missing, said, strict=True)}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(fresh, ensure_ascii=False), encoding="utf-8")
    return Said(found | fresh, notes)


def brought(work: RoundWork) -> Mapping[int, str]:
    """Answers that were brought for a round, or that its command left."""
    return work.generations or left_by_command(work).generations


def _begin(model: Model) -> int:
    token = model.tokenizer.bos_token_id
    return model.pad if token is None else int(token)


def _greedy(model: Model, new_tokens: int) -> Any:
    from transformers import GenerationConfig

    own = model.network.generation_config
    ends = own.eos_token_id if own.eos_token_id is not None else model.tokenizer.eos_token_id
    return GenerationConfig(
        do_sample=False,
        max_new_tokens=new_tokens,
        pad_token_id=model.pad,
        eos_token_id=ends,
        bos_token_id=model.tokenizer.bos_token_id,
    )
