"""A small transformer trained from nothing: it needs no weights, and a minute a round on a CPU."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.devices import resolve_device
from core.errors import InputError
from core.pool import Pool
from core.progress import Progress
from core.project import atomic_folder
from core.refinement.base import RoundWork, TrainReport
from core.refinement.chat import encode
from core.refinement.models import Model, full_memory_said, load_model, release, save_model
from core.refinement.training import Schedule, finish, fit

# Rows that the tokenizer learns from: in places all over the pool, for files are often sorted.
_PLACES, _PLACE_ROWS = 250, 20
_MOST_CHARACTERS = 4_000  # of one of them
_BOS, _EOS, _PAD = "<s>", "</s>", "<pad>"
_HEAD = 64  # width of an attention head


@dataclass(frozen=True)
class Proxy:
    """A causal transformer of the Llama kind, and byte-level BPE learnt from the pool.

    The first round begins with random weights; each later one goes on from the model before it.
    The same work gives the same bytes on one CPU with as many threads.
    """

    width: int
    layers: int
    vocabulary: int
    epochs: int
    batch_rows: int
    learning_rate: float
    max_tokens: int
    device: str

    def __post_init__(self) -> None:
        """Look at what the options are together; InputError."""
        if self.width % _HEAD:
            raise InputError(
                f"Width must be a multiple of {_HEAD}, got {self.width}; take "
                f"{self.width // _HEAD * _HEAD or _HEAD}.",
                option="width",
            )

    def train(self, work: RoundWork, *, progress: Progress) -> TrainReport:
        """Train on the round's answers; errors as in `Trainer`."""
        device = resolve_device(self.device)
        with full_memory_said("The proxy"):
            if work.previous is None:
                model = self._fresh(work, device, progress)
            else:
                model = load_model(work.previous, device, exact=True)
            limit = model.limit(self.max_tokens)
            examples = encode(model.tokenizer, work.records, limit)
            losses = fit(
                model,
                examples.rows,
                Schedule(self.epochs, self.batch_rows, self.learning_rate, work.seed),
                folder=work.folder,
                progress=progress,
            )
            folder = work.folder / "model"
            save_model(model, folder)
            del model
            release()
        finish(work.folder)
        return TrainReport(folder, losses, examples.notes(limit))

    def _fresh(self, work: RoundWork, device: str, progress: Progress) -> Model:
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        tokenizer = _tokenizer(
            work.pool, work.folder / "tokenizer", self.vocabulary, work.seed, progress
        )
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=self.width,
            intermediate_size=2 * self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=self.width // _HEAD,
            max_position_embeddings=max(2 * self.max_tokens, 4096),
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            torch.manual_seed(work.seed)
            network: Any = LlamaForCausalLM(config)
        return Model("proxy", network.to(device), tokenizer, device)


def _tokenizer(pool: Pool, folder: Path, size: int, seed: int, progress: Progress) -> Any:
    """Learn byte-level BPE from rows all over the pool; kept in `folder`."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    if not (folder / "tokenizer.json").is_file():
        progress(0, 0, "learning the pool's tokens")
        learnt = ByteLevelBPETokenizer()
        learnt.train_from_iterator(
            _sample(pool, seed),
            vocab_size=size,
            min_frequency=2,
            special_tokens=[_PAD, _BOS, _EOS],
            show_progress=False,
        )
        with atomic_folder(folder) as temporary:
            made = PreTrainedTokenizerFast(
                tokenizer_object=learnt._tokenizer,
                pad_token=_PAD,
                bos_token=_BOS,
                eos_token=_EOS,
            )
            made.save_pretrained(temporary)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def _sample(pool: Pool, seed: int) -> list[str]:
    last = max(pool.rows - _PLACE_ROWS, 0)
    starts = np.random.default_rng(seed).integers(0, last + 1, _PLACES)
    if pool.rows <= _PLACES * _PLACE_ROWS:
        starts = np.arange(0, pool.rows, _PLACE_ROWS)
    return [
        text[:_MOST_CHARACTERS]
        for start in np.unique(starts).tolist()
        for text in pool.texts(start, start + _PLACE_ROWS)
    ]
