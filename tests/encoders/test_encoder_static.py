"""The static encoder: distilled once, and made again when damaged."""

import numpy as np
import pytest
from tiny_bert import TEXTS

from core.encoders import make_encoder, registry
from core.encoders.base import unit
from core.encoders.static import StaticEncoder


def test_static_is_distilled_once(own_cache, monkeypatch):
    told = []
    encoder = make_encoder("static", "cpu", lambda *call: told.append(call))
    assert isinstance(encoder, StaticEncoder)
    assert "distilling" in told[-1][2]
    found = encoder.encode(TEXTS)
    assert (found.vectors.shape, found.truncated) == ((len(TEXTS), encoder.dim), 0)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)
    monkeypatch.setattr(registry, "distil", None)
    np.testing.assert_array_equal(make_encoder("static").encode(TEXTS).vectors, found.vectors)


def test_static_vectors_are_means_of_weighted_components_of_single_tokens(own_cache, tiny):
    from sentence_transformers import SentenceTransformer

    encoder = make_encoder("static")
    model = SentenceTransformer(str(tiny), device="cpu")
    tokenizer = model.tokenizer
    kept = [i for i in range(len(tokenizer)) if "unused" not in tokenizer.convert_ids_to_tokens(i)]
    import torch

    with torch.inference_mode():
        ids = torch.tensor([[2, token, 3] for token in kept])
        hidden = model[0].auto_model(input_ids=ids).last_hidden_state.mean(dim=1).numpy()
    from sklearn.decomposition import PCA

    components = PCA(min(64, len(kept), encoder.dim), svd_solver="full").fit_transform(hidden)
    share = 1 / np.arange(2, len(kept) + 2)
    table = components * (1e-4 / (1e-4 + share / share.sum()))[:, None]
    texts = TEXTS[:13]
    expected = []
    for text in texts:
        tokens = [t for t in tokenizer.encode(text, add_special_tokens=False) if t != 1]
        expected.append(table[[kept.index(t) for t in tokens]].mean(axis=0))
    expected = unit(np.array(expected, np.float32))
    found = encoder.encode(texts).vectors
    # The signs of components are arbitrary, products of vectors are not.
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=0.02)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "winnow.json"])
def test_a_damaged_static_model_is_made_again(own_cache, name):
    before = make_encoder("static").encode(TEXTS).vectors
    (folder,) = own_cache.iterdir()
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-30] + bytes(30))
    np.testing.assert_array_equal(make_encoder("static").encode(TEXTS).vectors, before)
    assert (folder / name).read_bytes() == data
    assert [path.name for path in own_cache.iterdir()] == [folder.name]


def test_a_broken_off_distillation_leaves_nothing(own_cache):
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_encoder("static", "cpu", stop)
    assert not own_cache.exists() or not list(own_cache.iterdir())
