import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.encoders import Choice, Encoded
from core.errors import InputError
from core.features import embed, list_features, load_features
from core.ingest import init_pool
from core.pool import Pool
from core.project import Project
from core.stages import run_stage
from core.target_features import encode_target
from core.targets import add_target, add_target_from_rows
from core.vectors import check_vectors, import_features

ROWS = 50
DIM = 8


class HashEncoder:
    """Vectors that depend on the text alone; it can be told to break off."""

    name, revision, dim, max_tokens, device = "fake", "1", DIM, 20, "cpu"
    precision = "float32"

    def __init__(self, shard_rows=8, fail_at=None):
        self.shard_rows, self.fail_at = shard_rows, fail_at
        self.seen = []

    def encode(self, texts, done=None):
        if self.fail_at is not None and len(self.seen) + len(texts) > self.fail_at:
            raise KeyboardInterrupt
        self.seen += texts
        digests = [hashlib.sha256(text.encode()).digest() for text in texts]
        vectors = np.array([list(d[:DIM]) for d in digests], np.float32) - 127.5
        if done:
            done(len(texts))
        cut = sum(len(text) % 3 == 0 for text in texts)
        return Encoded(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), cut)


def make_project(folder, rows=ROWS):
    lines = [
        json.dumps({"instruction": f"ask {i}", "output": "say " + "x" * i}) for i in range(rows)
    ]
    (folder / "pool.jsonl").write_text("\n".join(lines) + "\n")
    init_pool(folder / "p", [folder / "pool.jsonl"])
    return Project.open(folder / "p")


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


def stored_bytes(project):
    return (project.artefact("features", project.pointer("features")) / "vectors.npy").read_bytes()


def folder_of(project):
    (folder,) = project.artefact("features", "").iterdir()
    return folder


def interrupt(project, encoders, at):
    encoders["minilm"].fail_at = at
    with pytest.raises(KeyboardInterrupt):
        embed(project, encoder="minilm")
    encoders["minilm"] = HashEncoder()


def expected(project):
    texts = Pool.open(project).texts(0, ROWS)
    return HashEncoder().encode(texts).vectors.astype(np.float16)


def test_every_row_gets_the_vector_of_its_text(project, encoders):
    calls = []
    report = embed(project, encoder="minilm", progress=lambda *call: calls.append(call))
    features = load_features(project)
    np.testing.assert_array_equal(features.vectors, expected(project))
    assert features.vectors.dtype == np.float16
    assert isinstance(features.vectors, np.memmap)
    assert (report.rows, report.dim, report.resumed_rows) == (ROWS, DIM, 0)
    assert report.truncated == sum(len(t) % 3 == 0 for t in Pool.open(project).texts(0, ROWS)) > 0
    assert report.rows_per_second > 0
    assert report.fingerprint == features.fingerprint
    assert features.encoder == "minilm"
    assert calls[-1][:2] == (ROWS, ROWS)
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert sorted(p.name for p in folder_of(project).iterdir()) == ["meta.json", "vectors.npy"]


def test_encoding_again_finds_everything(project, encoders):
    embed(project, encoder="minilm")
    before = stored_bytes(project)
    encoders["minilm"] = HashEncoder(fail_at=0)
    again = embed(project, encoder="minilm")
    assert (again.resumed_rows, again.rows_per_second) == (ROWS, 0.0)
    assert again.truncated > 0
    assert stored_bytes(project) == before


@pytest.mark.parametrize("at", [0, 7, 8, 23, 48, 49])
def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(project, encoders, tmp_path, at):
    interrupt(project, encoders, at)
    with pytest.raises(InputError, match="no features yet"):
        load_features(project)
    report = embed(project, encoder="minilm")
    assert report.resumed_rows == at // 8 * 8
    assert len(encoders["minilm"].seen) == ROWS - report.resumed_rows
    assert report.truncated == sum(len(t) % 3 == 0 for t in Pool.open(project).texts(0, ROWS))

    (tmp_path / "other").mkdir()
    whole = make_project(tmp_path / "other")
    embed(whole, encoder="minilm")
    assert stored_bytes(project) == stored_bytes(whole)


