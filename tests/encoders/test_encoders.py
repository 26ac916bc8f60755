"""Every engine against sentence-transformers, and what all have in common."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_bert import LIMIT, TEXTS, encoder_by, needs_avx2, oracle, tiny_folder

from core.encoders import make_encoder, weights
from core.encoders.base import by_tokens, unit
from core.encoders.torch_encoder import TorchEncoder


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("kind", [pytest.param("int16", marks=needs_avx2), "openvino", "torch"])
def test_vectors_are_those_of_sentence_transformers(request, kind, pooling):
    folder = request.getfixturevalue("tiny" if pooling == "mean" else "tiny_cls")
    encoder = encoder_by(kind, folder)
    found = encoder.encode(TEXTS)
    expected = oracle(folder, TEXTS)
    assert found.vectors.dtype == np.float32
    assert found.vectors.shape == (len(TEXTS), encoder.dim) == (len(TEXTS), 64)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)
    assert (found.vectors * expected).sum(axis=1).min() > 0.9999
    np.testing.assert_allclose(found.vectors, expected, atol=3e-3 if kind == "int16" else 1e-5)
    # Not because all texts are alike:
    assert (expected @ expected.T).min() < 0.9


@pytest.mark.parametrize("kind", [pytest.param("int16", marks=needs_avx2), "openvino", "torch"])
def test_truncated_texts_are_counted(tiny, kind):
    encoder = encoder_by(kind, tiny)
    assert encoder.max_tokens == LIMIT
    exact = "cat " * (LIMIT - 2)  # with both ends just as many as are read
    assert encoder.encode([exact, exact + "b", "b", "b " * 900]).truncated == 2
    two = encoder.encode([exact, exact + "b"]).vectors
    np.testing.assert_allclose(two[0], two[1], atol=1e-5)


@needs_avx2
def test_a_vector_does_not_depend_on_the_other_texts(tiny):
    encoder = encoder_by("int16", tiny)
    together = encoder.encode(TEXTS * 20).vectors
    for i, text in enumerate(TEXTS):
        (alone,) = encoder.encode([text]).vectors
        for copy in range(20):
            np.testing.assert_array_equal(together[copy * len(TEXTS) + i], alone)


@pytest.mark.parametrize("kind", [pytest.param("int16", marks=needs_avx2), "openvino", "torch"])
def test_progress_and_no_texts(tiny, kind):
    encoder, seen = encoder_by(kind, tiny), []
    encoder.encode(TEXTS, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == len(TEXTS)
    none = encoder.encode([])
    assert none.vectors.shape == (0, 64)
    assert none.truncated == 0


def minilm_texts():
    source = Path(weights.__file__).read_text(encoding="utf-8")
    return [source[i * 150 : i * 150 + 40 + 9 * i] for i in range(18)] + [source, "你好，世界"]


def test_minilm_of_the_package_is_minilm(monkeypatch, tmp_path):
    monkeypatch.delenv("WINNOW_MINILM", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    encoder = make_encoder("minilm", "cpu")
    found = encoder.encode(minilm_texts())
    expected = oracle(weights.find_minilm(download=False).path, minilm_texts())
    assert (encoder.name, encoder.dim, encoder.max_tokens) == ("minilm", 384, 256)
    assert encoder.revision == weights.MINILM_SHA256[:16]
    assert found.truncated == 1
    assert (found.vectors * expected).sum(axis=1).min() > 0.9999
    np.testing.assert_allclose(found.vectors, expected, atol=2e-3)


def test_models_of_other_shapes_take_another_engine(tmp_path):
    folder = tiny_folder(tmp_path, num_attention_heads=8)  # heads of 8 do not fill a register
    encoder = make_encoder(str(folder), "cpu")
    assert encoder.precision != "int16"
    assert (encoder.encode(TEXTS).vectors * oracle(folder, TEXTS)).sum(axis=1).min() > 0.999


def test_models_that_are_no_plain_bert_go_through_sentence_transformers(tmp_path):
    from sentence_transformers import SentenceTransformer, models

    folder = tiny_folder(tmp_path, hidden_act="relu")
    assert isinstance(make_encoder(str(folder), "cpu"), TorchEncoder)
    dense = SentenceTransformer(str(folder), device="cpu")
    dense.add_module("3", models.Dense(64, 10))
    dense.prompts, dense.default_prompt_name = {"task": "a bc "}, "task"
    dense.save_pretrained(str(tmp_path / "dense"))
    encoder = make_encoder(str(tmp_path / "dense"), "cpu")
    assert encoder.dim == 10
    np.testing.assert_allclose(
        encoder.encode(TEXTS).vectors, oracle(tmp_path / "dense", TEXTS), atol=1e-5
    )


@settings(max_examples=100)
@given(st.lists(st.integers(1, 60), max_size=80), st.integers(1, 200), st.booleans())
def test_batches_hold_every_text_once_within_the_budget(lengths, budget, padded):
    batches = by_tokens(lengths, budget, padded=padded)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        sizes = [lengths[i] for i in batch]
        cost = max(sizes) * len(sizes) if padded else sum(sizes)
        assert cost <= budget or len(batch) == 1


def test_an_empty_vector_becomes_a_fixed_one():
    found = unit(np.array([[3, 4], [0, 0]], np.float32))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0.5**0.5, 0.5**0.5]], rtol=1e-6)


def test_encoders_are_light_to_import_and_need_no_other_stage():
    script = (
        "import sys\n"
        "for name in 'faiss duckdb umap sklearn streamlit'.split(): sys.modules[name] = None\n"
        "import core.encoders, core.features\n"
        "heavy = {'torch', 'openvino', 'numba', 'sentence_transformers', 'model2vec'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", script], check=True, cwd=root)
