"""Static features: a vector for every token, distilled once from MiniLM; a text gets their mean.

The recipe is model2vec's (Tulkens and van Dongen, 2024, github.com/MinishLab/model2vec): encode
each token of the vocabulary alone, keep the 256 leading principal components, and weigh a token of
rank r by a / (a + p(r)), where p is Zipf's law (smooth inverse frequency). The result is an
ordinary model2vec model; it is made here because model2vec's own `distill` wants another
transformers, and takes five times as long.
"""

import json
import os
import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.encoders.base import Encoded, unit
from core.encoders.bert import BertEncoder
from core.progress import Progress, silent
from core.project import atomic_folder, file_sha256, write_json

# Part of the revision: another recipe makes other vectors.
_RECIPE = 1
_DIM = 256
_SIF = 1e-4
_UNUSED = re.compile(r"\[unused\d+\]")
_STAMP = "winnow.json"
_FILES = ("model.safetensors", "tokenizer.json", "config.json")
_SLICE = 1024


def cache_folder() -> Path:
    """Where distilled models are kept: WINNOW_CACHE, else `~/.cache/winnow`."""
    return Path(os.environ.get("WINNOW_CACHE") or "~/.cache/winnow").expanduser()


def cached_model(source_sha256: str) -> Path:
    """Folder of the static model distilled from weights with this SHA-256, made yet or not."""
    name = f"static-{source_sha256[:16]}-{_RECIPE}-model2vec-{version('model2vec')}"
    return cache_folder() / name


def revision_of(source_sha256: str) -> str:
    """Revision of the static model distilled from weights with this SHA-256."""
    return f"{source_sha256[:16]}-{_RECIPE}"


def is_whole(folder: Path) -> bool:
    """Tell whether the static model in `folder` is there as it was written."""
    try:
        stamp = json.loads((folder / _STAMP).read_text(encoding="utf-8"))
        return all(file_sha256(folder / name) == stamp[name] for name in _FILES)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def distil(teacher: BertEncoder, folder: Path, progress: Progress = silent) -> None:
    """Distil a static model from `teacher` into `folder`, which appears when it is whole."""
    from model2vec import StaticModel

    tokenizer = teacher.tokenizer()
    words = tokenizer.get_vocab()
    kept = sorted(token for word, token in words.items() if not _UNUSED.fullmatch(word))
    progress(0, len(kept), "distilling the static encoder from MiniLM")
    alone = teacher.encode_tokens(
        kept, lambda done: progress(done, len(kept), "distilling the static encoder from MiniLM")
    )
    scores = _leading(alone, _DIM)
    vectors = np.zeros((max(words.values()) + 1, scores.shape[1]), np.float32)
    vectors[kept] = scores * _frequency_weights(len(kept))[:, None]
    model = StaticModel(
        vectors,
        tokenizer,
        {"model_type": "model2vec", "apply_pca": _DIM, "sif_coefficient": _SIF},
        normalize=True,
        base_model_name=teacher.name,
        max_length=None,
    )
    with atomic_folder(folder) as temporary:
        model.save_pretrained(temporary)
        write_json(temporary / _STAMP, {name: file_sha256(temporary / name) for name in _FILES})


def _leading(vectors: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """Scores on the leading principal components; each sign makes the largest score positive."""
    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    scores = centred @ directions[:, ::-1][:, :dim]
    largest = scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])]
    return (scores * np.sign(largest)).astype(np.float32)


def _frequency_weights(tokens: int) -> NDArray[np.float32]:
    share = 1 / np.arange(2, tokens + 2)
    return (_SIF / (_SIF + share / share.sum())).astype(np.float32)


class StaticEncoder:
    """A static model; see `Encoder` for the attributes."""

    name = "static"
    device = "cpu"
    precision = "float32"
    max_tokens: int | None = None
    shard_rows = 8192

    def __init__(self, folder: Path, source_sha256: str) -> None:
        from model2vec import StaticModel

        model: Any = StaticModel
        self._model = model.from_pretrained(folder, max_length=None, force_download=False)
        self.dim = int(self._model.dim)
        self.revision = revision_of(source_sha256)

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Encoded:
        """Encode texts in the given order; `done` is called with the number finished so far."""
        vectors = np.empty((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), _SLICE):
            part = list(texts[start : start + _SLICE])
            vectors[start : start + len(part)] = self._model.encode(part, use_multiprocessing=False)
            if done:
                done(start + len(part))
        return Encoded(unit(vectors), 0)
