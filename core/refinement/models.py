"""Language models and reward models: found, loaded, saved, and put away again."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.devices import resolve_device
from core.encoders.weights import hub_folder, is_hub_id
from core.errors import InputError
from core.paths import user_path
from core.project import atomic_folder

CONFIG, ADAPTER = "config.json", "adapter_config.json"  # of a full model, of an adapter
# What loading needs beside the weights, for a first batch.
_HEADROOM = 1.2


@dataclass(frozen=True)
class Model:
    """A model in memory.

    Attributes
    ----------
    name : as it was asked for.
    network : of `transformers`, or a `peft` model around one.
    device : "cpu" or "cuda".
    base : folder or hub id of the full model where this is an adapter, else "".
    """

    name: str
    network: Any
    tokenizer: Any
    device: str
    base: str = ""

    @property
    def pad(self) -> int:
        """Token that fills a batch up; what stands there is masked."""
        for token in (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id):
            if token is not None:
                return int(token)
        return 0

    @property
    def vocabulary(self) -> int:
        """Tokens that the network tells apart."""
        return int(self.network.get_input_embeddings().weight.shape[0])

    @property
    def positions(self) -> int | None:
        """Longest text in tokens that the network was made for, if it says so."""
        found = getattr(self.network.config, "max_position_embeddings", None)
        return int(found) if isinstance(found, int) and found > 0 else None

    def limit(self, max_tokens: int) -> int:
        """Tokens of a row that can be read, where `max_tokens` are asked for."""
        return min(max_tokens, self.positions or max_tokens)


@contextmanager
def opened(
    spec: str | Path, device: str = "auto", *, kind: Literal["causal", "reward"] = "causal"
) -> Iterator[Model]:
    """Load a model for as long as the block runs; its network is gone afterwards.

    Raises
    ------
    InputError
        As `load_model`; or the memory of the device is full.
    """
    with full_memory_said(str(spec)):
        model = load_model(spec, device, kind=kind)
        try:
            yield model
        finally:
            # Whoever still holds the model must not keep its weights in the memory.
            object.__setattr__(model, "network", None)
            release()


@contextmanager
def full_memory_said(name: str) -> Iterator[None]:
    """Turn a full memory into a sentence."""
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError):
        raise InputError(
            f"{name} does not fit the memory with its batches; take a smaller model or fewer "
            "tokens a row, or free the device."
        ) from None
    except RuntimeError as error:
        if "not enough memory" not in str(error) and "allocate memory" not in str(error):
            raise
        raise InputError(
            f"{name} does not fit the memory; take a smaller model or fewer tokens a row."
        ) from None


def release() -> None:
    """Hand the memory of models that nobody holds any more back to the device."""
    gc.collect()
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def load_model(
    spec: str | Path,
    device: str = "auto",
    *,
    kind: Literal["causal", "reward"] = "causal",
    exact: bool = False,
) -> Model:
    """Load a model and its tokenizer, in bfloat16 on CUDA and float32 on a CPU.

    No code that comes with a model is ever run.

    Parameters
    ----------
    spec : a folder, or a name on the hub; of a full model, or of a `peft` adapter.
    device : "auto", "cpu" or "cuda".
    kind : "causal" for one that says the next token; "reward" for one that gives a text numbers.
    exact : float32 on CUDA, too, for a full model that is trained further.

    Raises
    ------
    InputError
        It is not there, is no such model, has no safetensors, needs code of its own, or does not
        fit the memory.
    """
    resolved = resolve_device(device)
    folder = model_folder(spec)
    if (folder / ADAPTER).is_file():
        return _load_adapter(str(spec), folder, resolved, kind)
    return load_full(str(spec), folder, resolved, kind, exact=exact)


def model_folder(spec: str | Path) -> Path:
    """Return where a model's files are.

    Raises
    ------
    InputError
        There is no such folder, or the hub has no such model or cannot be reached.
    """
    folder = user_path(spec, "model")
    if folder.is_dir():
        return folder.absolute()
    if not is_hub_id(str(spec)):
        raise InputError(
            f"There is no model at {spec}; give a folder, or a name on the hub such as owner/name.",
            option="model",
        )
    return hub_folder(str(spec))


def load_full(
    name: str, folder: Path, device: str, kind: str = "causal", *, exact: bool = False
) -> Model:
    """Load a full model from its folder; errors as in `load_model`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    quiet()
    if not (folder / CONFIG).is_file():
        raise InputError(
            f"{folder} has no config.json, so it holds no model; give another.", option="model"
        )
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{folder} has no .safetensors weights; save the model as safetensors.", option="model"
        )
    dtype = torch.bfloat16 if device == "cuda" and not exact else torch.float32
    _check_fits(name, folder, device, dtype.itemsize)
    loader: Any = AutoModelForCausalLM if kind == "causal" else AutoModelForSequenceClassification
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
        network = loader.from_pretrained(
            folder,
            dtype=dtype,
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
        )
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        # Each of the libraries behind this has its own errors for files that do not fit.
        raise InputError(
            f"{name} cannot be loaded as a {_KINDS[kind]} ({_first_line(error)}); give another "
            "model.",
            option="model",
        ) from error
    return Model(name, network.to(device).eval(), tokenizer, device)


