"""Vectors of a pool: kept in shards, gone on with, and never mixed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hash_encoder import (
    DIM,
    ROWS,
    HashEncoder,
    expected,
    folder_of,
    interrupt,
    make_project,
    stored_bytes,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from core.encoders import Choice, Encoded
from core.errors import InputError
from core.features import embed, list_features, load_features
from core.pool import Pool


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
