"""Low-rank adapters (LoRA, arXiv 2106.09685) on any causal language model, through `peft`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.devices import resolve_device
from core.errors import InputError
from core.progress import Progress
from core.refinement.base import RoundWork, TrainReport
from core.refinement.chat import encode
from core.refinement.models import (
    ADAPTER,
    Model,
    base_of,
    full_memory_said,
    load_full,
    model_folder,
    release,
    save_model,
)
from core.refinement.training import Schedule, finish, fit


@dataclass(frozen=True)
class Lora:
    """Trains an adapter on the round's answers; the model below stays as it is.

    W + (α/r)·B·A for every linear layer but the last, with A random and B zero in the first round;
    each later one goes on from the adapter before it. bfloat16 below and float32 in the adapter on
    CUDA, where activations are computed again instead of kept; float32 on a CPU.
    """

    model: str
    rank: int
    alpha: float
    dropout: float
    epochs: int
    batch_rows: int
    learning_rate: float
    max_tokens: int
    device: str

    def train(self, work: RoundWork, *, progress: Progress) -> TrainReport:
        """Train on the round's answers; errors as in `Trainer`."""
        progress(0, 0, "loading the model")
        with full_memory_said(self.model), self._opened(work) as model:
            limit = model.limit(self.max_tokens)
            examples = encode(model.tokenizer, work.records, limit)
            losses = fit(
                model,
                examples.rows,
                Schedule(
                    self.epochs,
                    self.batch_rows,
                    self.learning_rate,
                    work.seed,
                    weight_decay=0.0,
                ),
                folder=work.folder,
                progress=progress,
            )
            folder = work.folder / "model"
            save_model(model, folder)
        finish(work.folder)
        return TrainReport(folder, losses, examples.notes(limit))

    @contextmanager
    def _opened(self, work: RoundWork) -> Iterator[Model]:
        model = self._load(work)
        try:
            yield model
        finally:
            object.__setattr__(model, "network", None)
            release()

    def _load(self, work: RoundWork) -> Model:
        """Return the model with the adapter to train: a new one, or that of the round before."""
        device = resolve_device(self.device)
        folder = model_folder(self.model)
        if (folder / ADAPTER).is_file():
            raise InputError(
                f"{self.model} is an adapter; give the full model that it belongs to.",
                option="model",
            )
        below = load_full(self.model, folder, device)
        name = str(folder) if Path(self.model).expanduser().is_dir() else self.model
        if work.previous is None:
            network = self._fresh(below.network, work.seed)
        else:
            network = _went_on(below.network, work.previous, name)
        network.peft_config["default"].base_model_name_or_path = name
        if device == "cuda":
            network.enable_input_require_grads()
            network.gradient_checkpointing_enable({"use_reentrant": False})
        return replace(below, network=network, base=name)

    def _fresh(self, network: Any, seed: int) -> Any:
        import torch
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # said to be whole, but any number will do
            lora_dropout=self.dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            try:
                return get_peft_model(network, config)
            except ValueError as error:
                raise InputError(
                    f"This model takes no adapter ({str(error).splitlines()[0][:120]}); choose "
                    "another one.",
                    option="model",
                ) from None


def _went_on(network: Any, previous: Path, base: str) -> Any:
    from peft import PeftModel

    if not (previous / ADAPTER).is_file() or base_of(previous) != base:
        raise InputError(
            f"The round before left no adapter for {base} in {previous}; roll it back, or go on "
            "with the model that it was made with.",
            option="model",
        )
    return PeftModel.from_pretrained(network, str(previous), is_trainable=True)
