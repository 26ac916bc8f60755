"""What `auto` takes."""

import numpy as np
import pytest

from core.encoders import Encoded, choose_encoder, registry
from core.errors import InputError


class Paced:
    """An encoder that takes a given time for each character, on a clock of its own."""

    device, name = "cpu", "minilm"

    def __init__(self, seconds_per_text, monkeypatch):
        self.pace, self.now, self.encoded = seconds_per_text, 0.0, 0
        monkeypatch.setattr(registry, "make_encoder", lambda *_: self)
        monkeypatch.setattr(registry.time, "perf_counter", lambda: self.now)

    def encode(self, texts, done=None):
        self.now += self.pace * len(texts)
        self.encoded += len(texts)
        return Encoded(np.ones((len(texts), 2), np.float32), 0)


@pytest.mark.parametrize(
    ("pace", "rows", "taken"),
    [
        (0.01, 11_000, "minilm"),
        (0.01, 13_000, "static"),
        (0.5, 100, "minilm"),
        (1e-5, 10**6, "minilm"),
    ],
)
def test_minilm_is_taken_when_it_is_done_in_two_minutes(monkeypatch, pace, rows, taken):
    encoder = Paced(pace, monkeypatch)
    choice = choose_encoder(["some text"] * 256, rows, "cpu")
    assert choice.encoder == taken
    assert choice.minilm_seconds == pytest.approx(pace * rows, rel=0.01)
    assert "MiniLM would take about" in choice.reason
    assert encoder.now < 3 + 16 * pace  # a short trial


def test_short_texts_that_are_tried_count_for_less(monkeypatch):
    Paced(0.5, monkeypatch)  # four short texts in two seconds
    texts = ["short"] * 16 + ["long " * 100] * 240
    assert choose_encoder(texts, 100, "cpu").minilm_seconds > 0.5 * 100 * 10


def test_static_is_taken_where_minilm_cannot_be_had(monkeypatch):
    def fail(*_):
        raise InputError("No weights.")

    monkeypatch.setattr(registry, "make_encoder", fail)
    choice = choose_encoder(["a"], 1, "cpu")
    assert (choice.encoder, choice.minilm_seconds) == ("static", None)
    assert "No weights." in choice.reason
