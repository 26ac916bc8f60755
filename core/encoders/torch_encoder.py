"""Any sentence-transformers model, by torch: bfloat16 on CUDA, float32 on a CPU."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from core.encoders.base import Encoded, by_tokens, unit
from core.encoders.weights import ModelFolder
from core.errors import InputError

# Tokens of a batch: enough to fill a GPU; on a CPU few enough to stay near the caches.
_BATCH_TOKENS = {"cuda": 65_536, "cpu": 2048}
_SHARD_ROWS = {"cuda": 8192, "cpu": 256}


class TorchEncoder:
    """A sentence-transformers model; see `Encoder` for the attributes.

    Batches hold texts of similar length, up to a number of tokens instead of a number of texts.
    """

    def __init__(self, name: str, revision: str, model: ModelFolder, device: str) -> None:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()  # it lists weights that no encoder needs
        try:
            self._model = SentenceTransformer(
                str(model.path),
                device=device,
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:
            # Four libraries read the files, and each has its own errors for damaged ones.
            why = (str(error).strip() or type(error).__name__).split("\n")[0]
            raise InputError(f"{model.path} cannot be loaded as an encoder ({why}).") from error
        self._model.to(torch.bfloat16 if device == "cuda" else torch.float32).eval()
        self.name, self.revision, self.device = name, revision, device
        self.precision = "bfloat16" if device == "cuda" else "float32"
        self.dim = int(self._model.get_embedding_dimension() or 0)
        longest = self._model.max_seq_length
        self.max_tokens = int(longest) if longest and math.isfinite(longest) else None
        self.shard_rows = _SHARD_ROWS[device]

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Encoded:
        """Encode texts in the given order; `done` is called with the number finished so far."""
        lengths, truncated = self._lengths(texts) if texts else ([], 0)
        vectors = np.empty((len(texts), self.dim), np.float32)
        finished = 0
        for batch in by_tokens(lengths, _BATCH_TOKENS[self.device], padded=True):
            found = self._model.encode(
                [texts[i] for i in batch],
                batch_size=len(batch),
                convert_to_tensor=True,
                show_progress_bar=False,
            )
            vectors[batch] = found.float().cpu().numpy()
            finished += len(batch)
            if done:
                done(finished)
        return Encoded(unit(vectors), truncated)

    def _lengths(self, texts: Sequence[str]) -> tuple[list[int], int]:
        """Tokens of each text as far as they are read, and how many texts have more."""
        tokenizer: Any = self._model.tokenizer
        if self.max_tokens is None or not callable(tokenizer):
            return [len(text) // 4 + 1 for text in texts], 0
        prompt = self._model.prompts.get(self._model.default_prompt_name or "") or ""
        found = tokenizer(
            [prompt + text for text in texts], truncation=False, padding=False, verbose=False
        )["input_ids"]
        lengths = [min(len(ids), self.max_tokens) for ids in found]
        return lengths, sum(len(ids) > self.max_tokens for ids in found)