def cut_short(data):
    return data[: len(data) // 2]


def flip_a_vector(data):
    at = len(data) // 3
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def empty(_):
    return b""


def of_another_pool(_):
    import io

    out = io.BytesIO()
    np.savez(out, vectors=np.ones((3, DIM), np.float16), truncated=0)
    return out.getvalue()


@pytest.mark.parametrize("damage", [cut_short, flip_a_vector, empty, of_another_pool])
def test_a_damaged_shard_is_encoded_again(project, encoders, damage):
    interrupt(project, encoders, 33)
    shard = folder_of(project) / "shards" / "shard-00001.npz"
    shard.write_bytes(damage(shard.read_bytes()))
    report = embed(project, encoder="minilm")
    assert report.resumed_rows == 32 - 8
    np.testing.assert_array_equal(load_features(project).vectors, expected(project))


@settings(max_examples=60)
@given(at=st.integers(0, 10**6), change=st.integers(1, 255))
def test_any_changed_byte_of_a_shard_is_noticed_or_harmless(tmp_path_factory, at, change):
    from core.feature_store import Store

    folder = tmp_path_factory.mktemp("shard")
    (folder / "shards").mkdir()
    vectors = np.arange(32, dtype=np.float16).reshape(4, 8)
    path = folder / "shards" / "shard-00000.npz"
    np.savez(path, vectors=vectors, truncated=np.int64(2))
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= change
    path.write_bytes(data)
    if Store(folder, 4, 8)._read(0, 4) is not None:
        with np.load(path) as stored:
            np.testing.assert_array_equal(stored["vectors"], vectors)
            assert stored["truncated"] == 2


@pytest.mark.parametrize("name", ["vectors.npy", "meta.json"])
def test_damaged_features_are_refused_and_made_again(project, encoders, name):
    embed(project, encoder="minilm")
    before = stored_bytes(project)
    path = folder_of(project) / name
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"run `python -m core embed .*` again"):
        load_features(project)
    assert list_features(project) == []
    embed(project, encoder="minilm")
    assert stored_bytes(project) == before


def test_shards_of_another_precision_are_not_mixed_in(project, encoders):
    interrupt(project, encoders, 33)
    encoders["minilm"].precision = "bfloat16"
    assert embed(project, encoder="minilm").resumed_rows == 0


def test_shards_keep_their_size_on_another_device(project, encoders):
    interrupt(project, encoders, 33)
    encoders["minilm"].shard_rows = 16
    assert embed(project, encoder="minilm").resumed_rows == 32


def test_an_encoder_that_makes_no_numbers_is_refused(project, encoders, monkeypatch):
    def encode(texts, done=None):
        vectors = np.ones((len(texts), DIM), np.float32)
        vectors[["ask 19" in text for text in texts]] = np.nan
        return Encoded(vectors, 0)

    monkeypatch.setattr(encoders["minilm"], "encode", encode)
    with pytest.raises(InputError, match="no usable vector for row 19;"):
        embed(project, encoder="minilm")


def test_other_weights_are_other_features(project, encoders):
    first = embed(project, encoder="minilm").fingerprint
    encoders["minilm"].revision = "2"
    second = embed(project, encoder="minilm").fingerprint
    assert first != second
    assert load_features(project).fingerprint == second
    assert {meta["fingerprint"] for meta in list_features(project)} == {first, second}


def choose(monkeypatch, choice):
    monkeypatch.setattr("core.encoders.choose_encoder", lambda *_: choice)


