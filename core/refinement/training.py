"""The training loop of `proxy` and `lora`: AdamW on answers, resumed to the byte after a kill."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import InputError
from core.progress import Progress
from core.project import atomic_folder, fingerprint, write_json
from core.refinement.chat import Example
from core.refinement.likelihood import batches, row_losses
from core.refinement.models import Model

LOSSES = "losses.json"  # of a round's folder: the curve so far, for those who watch
_POINTS = 60  # of a loss curve
_CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    The learning rate rises over `warmup` of the steps and falls to nothing linearly.
    """

    epochs: int
    batch_rows: int
    learning_rate: float
    seed: int
    warmup: float = 0.05
    weight_decay: float = 0.01
    clip: float = 1.0

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of a step, from 0, of so many."""
        rise = max(1, round(self.warmup * steps))
        fall = max(1, steps - rise)
        return self.learning_rate * min((step + 1) / rise, max(0.0, (steps - step) / fall))


@dataclass
class _State:
    """Where the training is: steps done, and the curve up to there."""

    step: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    loss: float = 0.0
    tokens: int = 0


def fit(
    model: Model,
    examples: Sequence[Example],
    schedule: Schedule,
    *,
    folder: Path,
    progress: Progress,
) -> tuple[tuple[int, float], ...]:
    """Train the parameters that ask for a gradient.

    A step's loss is the mean over the answer tokens of its rows, however they share batches. What
    chance there is belongs to the step, so that a training that was killed and goes on from its
    checkpoint ends in the same bytes, on one CPU; on CUDA sums differ in their last digits.

    Parameters
    ----------
    examples : those without an answer are left out.
    folder : where the checkpoint and the curve so far are kept, until `finish`.

    Returns
    -------
    pairs of step, from 1, and mean loss a token since the pair before.

    Raises
    ------
    InputError
        No row has an answer, or the loss is no number any more.
    """
    import torch

    used = [example for example in examples if len(example.answer) > (not example.prompt)]
    if not used:
        raise InputError("No row of this round has an answer to train on; choose other rows.")
    trained = {name: p for name, p in model.network.named_parameters() if p.requires_grad}
    steps = schedule.epochs * -(-len(used) // schedule.batch_rows)
    checkpoint = _Checkpoint(folder / "checkpoint", _plan(schedule, used))
    optimizer = torch.optim.AdamW(
        trained.values(),
        lr=schedule.learning_rate,
        betas=(0.9, 0.95),
        weight_decay=schedule.weight_decay,
    )
    state = checkpoint.load(trained, optimizer)
    saved = time.monotonic()
    model.network.train()
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        while state.step < steps:
            progress(state.step, steps, "training")
            torch.manual_seed(schedule.seed * 1_000_003 + state.step)
            rate = schedule.rate(state.step, steps)
            _step(model, _rows(used, schedule, state.step), optimizer, rate, schedule.clip, state)
            state.step += 1
            if state.step % max(1, steps // _POINTS) == 0 or state.step == steps:
                state.losses.append((state.step, state.loss / state.tokens))
                state.loss, state.tokens = 0.0, 0
                write_json(folder / LOSSES, {"losses": state.losses})
            # The last one too: whoever stores the model may be killed before it is done.
            if state.step == steps or time.monotonic() - saved >= _CHECKPOINT_SECONDS:
                checkpoint.save(trained, optimizer, state)
                saved = time.monotonic()
    progress(steps, steps, "training")
    model.network.eval()
    return tuple(state.losses)


def finish(folder: Path) -> None:
    """Remove the checkpoint of a training whose model is stored."""
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    (folder / LOSSES).unlink(missing_ok=True)  # the report has them


def _rows(used: Sequence[Example], schedule: Schedule, step: int) -> list[Example]:
    """The rows of a step: each epoch goes through all of them in an order of its own."""
    epoch, at = divmod(step, -(-len(used) // schedule.batch_rows))
    order = np.random.default_rng([schedule.seed, epoch]).permutation(len(used))
    return [used[i] for i in order[at * schedule.batch_rows : (at + 1) * schedule.batch_rows]]


def _step(
    model: Model, rows: list[Example], optimizer: Any, rate: float, clip: float, state: _State
) -> None:
    import torch

    # The first token of a row without a prompt follows nothing and is not counted.
    tokens = sum(len(row.answer) - (not row.prompt) for row in rows)
    total = 0.0
    optimizer.zero_grad(set_to_none=True)
    for batch in batches(model, rows):
        loss = row_losses(model, batch)[0].sum()
        (loss / tokens).backward()
        total += loss.item()
    if not np.isfinite(total):
        raise InputError(
            f"The loss is no number any more at step {state.step + 1}; lower the learning rate.",
            option="learning_rate",
        )
    for group in optimizer.param_groups:
        torch.nn.utils.clip_grad_norm_(group["params"], clip)
        group["lr"] = rate
    optimizer.step()
    state.loss += total
    state.tokens += tokens


def _plan(schedule: Schedule, used: Sequence[Example]) -> str:
    rows = [[row.prompt, row.answer] for row in used]
    return fingerprint("training", 1, asdict(schedule), rows)


class _Checkpoint:
    """Parameters, moments and curve on disk, for one plan; nothing is ever unpickled."""

    def __init__(self, folder: Path, plan: str) -> None:
        self._folder, self._plan = folder, plan

    def load(self, trained: dict[str, Any], optimizer: Any) -> _State:
        """Put the stored state in place; a fresh one where there is none of this plan."""
        import torch
        from safetensors.torch import load_file

        try:
            meta = json.loads((self._folder / "meta.json").read_text(encoding="utf-8"))
            tensors = load_file(self._folder / "state.safetensors")
            if meta["plan"] != self._plan or meta["parameters"] != list(trained):
                return _State()
        except Exception:
            # Missing, of another kind, or damaged in one of many ways: begun anew.
            return _State()
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(tensors[f"parameter.{name}"])
                optimizer.state[parameter] = {
                    "step": torch.tensor(float(meta["step"])),
                    "exp_avg": tensors[f"mean.{name}"].to(parameter.device),
                    "exp_avg_sq": tensors[f"square.{name}"].to(parameter.device),
                }
        pairs = [(int(step), float(loss)) for step, loss in meta["losses"]]
        return _State(meta["step"], pairs, meta["loss"], meta["tokens"])

    def save(self, trained: dict[str, Any], optimizer: Any, state: _State) -> None:
        """Replace what is stored, in one rename."""
        from safetensors.torch import save_file

        tensors = {}
        for name, parameter in trained.items():
            moments = optimizer.state[parameter]
            tensors[f"parameter.{name}"] = parameter.detach().contiguous()
            tensors[f"mean.{name}"] = moments["exp_avg"].contiguous()
            tensors[f"square.{name}"] = moments["exp_avg_sq"].contiguous()
        with atomic_folder(self._folder) as temporary:
            save_file(tensors, temporary / "state.safetensors")
            about = {"plan": self._plan, "parameters": list(trained)}
            write_json(temporary / "meta.json", about | asdict(state))
