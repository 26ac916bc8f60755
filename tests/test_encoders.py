import functools
import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.devices import resolve_device
from core.encoders import Encoded, choose_encoder, encoder_checks, make_encoder, registry, weights
from core.encoders.base import by_tokens, unit
from core.encoders.bert import BertEncoder, BertShape
from core.encoders.madd import has_avx2
from core.encoders.openvino_engine import OpenVinoEngine
from core.encoders.quantized import Embedding, Int16Engine, Linear
from core.encoders.static import StaticEncoder
from core.encoders.torch_encoder import TorchEncoder
from core.errors import InputError

needs_avx2 = pytest.mark.skipif(not has_avx2(), reason="the int16 engine is for AVX2")

LETTERS = "abcdefghijklmnopqrs"
WORDS = [*LETTERS, *map("".join, pairwise(LETTERS)), *"123+="]
LIMIT = 24
rng = np.random.default_rng(7)
TEXTS = [
    " ".join(rng.choice(WORDS, size)) for size in [1, 2, 3, 7, 13, 14, 15, 16, 17, 21, 22, 23, 40]
]
TEXTS += ["", "   ", "unknown wörds", "The CAT sat.", "x" * 400, "the " * 300, TEXTS[3]]


def tiny_folder(path, pooling="mean", **changes):
    """A BERT of random weights, saved by sentence-transformers itself."""
    import torch
    from sentence_transformers import SentenceTransformer, models
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece
    from transformers import AutoModel, BertConfig, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]"]
    vocabulary = {
        word: i
        for i, word in enumerate([*special, *WORDS, "##s", ".", "x", "##x", "the", "cat", "sat"])
    }
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]", model_max_length=LIMIT,
    )  # fmt: skip
    torch.manual_seed(0)
    config = BertConfig(
        **{
            "vocab_size": len(vocabulary), "hidden_size": 64, "num_hidden_layers": 3,
            "num_attention_heads": 4, "intermediate_size": 96, "max_position_embeddings": 64,
            "initializer_range": 0.3,
        } | changes
    )  # fmt: skip
    network = AutoModel.from_config(config)
    with torch.no_grad():  # weights as uneven as those of a trained network
        for name, value in network.named_parameters():
            if "LayerNorm.weight" in name:
                value.uniform_(0.3, 2)
            elif "bias" in name:
                value.normal_(0, 0.3)
    network.save_pretrained(path / "network")
    fast.save_pretrained(path / "network")
    text = models.Transformer(str(path / "network"), max_seq_length=LIMIT)
    model = SentenceTransformer(
        modules=[text, models.Pooling(64, pooling_mode=pooling), models.Normalize()]
    )
    model.save_pretrained(str(path / "model"))
    return path / "model"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return tiny_folder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_cls(tmp_path_factory):
    return tiny_folder(tmp_path_factory.mktemp("tiny-cls"), "cls")


def oracle(folder, texts, **options):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    return model.encode(list(texts), normalize_embeddings=True, **options)


def bert(folder, engine):
    model = weights.checked(folder, "tiny", "here")
    shape = BertShape.of(model)
    assert shape is not None
    return BertEncoder("tiny", model.revision(), shape, engine(shape))


def by_torch(folder):
    model = weights.checked(folder, "tiny", "here")
    return TorchEncoder("tiny", model.revision(), model, "cpu")


@functools.cache
def encoder_by(kind, folder):
    if kind == "torch":
        return by_torch(folder)
    by_openvino = functools.partial(OpenVinoEngine, precision="float32")
    return bert(folder, Int16Engine if kind == "int16" else by_openvino)


# Against sentence-transformers


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


# The int16 kernels


