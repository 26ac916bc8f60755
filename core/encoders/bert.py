"""BERT-like sentence encoders on a CPU: tokens in, unit vectors out, by the fastest engine here."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.devices import cpu_count
from core.encoders.base import Encoded, by_tokens, unit
from core.encoders.weights import ModelFolder
from core.errors import InputError

# Some seconds of work on two cores: what a kill can lose.
_SHARD_ROWS = 256
_POOLING = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}


@dataclass(frozen=True)
class BertShape:
    """What the fast engines need to know of a model; `of` tells whether they can take it.

    Attributes
    ----------
    folder : holds model.safetensors, config.json and tokenizer.json.
    pooling : "mean" or "cls".
    """

    folder: Path
    pooling: str
    max_tokens: int
    width: int
    inner: int
    layers: int
    heads: int
    epsilon: float

    @classmethod
    def of(cls, model: ModelFolder) -> "BertShape | None":
        """Read a folder's settings; None if the model is anything but a plain BERT."""
        config, text = model.settings("config.json"), model.settings("sentence_bert_config.json")
        pooling = _pooling(model)
        plain = (
            config.get("model_type") == "bert"
            and config.get("hidden_act", "gelu") == "gelu"
            and config.get("position_embedding_type", "absolute") == "absolute"
            and not config.get("is_decoder", False)
            and not text.get("do_lower_case", False)
            and not _prompt(model)
        )
        files = ("model.safetensors", "tokenizer.json")
        if not plain or pooling is None or not all((model.path / f).is_file() for f in files):
            return None
        positions = int(config["max_position_embeddings"])
        longest = text.get("max_seq_length") or model.settings("tokenizer_config.json").get(
            "model_max_length", positions
        )
        return cls(
            model.path,
            pooling,
            min(int(longest), positions),
            int(config["hidden_size"]),
            int(config["intermediate_size"]),
            int(config["num_hidden_layers"]),
            int(config["num_attention_heads"]),
            float(config["layer_norm_eps"]),
        )


def _prompt(model: ModelFolder) -> str:
    """What sentence-transformers puts before every text unasked."""
    settings = model.settings("config_sentence_transformers.json")
    prompts = settings.get("prompts") or {}
    return str(prompts.get(settings.get("default_prompt_name")) or "")


def _pooling(model: ModelFolder) -> str | None:
    """Return "mean" or "cls"; None for other pooling, or further layers that change the vector."""
    kinds = [str(m.get("type", "")).rsplit(".", 1)[-1] for m in _listed(model)]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        return None
    if _listed(model)[0].get("path"):
        return None
    settings = model.settings(str(Path(str(_listed(model)[1]["path"])) / "config.json"))
    if "pooling_mode" in settings:
        return settings["pooling_mode"] if settings["pooling_mode"] in _POOLING else None
    on = [key for key, value in settings.items() if key.startswith("pooling_mode_") and value]
    return next((name for name, key in _POOLING.items() if on == [key]), None)


def _listed(model: ModelFolder) -> list[dict[str, Any]]:
    path = model.path / "modules.json"
    listed: list[dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.is_file() else []
    return listed


class Engine(Protocol):
    """Runs the network on batches of token ids.

    Attributes
    ----------
    precision : as in `Encoder`.
    batch_tokens : how many tokens of a batch suit it.
    padded : whether texts of a batch are padded to the same length.
    """

    precision: str
    batch_tokens: int
    padded: bool

    def prepare(self, texts: list[list[int]]) -> None:
        """Get ready for these texts, which `run` gets in batches afterwards."""

    def run(self, texts: list[list[int]]) -> NDArray[np.float32]:
        """Return the pooled vectors (texts, width), of any norm; called from several threads."""


class BertEncoder:
    """A plain BERT; see `Encoder` for the attributes."""

    device = "cpu"
    shard_rows = _SHARD_ROWS

    def __init__(self, name: str, revision: str, shape: BertShape, engine: Engine) -> None:
        self.name, self.revision = name, revision
        self.dim = shape.width
        self.max_tokens: int | None = shape.max_tokens
        self.precision = engine.precision
        self._engine = engine
        self._shape = shape
        self._tokenizer = load_tokenizer(shape.folder, shape.max_tokens)

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Encoded:
        """Encode texts in the given order; `done` is called with the number finished so far."""
        found = self._tokenizer.encode_batch_fast(list(texts))
        truncated = sum(bool(encoding.overflowing) for encoding in found)
        return Encoded(unit(self._run([encoding.ids for encoding in found], done)), truncated)

    def encode_tokens(
        self, tokens: Sequence[int], done: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """Encode single tokens, each as a text of its own; float32 (tokens, dim), of any norm."""
        ends = self._tokenizer.encode("").ids
        return self._run([[ends[0], token, *ends[1:]] for token in tokens], done)

    def tokenizer(self) -> Any:
        """A fresh copy of the tokenizer, which cuts nothing and adds nothing to a text."""
        tokenizer = load_tokenizer(self._shape.folder, self._shape.max_tokens)
        tokenizer.no_truncation()
        return tokenizer

    def _run(self, ids: list[list[int]], done: Callable[[int], None] | None) -> NDArray[np.float32]:
        vectors = np.empty((len(ids), self.dim), np.float32)
        lengths = [len(text) for text in ids]
        batches = by_tokens(lengths, self._engine.batch_tokens, padded=self._engine.padded)
        finished = 0
        self._engine.prepare(ids)
        pool = ThreadPoolExecutor(cpu_count())
        try:
            results = pool.map(lambda batch: self._engine.run([ids[i] for i in batch]), batches)
            for batch, result in zip(batches, results, strict=True):
                vectors[batch] = result
                finished += len(batch)
                if done:
                    done(finished)
        finally:
            pool.shutdown(cancel_futures=True)
        return vectors


def load_tokenizer(folder: Path, max_tokens: int) -> Any:
    """Load tokenizer.json, set to cut at `max_tokens` and not to pad.

    Raises
    ------
    InputError
        The file is damaged.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the Rust side raises plain Exception
        raise InputError(f"{folder / 'tokenizer.json'} cannot be read ({error}).") from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer
