"""Encoders: texts in, unit vectors out, all behind one protocol."""

from core.encoders.base import Choice, Encoded, Encoder
from core.encoders.registry import (
    choose_encoder,
    encoder_checks,
    make_encoder,
    static_revision,
)

__all__ = [
    "Choice",
    "Encoded",
    "Encoder",
    "choose_encoder",
    "encoder_checks",
    "make_encoder",
    "static_revision",
]