def test_auto_says_what_it_took_and_why(project, encoders, monkeypatch):
    choose(monkeypatch, Choice("static", "MiniLM would take an hour.", 3600.0))
    report = embed(project)
    assert (report.encoder, report.reason) == ("static", "MiniLM would take an hour.")
    assert report.minilm_seconds == 3600.0


def test_auto_tries_rows_from_all_over_the_pool(project, encoders, monkeypatch):
    tried = []

    def look(texts, rows, device):
        tried.extend(texts)
        assert (rows, device) == (ROWS, "cpu")
        return Choice("static", "because", None)

    monkeypatch.setattr("core.encoders.choose_encoder", look)
    embed(project, device="cpu")
    numbers = [int(text.split()[1]) for text in tried[:20]]
    assert min(numbers) < 5
    assert max(numbers) > 40 - 8


def test_auto_goes_on_with_what_was_begun(project, encoders, monkeypatch):
    interrupt(project, encoders, 33)
    choose(monkeypatch, Choice("static", "slow", 999.0))
    report = embed(project)
    assert (report.encoder, report.resumed_rows) == ("fake", 32)
    assert "began with minilm" in report.reason


def test_auto_does_not_go_back_from_minilm_to_static(project, encoders, monkeypatch):
    embed(project, encoder="minilm")
    choose(monkeypatch, Choice("static", "slow", 999.0))
    assert embed(project).resumed_rows == ROWS


KILLED = """
import sys, time
sys.path[:0] = [{root!r}, {tests!r}]
import core.encoders
from core.features import embed
from core.project import Project
from test_features import HashEncoder

class Slow(HashEncoder):
    def encode(self, texts, done=None):
        time.sleep(0.02)
        return super().encode(texts, done)

core.encoders.make_encoder = lambda *_: Slow(shard_rows=2)
print("ready", flush=True)
print(embed(Project.open({project!r}), encoder="minilm").resumed_rows)
"""


def test_a_killed_run_loses_at_most_one_shard(project, encoders, tmp_path):
    tests = Path(__file__).parent
    script = KILLED.format(root=str(tests.parent), tests=str(tests), project=str(project.root))
    kept = 0
    rng = np.random.default_rng(0)
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            shards = project.artefact("features", "").glob("*/shards/shard-*.npz")
            goal = kept + int(rng.integers(2, 6))
            while len(list(shards)) < goal and process.poll() is None:
                time.sleep(0.001)
                shards = project.artefact("features", "").glob("*/shards/shard-*.npz")
            time.sleep(float(rng.uniform(0, 0.02)))
            os.kill(process.pid, signal.SIGKILL)
        now = len(list(project.artefact("features", "").glob("*/shards/shard-*.npz")))
        assert now >= goal
        kept = now
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert int(found.stdout.split()[-1]) == kept * 2
    np.testing.assert_array_equal(load_features(project).vectors, expected(project))
    (tmp_path / "other").mkdir()
    whole = make_project(tmp_path / "other")
    embed(whole, encoder="minilm")
    assert stored_bytes(project) == stored_bytes(whole)


# Imported vectors


def vectors(rows=ROWS, dim=DIM, dtype=np.float32):
    return (10 * np.random.default_rng(1).normal(size=(rows, dim))).astype(dtype)


def as_npy(path, values):
    np.save(path / "v.npy", values)
    return path / "v.npy"


def as_npz(path, values):
    np.savez(path / "v.npz", other=np.zeros(3), features=values)
    return path / "v.npz"


def as_compressed_npz(path, values):
    np.savez_compressed(path / "v.npz", anything=values)
    return path / "v.npz"


def as_parquet(path, values):
    kind = pa.from_numpy_dtype(values.dtype)
    table = pa.table({"id": list(range(len(values))), "e": pa.array(list(values), pa.list_(kind))})
    pq.write_table(table, path / "v.parquet", row_group_size=7)
    return path / "v.parquet"


def as_fixed_size_parquet(path, values):
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    table = pa.table({"e": pa.FixedSizeListArray.from_arrays(flat, values.shape[1])})
    pq.write_table(table, path / "v.parquet")
    return path / "v.parquet"


