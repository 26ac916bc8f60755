"""A pool of 50 rows, and the encoder of it."""

import pytest
from hash_encoder import HashEncoder, make_project


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


@pytest.fixture
def encoders(monkeypatch):
    """Encoders by name, in place of the real ones."""
    known = {"minilm": HashEncoder(), "static": HashEncoder(32)}
    known["static"].name = "static"
    monkeypatch.setattr("core.encoders.make_encoder", lambda spec, *_: known[spec])
    return known
