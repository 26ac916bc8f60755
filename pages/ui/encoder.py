"""The encoder of the features in view, for a text that rows should be like."""

from core.encoders.base import Encoder
from core.features import Features
from core.pool_encoder import pool_encoder
from pages.ui.background import Task

_encoders: dict[str, Encoder] = {}  # of the desk's one thread: the one that was used last


def loaded_encoder(features: Features, task: Task) -> Encoder:
    """The encoder of some features, loaded at its first use; for the desk's thread."""
    name = f"{features.encoder}-{features.meta.get('revision')}"
    if name not in _encoders:
        task.progress(0, 0, "loading the encoder")
        loaded = pool_encoder(features, task.progress)
        _encoders.clear()
        _encoders[name] = loaded
    return _encoders[name]