_KINDS = {"causal": "causal language model", "reward": "reward model"}


def save_model(model: Model, folder: Path) -> None:
    """Write a model and its tokenizer; the folder appears when it is whole."""
    quiet()
    with atomic_folder(folder) as temporary:
        if model.base:
            model.network.save_pretrained(temporary, save_embedding_layers=False)
            (temporary / "README.md").unlink(missing_ok=True)  # peft's blank model card
        else:
            model.network.save_pretrained(temporary)
        model.tokenizer.save_pretrained(temporary)


def is_model(folder: Path) -> bool:
    """Tell whether a folder holds a full model or an adapter."""
    return (folder / CONFIG).is_file() or (folder / ADAPTER).is_file()


def base_of(adapter: Path) -> str:
    """Return the folder or hub id of the model that an adapter was trained on.

    Raises
    ------
    InputError
        The adapter does not say.
    """
    try:
        base = json.loads((adapter / ADAPTER).read_text(encoding="utf-8"))[
            "base_model_name_or_path"
        ]
    except (OSError, ValueError, KeyError, TypeError):
        base = None
    if not isinstance(base, str) or not base:
        raise InputError(f"{adapter / ADAPTER} does not name the model below; save it again.")
    return base


def quiet() -> None:
    """Keep `transformers` from drawing bars and giving advice."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


def _load_adapter(name: str, folder: Path, device: str, kind: str) -> Model:
    from peft import PeftModel

    base = base_of(folder)
    if not (folder / "adapter_model.safetensors").is_file():
        raise InputError(f"{folder} has no adapter_model.safetensors; save the adapter as such.")
    below = load_full(base, model_folder(base), device, kind)
    try:
        network = PeftModel.from_pretrained(below.network, str(folder))
    except Exception as error:
        raise InputError(
            f"{name} is no adapter that fits {base} ({_first_line(error)}); give another.",
            option="model",
        ) from error
    return Model(name, network.eval(), below.tokenizer, device, base)


def _check_fits(name: str, folder: Path, device: str, size: int) -> None:
    """Refuse weights that are larger than the free memory, before they are read."""
    free = free_memory(device)
    needed = _weight_bytes(folder, size)
    if free is not None and needed * _HEADROOM > free:
        raise InputError(
            f"{name} needs some {needed * _HEADROOM / 2**30:.1f} GiB on the {device} and "
            f"{free / 2**30:.1f} GiB are free; take a smaller model.",
            option="model",
        )


def _weight_bytes(folder: Path, size: int) -> int:
    """Bytes of all weights at `size` bytes a number, by the headers of the files."""
    from safetensors import SafetensorError, safe_open

    numbers = 0
    try:
        for path in folder.glob("*.safetensors"):
            with safe_open(path, "np") as weights:
                for key in weights.keys():  # noqa: SIM118 - not a dict
                    count = 1
                    for length in weights.get_slice(key).get_shape():
                        count *= length
                    numbers += count
    except SafetensorError:
        raise InputError(
            f"{path} is damaged; save or download the model again.", option="model"
        ) from None
    return numbers * size


def free_memory(device: str) -> int | None:
    """Bytes free on a device; None where that is unknown."""
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0][:160]