WRITERS = [as_npy, as_npz, as_compressed_npz, as_parquet, as_fixed_size_parquet]


@pytest.mark.parametrize("block", [7, 1000])
@pytest.mark.parametrize("write", WRITERS)
def test_vectors_are_imported_with_unit_norm(project, tmp_path, monkeypatch, write, block):
    monkeypatch.setattr("core.vectors._BLOCK_ROWS", block)
    given_vectors = vectors()
    report = import_features(project, write(tmp_path, given_vectors))
    features = load_features(project)
    assert (report.rows, report.dim) == (ROWS, DIM)
    assert features.vectors.dtype == np.float32
    norms = np.linalg.norm(given_vectors.astype(float), axis=1, keepdims=True)
    np.testing.assert_allclose(features.vectors, given_vectors / norms, atol=1e-6)
    assert features.encoder.startswith("imported from v.")


@pytest.mark.parametrize("write", [as_npy, as_compressed_npz])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4", np.int32])
def test_any_numbers_in_any_order_can_be_imported(project, tmp_path, write, order, dtype):
    given_vectors = np.array(vectors(), dtype, order=order)
    given_vectors[:, 0] += 40
    import_features(project, write(tmp_path, given_vectors))
    wide = given_vectors.astype(float)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    np.testing.assert_allclose(load_features(project).vectors, wide / norms, atol=1e-6)


@pytest.mark.parametrize("block", [7, 1000])
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("value", "why"),
    [(np.nan, "NaN or infinite"), (-np.inf, "NaN or infinite"), (0.0, "the zero vector")],
)
def test_an_unusable_vector_is_refused_with_its_row(
    project, tmp_path, monkeypatch, write, value, why, block
):
    monkeypatch.setattr("core.vectors._BLOCK_ROWS", block)
    bad = vectors()
    bad[37] = value
    with pytest.raises(InputError, match=rf"^Row 37 of .* is {why}"):
        import_features(project, write(tmp_path, bad))
    assert project.pointer("features") is None
    assert not list(project.root.rglob("vectors.npy"))


def test_a_number_too_large_for_float32_is_refused(project, tmp_path):
    bad = vectors(dtype=np.float64)
    bad[3, 3] = 1e300
    with pytest.raises(InputError, match=r"^Row 3 of"):
        import_features(project, as_npy(tmp_path, bad))


def test_vectors_whose_squares_overflow_are_imported(project, tmp_path):
    import_features(project, as_npy(tmp_path, vectors() * np.float32(1e37)))
    wide = vectors().astype(float)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    np.testing.assert_allclose(load_features(project).vectors, wide / norms, atol=1e-6)


def ragged(path):
    lists = [[1.0] * (DIM - (i == 12)) for i in range(ROWS)]
    pq.write_table(pa.table({"e": lists}), path / "v.parquet")
    return path / "v.parquet"


def with_null(path):
    lists = [None if i == 12 else [1.0] * DIM for i in range(ROWS)]
    pq.write_table(pa.table({"e": pa.array(lists, pa.list_(pa.float32()))}), path / "v.parquet")
    return path / "v.parquet"


def with_null_number(path):
    lists = [[None if i == 12 else 1.0] * DIM for i in range(ROWS)]
    pq.write_table(pa.table({"e": pa.array(lists, pa.list_(pa.float32()))}), path / "v.parquet")
    return path / "v.parquet"


def of_texts(path):
    pq.write_table(pa.table({"e": [["a", "b"]] * ROWS}), path / "v.parquet")
    return path / "v.parquet"


def no_lists(path):
    pq.write_table(pa.table({"e": [1.0] * ROWS}), path / "v.parquet")
    return path / "v.parquet"


def two_arrays(path):
    np.savez(path / "v.npz", a=vectors(), b=vectors())
    return path / "v.npz"


