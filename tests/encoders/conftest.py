"""Small networks, made once."""

import pytest
from tiny_bert import tiny_folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return tiny_folder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_cls(tmp_path_factory):
    return tiny_folder(tmp_path_factory.mktemp("tiny-cls"), "cls")


@pytest.fixture
def own_cache(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("WINNOW_MINILM", str(tiny))
    monkeypatch.setenv("WINNOW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