@needs_avx2
@settings(max_examples=40)
@given(
    rows=st.integers(1, 48),
    outputs=st.integers(1, 5),
    inputs=st.integers(1, 6),
    seed=st.integers(0, 10**6),
)
def test_the_product_is_that_of_whole_numbers(rows, outputs, inputs, seed):
    from core.encoders import int16

    draw = np.random.default_rng(seed)
    linear = Linear.of(
        draw.normal(size=(1, 16 * outputs, 16 * inputs))
        * draw.exponential(size=(1, 16 * outputs, 1)),
        draw.normal(size=(1, 16 * outputs)),
    )
    values = (draw.standard_cauchy(size=(48, 16 * inputs))).astype(np.float32)
    whole, scales = np.zeros((48, 16 * inputs), np.int16), np.zeros(48, np.float32)
    int16._largest(values, rows, scales)
    int16._quantize(values, linear.limit, whole, scales, rows)
    assert np.abs(whole[:rows]).max(axis=1).tolist() == [int(linear.limit)] * rows
    np.testing.assert_allclose(
        whole[:rows] * scales[:rows, None], values[:rows], atol=float(scales[:rows].max()) * 0.51
    )
    out = np.full((48, 16 * outputs), np.nan, np.float32)
    int16._linear(whole, scales, rows, linear.panels[0], linear.scales[0], linear.biases[0], out)
    panels = linear.panels[0].reshape(outputs, 8 * inputs, 16, 2)
    integers = panels.transpose(0, 2, 1, 3).reshape(16 * outputs, 16 * inputs).astype(np.int64)
    sums = whole[:rows].astype(np.int64) @ integers.T
    expected = sums * (scales[:rows, None] * linear.scales[0]) + linear.biases[0]
    np.testing.assert_allclose(out[:rows], expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=60)
@given(st.integers(1, 40), st.sampled_from(["normal", "flat", "peak", "zero"]), st.integers(0, 99))
def test_no_input_can_overflow_a_sum(inputs, kind, seed):
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(2, 16, 16 * inputs))
    if kind == "flat":
        values = np.sign(values)
    elif kind == "peak":
        values[:, :, 0] = 1e4
    elif kind == "zero":
        values[:, :3] = 0
    linear = Linear.of(values, np.zeros((2, 16)))
    integers = linear.panels.reshape(2, 1, 8 * inputs, 16, 2).astype(np.int64)
    largest = np.abs(integers).sum(axis=(2, 4)).max() * int(linear.limit)
    assert largest <= 2**31 - 1
    assert linear.limit >= 500 or kind == "flat"
    assert np.isfinite(linear.scales).all()


