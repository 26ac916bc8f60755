"""The encoder that a pool was encoded with, for texts that are to be compared with its rows."""

from core.encoders.base import Encoder
from core.errors import InputError
from core.features import Features
from core.progress import Progress, silent


def pool_encoder(features: Features, progress: Progress = silent) -> Encoder:
    """Load the encoder of some features; that takes seconds.

    Raises
    ------
    InputError
        The features were imported, so that no encoder is known; or it has changed since.
    """
    from core.encoders import make_encoder

    if features.meta.get("source"):
        raise InputError(
            "The pool's vectors were imported, so no encoder is known that could encode a text "
            "alike; look for rows like a row instead."
        )
    encoder = make_encoder(features.encoder, "auto", progress)
    if encoder.revision != features.meta["revision"]:
        raise InputError(
            f"The encoder {features.encoder} has changed since the pool was encoded; "
            "run `python -m core embed` again."
        )
    return encoder