def objects(path):
    np.save(path / "v.npy", np.array([[1.0, "x"]] * ROWS, object), allow_pickle=True)
    return path / "v.npy"


def objects_in_npz(path):
    np.savez(path / "v.npz", np.array([[1.0, "x"]] * ROWS, object), allow_pickle=True)
    return path / "v.npz"


def flat(path):
    return as_npy(path, np.ones(ROWS, np.float32))


def no_width(path):
    return as_npy(path, np.ones((ROWS, 0), np.float32))


def complex_numbers(path):
    return as_npy(path, vectors().astype(complex))


def words(path):
    return as_npy(path, np.array([["a", "b"]] * ROWS))


def too_few(path):
    return as_npy(path, vectors(ROWS - 1))


def too_many(path):
    return as_parquet(path, vectors(ROWS + 1))


def missing(path):
    return path / "nothing.npy"


def a_folder(path):
    return path


def cut(writer):
    def write(path):
        file = writer(path, vectors())
        file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
        return file

    write.__name__ = f"cut_{writer.__name__}"
    return write


def garbled(writer):
    def write(path):
        file = writer(path, vectors())
        data = bytearray(file.read_bytes())
        for at in range(len(data) // 4, len(data) // 2, 7):
            data[at] ^= 0x5A
        file.write_bytes(data)
        return file

    write.__name__ = f"garbled_{writer.__name__}"
    return write


def text_file(path):
    (path / "v.npy").write_text("1,2,3\n" * ROWS)
    return path / "v.npy"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (ragged, "Row 12 of .* has 7 numbers, row 0 has 8"),
        (with_null, "Row 12 of .* has 0 numbers"),
        (with_null_number, "Row 12 of .* is NaN"),
        (of_texts, "Column e .* holds string"),
        (no_lists, "columns of lists: none"),
        (two_arrays, "arrays: a, b; name one with --column"),
        (objects, "Python objects"),
        (objects_in_npz, "Python objects"),
        (flat, r"shape \(rows, dim\), got shape \(50,\)"),
        (no_width, "shape"),
        (complex_numbers, "complex128, not numbers"),
        (words, "not numbers"),
        (too_few, "49 vectors, but the pool has 50 rows"),
        (too_many, "51 vectors, but the pool has 50 rows"),
        (missing, "There is no file"),
        (a_folder, "There is no file"),
        (text_file, "Cannot read vectors"),
        (cut(as_npy), "Cannot read vectors"),
        (cut(as_npz), "Cannot read vectors"),
        (cut(as_parquet), "Cannot read vectors"),
        (garbled(as_compressed_npz), "Cannot read vectors"),
        (garbled(as_parquet), "."),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_files_that_do_not_fit_are_refused(project, tmp_path, make, why):
    with pytest.raises(InputError, match=why) as refused:
        import_features(project, make(tmp_path))
    assert "\n" not in str(refused.value)
    assert project.pointer("features") is None
    assert not list(project.root.rglob("vectors.npy"))


def test_one_of_several_arrays_can_be_named(project, tmp_path):
    path = two_arrays(tmp_path)
    report = import_features(project, path, column="b")
    np.testing.assert_allclose(
        load_features(project).vectors[0] * np.linalg.norm(vectors()[0]), vectors()[0], rtol=1e-5
    )
    assert import_features(project, path, column="a").fingerprint != report.fingerprint
    with pytest.raises(InputError, match="arrays: a, b"):
        import_features(project, path, column="c")
    with pytest.raises(InputError, match="single array"):
        import_features(project, as_npy(tmp_path, vectors()), column="a")


@settings(max_examples=50)
@given(st.integers(1, 20), st.integers(1, 9), st.floats(1e-30, 1e30))
def test_checked_vectors_point_the_same_way_with_norm_one(rows, dim, scale):
    raw = np.random.default_rng(rows * dim).normal(size=(rows, dim)) + 0.01
    checked = check_vectors(raw * scale, source="here")
    np.testing.assert_allclose(np.linalg.norm(checked, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        checked, raw / np.linalg.norm(raw, axis=1, keepdims=True), rtol=1e-4, atol=1e-6
    )


# Target sets


def add(project, tmp_path, count=3):
    lines = [json.dumps({"instruction": f"want {i}", "output": "yes"}) for i in range(count)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines) + "\n")
    add_target(project, "t", [tmp_path / "t.jsonl"])


def test_a_target_is_encoded_like_the_pool_and_kept(project, encoders, tmp_path):
    embed(project, encoder="minilm")
    add(project, tmp_path)
    found = encode_target(project, "t")
    texts = [f"want {i}\nyes" for i in range(3)]
    np.testing.assert_array_equal(found, HashEncoder().encode(texts).vectors)
    assert found.dtype == np.float32
    encoders["minilm"].fail_at = 0
    np.testing.assert_array_equal(encode_target(project, "t"), found)


def test_damaged_target_vectors_are_made_again(project, encoders, tmp_path):
    embed(project, encoder="minilm")
    add(project, tmp_path)
    found = encode_target(project, "t")
    (path,) = project.targets_dir.glob("*.npy")
    path.write_bytes(path.read_bytes()[:-9])
    np.testing.assert_array_equal(encode_target(project, "t"), found)


def test_another_set_of_the_same_name_is_encoded_anew(project, encoders, tmp_path):
    embed(project, encoder="minilm")
    add(project, tmp_path)
    encode_target(project, "t")
    (project.targets_dir / "t.json").unlink()
    add(project, tmp_path, 5)
    assert len(encode_target(project, "t")) == 5


def test_a_changed_encoder_does_not_encode_targets(project, encoders, tmp_path):
    embed(project, encoder="minilm")
    add(project, tmp_path)
    encoders["minilm"].revision = "2"
    with pytest.raises(InputError, match="changed since"):
        encode_target(project, "t")


def test_rows_of_the_pool_need_no_encoder(project, encoders):
    embed(project, encoder="minilm")
    add_target_from_rows(project, "t", np.array([4, 9]))
    encoders["minilm"].fail_at = 0
    np.testing.assert_array_equal(
        encode_target(project, "t"), load_features(project).vectors[[4, 9]]
    )


@pytest.mark.parametrize("origin", [{"files": ["t.jsonl"]}, {"rows": [1, 4, 5]}])
def test_imported_features_need_imported_targets(project, tmp_path, origin):
    import_features(project, as_npy(tmp_path, vectors()))
    add(project, tmp_path)
    with pytest.raises(InputError, match="imported, so those of the target 't' must be too"):
        encode_target(project, "t")
    options = {"name": "u", "features": str(tmp_path / "v.npy")} | origin
    if "files" in origin:
        options["files"] = [str(tmp_path / "t.jsonl")]
    before = sorted(project.targets_dir.iterdir())
    (tmp_path / "v.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="damaged"):
        run_stage("target", project.root, options)
    for rows, dim, why in ((4, DIM, "4 vectors for 3"), (3, 5, "width 5; the pool's have 8")):
        np.save(tmp_path / "v.npy", vectors(rows, dim))
        with pytest.raises(InputError, match=why):
            run_stage("target", project.root, options)
    assert sorted(project.targets_dir.iterdir()) == before  # nothing of it is left behind
    np.save(tmp_path / "v.npy", vectors(3))
    assert run_stage("target", project.root, options).rows == 3
    found = encode_target(project, "u")
    wide = vectors(3).astype(float)
    np.testing.assert_allclose(found, wide / np.linalg.norm(wide, axis=1, keepdims=True), 1e-5)
    with pytest.raises(InputError, match="A target set u exists already"):
        run_stage("target", project.root, {"name": "u", "rows": [7]})