@needs_avx2
def test_gelu_softmax_and_norm_are_near_enough():
    from core.encoders import int16

    x = np.linspace(-12, 12, 4 * 4096).astype(np.float32).reshape(4, -1)
    found = x.copy()
    tops = np.zeros(4, np.float32)
    int16._gelu(found, 4, tops)
    np.testing.assert_array_equal(tops, np.abs(found).max(axis=1))
    exact = np.array([v / 2 * (1 + math.erf(v / math.sqrt(2))) for v in x.ravel().astype(float)])
    np.testing.assert_allclose(found.ravel(), exact, atol=5e-5)

    for length in (1, 2, 31, 32, 33, 60):
        scores = np.random.default_rng(length).normal(0, 5, size=(6, 64)).astype(np.float32)
        e = np.exp(scores[:, :length] - scores[:, :length].max(axis=1, keepdims=True))
        whole = np.full((6, 64), 99, np.int16)
        int16._softmax(scores, length, whole)
        expected = e / e.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(whole[:, :length] / 32767, expected, atol=4e-5)
        assert (whole[:, length : (length + 1) // 2 * 2] == 0).all()

    import torch

    hidden, update = np.random.default_rng(1).normal(size=(2, 5, 96)).astype(np.float32)
    weight, bias = np.random.default_rng(2).normal(size=(2, 96)).astype(np.float32)
    expected = torch.nn.functional.layer_norm(
        torch.tensor(hidden[1:4] + update[:3]),
        (96,),
        torch.tensor(weight),
        torch.tensor(bias),
        1e-5,
    )
    before = hidden.copy()
    int16.add_norm(hidden, update, weight, bias, np.float32(1e-5), 1, 3)
    np.testing.assert_allclose(hidden[1:4], expected.numpy(), atol=1e-5)
    np.testing.assert_array_equal(hidden[[0, 4]], before[[0, 4]])


@needs_avx2
def test_vectors_do_not_depend_on_whether_the_kernels_were_compiled_or_loaded(tiny, tmp_path):
    """This process has done one of the two, as the tests before found them; another does the other.

    So a fresh clone compiles them once.
    """
    from core.encoders import int16

    script = """
import hashlib, pathlib, sys
from core.encoders import int16
from core.encoders.bert import BertEncoder, BertShape
from core.encoders.quantized import Int16Engine
from core.encoders.weights import checked
model = checked(pathlib.Path(sys.argv[1]), "tiny", "here")
shape = BertShape.of(model)
vectors = BertEncoder("tiny", "1", shape, Int16Engine(shape)).encode(sys.argv[2:]).vectors
print(hashlib.sha256(vectors.tobytes()).hexdigest(), bool(int16.run_layers.stats.cache_misses))
"""
    vectors = encoder_by("int16", tiny).encode(TEXTS).vectors
    compiled = bool(int16.run_layers.stats.cache_misses)
    empty = {} if compiled else {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script, tiny, *TEXTS], capture_output=True, text=True,
        check=True, cwd=Path(__file__).parents[1], env=os.environ | empty,
    )  # fmt: skip
    assert done.stdout.split() == [
        hashlib.sha256(vectors.tobytes()).hexdigest(), str(not compiled),
    ]  # fmt: skip


@needs_avx2
def test_the_first_layers_queries_keys_and_values_are_those_of_the_network():
    import torch

    draw = np.random.default_rng(0)
    words = draw.normal(1, 2, (700, 32)).astype(np.float32)
    positions, weights = draw.normal(size=(2, 96, 32)).astype(np.float32)
    weight, bias, biases = (draw.normal(size=n).astype(np.float32) for n in (32, 32, 96))

    def embedding():
        return Embedding(words, positions, [weight, bias], weights, biases, np.float32(1e-5))

    texts = [[5, 699, 300], [5], [255, 256, 257, 5]]
    ids, places = np.concatenate(texts).astype(np.int64), [0, 1, 2, 0, 0, 1, 2, 3]
    mine = embedding()
    mine.learn(ids)
    hidden, qkv = mine.of(texts, np.array([0, 3, 4, 8]))
    expected = torch.nn.functional.layer_norm(
        torch.tensor(words[ids] + positions[places]),
        (32,),
        torch.tensor(weight),
        torch.tensor(bias),
        1e-5,
    )
    np.testing.assert_allclose(hidden, expected.numpy(), atol=1e-5)
    linear = torch.nn.functional.linear(expected, torch.tensor(weights), torch.tensor(biases))
    np.testing.assert_allclose(qkv[:8], linear.numpy(), atol=5e-3)  # of 25

    with pytest.raises(InputError, match="token 700, but the model has 700"):
        mine.learn(np.array([3, 700]))

    # Not a bit depends on which words came before.
    other = embedding()
    for word in reversed(ids):
        other.learn(np.array([word]))
    np.testing.assert_array_equal(other.of(texts, np.array([0, 3, 4, 8]))[1][:8], qkv[:8])


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


# Static


@pytest.fixture
def own_cache(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("WINNOW_MINILM", str(tiny))
    monkeypatch.setenv("WINNOW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


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


# Where weights come from


def fake_package(tmp_path, monkeypatch, folder):
    package = tmp_path / "site" / weights.MINILM_PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('must not be imported')\n")
    shutil.copytree(folder, package / "model")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delenv("WINNOW_MINILM", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_a_package_with_other_weights_is_refused(tiny, tmp_path, monkeypatch):
    fake_package(tmp_path, monkeypatch, tiny)
    with pytest.raises(InputError, match=r"SHA-256 differs\); reinstall") as refused:
        make_encoder("minilm")
    assert "\n" not in str(refused.value)
    (name, ok, detail), *_ = encoder_checks()
    assert (name, ok) == ("minilm", False)
    assert "SHA-256" in detail


def test_places_are_searched_in_order(tiny, tiny_cls, tmp_path, monkeypatch):
    fake_package(tmp_path, monkeypatch, tiny)
    sha256 = weights.file_sha256(tiny / "model.safetensors")
    monkeypatch.setattr(weights, "MINILM_SHA256", sha256)
    assert "package" in weights.find_minilm().origin

    model = tmp_path / "hub" / "models--sentence-transformers--all-MiniLM-L6-v2"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("abc123")
    shutil.copytree(tiny, model / "snapshots" / "abc123")
    assert "cache" in weights.find_minilm().origin

    monkeypatch.setenv("WINNOW_MINILM", str(tiny_cls))
    assert weights.find_minilm().path == tiny_cls
    monkeypatch.setenv("WINNOW_MINILM", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"no config\.json"):
        weights.find_minilm()


def test_without_weights_and_network_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv("WINNOW_MINILM", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(weights, "MINILM_PACKAGE", "no_such_package")
    for spec in ("minilm", "static", "someone/some-model"):
        with pytest.raises(InputError, match=r"Cannot get .* from the Hugging Face hub") as refused:
            make_encoder(spec, "cpu")
        assert "\n" not in str(refused.value)
    assert [check[1] for check in encoder_checks()] == [False, True]


def needs_code(folder):
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "modeling_evil.Evil"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling_evil.py").write_text("raise SystemExit('must not be run')\n")


def needs_module_code(folder):
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "evil.Evil"
    (folder / "modules.json").write_text(json.dumps(modules))


def only_pickle(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def no_config(folder):
    (folder / "config.json").unlink()


def broken_config(folder):
    (folder / "config.json").write_text("{")


def broken_modules(folder):
    (folder / "modules.json").write_text('{"a": 1}')


def broken_tokenizer(folder):
    (folder / "tokenizer.json").write_text("{")


def broken_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (needs_code, "program code of its own"),
        (needs_module_code, "program code of its own"),
        (only_pickle, "no .safetensors"),
        (no_config, r"no config\.json"),
        (broken_config, "damaged"),
        (broken_modules, "damaged"),
        (broken_tokenizer, "cannot be read"),
        (broken_weights, "cannot be"),
    ],
)
def test_unfit_folders_are_refused(tiny, tmp_path, spoil, why):
    folder = tmp_path / "spoilt"
    shutil.copytree(tiny, folder)
    spoil(folder)
    with pytest.raises(InputError, match=why) as refused:
        make_encoder(str(folder), "cpu").encode(["text"])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("spec", ["", "minilm2", "/no/such/folder", "a/b/c", "../up", "auto"])
def test_unknown_encoders_are_refused(spec):
    with pytest.raises(InputError):
        make_encoder(spec, "cpu")


def test_a_folder_with_other_contents_is_another_revision(tiny, tiny_cls, tmp_path):
    shutil.copytree(tiny, tmp_path / "moved")
    revisions = [
        weights.checked(f, "n", "o").revision() for f in (tiny, tmp_path / "moved", tiny_cls)
    ]
    assert revisions[0] == revisions[1] != revisions[2]


def test_devices(monkeypatch):
    assert resolve_device("cpu") == "cpu"
    with pytest.raises(InputError, match="Unknown device 'gpu'"):
        make_encoder("static", "gpu")
    monkeypatch.setattr("core.devices.has_cuda", lambda: False)
    assert resolve_device("auto") == "cpu"
    with pytest.raises(InputError, match="No CUDA device"):
        make_encoder("minilm", "cuda")
    monkeypatch.setattr("core.devices.has_cuda", lambda: True)
    assert resolve_device("auto") == resolve_device("cuda") == "cuda"


# What `auto` takes


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


# Helpers


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
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", script], check=True, cwd=root)
