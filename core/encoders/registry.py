"""Encoders by name, the choice that `auto` makes, and what `doctor` says of them."""

import time
from collections.abc import Sequence

from core.devices import has_cuda, resolve_device
from core.encoders.base import Choice, Encoder
from core.encoders.bert import BertEncoder, BertShape, Engine
from core.encoders.static import StaticEncoder, cached_model, distil, is_whole, revision_of
from core.encoders.torch_encoder import TorchEncoder
from core.encoders.weights import ModelFolder, find_minilm, find_model, weights_sha256
from core.errors import InputError
from core.progress import Progress, silent

# What people wait for without looking for something else to do.
PATIENCE_SECONDS = 120
_TRIAL_SECONDS = 2.0
_TRIAL_BATCH = 8


def make_encoder(spec: str, device: str = "auto", progress: Progress = silent) -> Encoder:
    """Load an encoder; the first `static` on a machine is distilled from MiniLM, in half a minute.

    Parameters
    ----------
    spec : "static", "minilm", a sentence-transformers folder or a hub id.
    device : "auto", "cpu" or "cuda"; static is always on the CPU.

    Raises
    ------
    InputError
        No such encoder or device, or its files cannot be had or trusted.
    """
    resolved = resolve_device(device)
    if spec == "static":
        return _static(progress)
    if spec == "minilm":
        return _sentence_encoder(find_minilm(), resolved)
    return _sentence_encoder(find_model(spec), resolved)


def static_revision() -> str:
    """Revision of the encoder `static`, which is neither loaded nor made for that.

    Raises
    ------
    InputError
        MiniLM, which it is distilled from, cannot be had or trusted.
    """
    return revision_of(_weights_sha256(find_minilm()))


def choose_encoder(texts: Sequence[str], rows: int, device: str = "auto") -> Choice:
    """Decide between MiniLM and static by encoding some of the texts with MiniLM, for 2 seconds.

    Parameters
    ----------
    texts : texts from all over the pool; time is counted per token, so a few long ones do no harm.
    rows : how many rows the pool has.

    Raises
    ------
    InputError
        Neither of the two can be had here, or there is no such device.
    """
    try:
        minilm = make_encoder("minilm", device)
    except InputError as error:
        resolve_device(device)
        return Choice("static", f"MiniLM cannot be used: {error}", None)
    seconds = rows * _seconds_per_row(minilm, texts)
    told = f"MiniLM would take about {_duration(seconds)} here"
    if seconds <= PATIENCE_SECONDS:
        return Choice("minilm", f"{told}.", seconds)
    return Choice("static", f"{told}; static features come first, and MiniLM can follow.", seconds)


def encoder_checks() -> list[tuple[str, bool, str]]:
    """Return (name, whether it is in order, detail) of weights, static model and GPU."""
    try:
        minilm = find_minilm(download=False)
    except InputError as error:
        return [("minilm", False, str(error)), _cuda_check()]
    folder = cached_model(_weights_sha256(minilm))
    static = f"cached in {folder}" if is_whole(folder) else "made at the first use"
    return [("minilm", True, f"in {minilm.origin}"), ("static", True, static), _cuda_check()]


def _cuda_check() -> tuple[str, bool, str]:
    return "device", True, "CUDA" if has_cuda() else "CPU; no CUDA device is here"


def _sentence_encoder(model: ModelFolder, device: str) -> Encoder:
    minilm = model.name == "minilm"
    # The same weights are the same MiniLM, wherever they were found.
    revision = _weights_sha256(model)[:16] if minilm else model.revision()
    shape = BertShape.of(model) if device == "cpu" else None
    if shape is None:
        return TorchEncoder(model.name, revision, model, device)
    return BertEncoder(model.name, revision, shape, _engine(shape))


def _engine(shape: BertShape) -> Engine:
    """The fastest exact-enough engine of this CPU; benchmarks/encoders.py compares them."""
    from core.encoders.openvino_engine import OpenVinoEngine, has_bfloat16
    from core.encoders.quantized import Int16Engine

    if has_bfloat16():
        return OpenVinoEngine(shape, "bfloat16")
    if Int16Engine.fits(shape):
        return Int16Engine(shape)
    return OpenVinoEngine(shape, "float32")


def _static(progress: Progress) -> StaticEncoder:
    minilm = find_minilm()
    source = _weights_sha256(minilm)
    folder = cached_model(source)
    if not is_whole(folder):
        teacher = _sentence_encoder(minilm, "cpu")
        if not isinstance(teacher, BertEncoder):
            raise InputError(f"{minilm.path} is not MiniLM, which static is distilled from.")
        distil(teacher, folder, progress)
    return StaticEncoder(folder, source)


def _weights_sha256(model: ModelFolder) -> str:
    return weights_sha256(model.weights[0])


def _seconds_per_row(encoder: Encoder, texts: Sequence[str]) -> float:
    """Time a few batches, and scale by the length of all of `texts`."""
    batch = max(_TRIAL_BATCH, 64 if encoder.device == "cuda" else 0)
    encoder.encode(texts[:batch])  # compiles, or loads compiled code
    sizes = [_size(text) for text in texts]
    started = time.perf_counter()
    done = 0
    while done < len(texts) and time.perf_counter() - started < _TRIAL_SECONDS:
        encoder.encode(texts[done : done + batch])
        done = min(done + batch, len(texts))
    per_size = (time.perf_counter() - started) / sum(sizes[:done])
    return per_size * sum(sizes) / len(sizes)


def _size(text: str) -> int:
    """Characters that MiniLM's 256 tokens can hold, more or less; any text takes some time."""
    return 8 + min(len(text), 1000)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} seconds"
    return f"{round(seconds / 60)} minutes"
