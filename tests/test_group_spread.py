"""How unlike the rows of a group are, against all pairs of a plain product."""

import json
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import core
from core import group_spread as module
from core.cli import main
from core.decisions import decide
from core.features import load_features
from core.group_spread import group_spread
from core.near_duplicates import DuplicateGroups, duplicate_groups, group_rows
from core.project import Project
from core.spanning_forest import spanning_forest

COSINE = 0.85


def groups_of(sizes, rng):
    rows = np.concatenate([np.sort(part) for part in np.split(
        rng.permutation(sum(sizes) + 5)[: sum(sizes)], np.cumsum(sizes)[:-1]
    )])  # fmt: skip
    return DuplicateGroups(0.9, rows.astype(np.int64), np.append(0, np.cumsum(sizes)))


def plain(vectors, rows):
    unit = vectors[rows].astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    found = unit @ unit.T
    np.fill_diagonal(found, np.inf)
    return found


@settings(max_examples=40)
@given(
    sizes=st.lists(st.integers(2, 9), min_size=1, max_size=12),
    together=st.sampled_from([1, 40, 1 << 20]),
    values=st.sampled_from([1, 50, 1 << 24]),
    copies=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_the_two_least_alike_rows_of_each_group(sizes, together, values, copies, seed):
    rng = np.random.default_rng(seed)
    groups = groups_of(sorted(sizes, reverse=True), rng)
    vectors = rng.standard_normal((groups.rows.max() + 1, 6)).astype(np.float16)
    if copies:
        vectors[:] = vectors[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_TOGETHER", together)
        patch.setattr(module, "_VALUES", values)
        spread = group_spread(groups, vectors)
    for number in range(len(groups)):
        rows = groups[number]
        found = plain(vectors, rows)
        first, second = np.searchsorted(rows, spread.pairs[number])
        assert first < second and rows[[first, second]].tolist() == spread.pairs[number].tolist()
        assert spread.cosines[number] == pytest.approx(found.min(), abs=1e-6)
        assert found[first, second] == pytest.approx(found.min(), abs=1e-6)
    assert spread.exact.all()
    assert spread.cosines[spread.worst] == spread.cosines.min()


def test_of_a_large_group_a_sample_is_looked_at_and_that_is_said(monkeypatch):
    monkeypatch.setattr(module, "LOOKED_AT", 5)
    rng = np.random.default_rng(0)
    groups = groups_of([17, 6, 5, 2], rng)
    vectors = rng.standard_normal((40, 4))
    spread = group_spread(groups, vectors)
    assert spread.exact.tolist() == [False, False, True, True]
    for number in range(4):
        rows = groups[number]
        looked = rows[np.round(np.linspace(0, len(rows) - 1, min(5, len(rows)))).astype(int)]
        assert spread.cosines[number] == pytest.approx(plain(vectors, looked).min(), abs=1e-6)
        assert set(spread.pairs[number]) <= set(looked)
    assert [spread.said(number)[:2] == "≤ " for number in range(4)] == [True, True, False, False]
    assert spread.said() == f"≤ {spread.cosines.min():.3f}"  # a sampled group may hold a lower one


def test_ends_of_a_chain_are_far_apart_though_each_link_is_close():
    angles = np.deg2rad(np.arange(0, 91, 10))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    groups = group_rows(spanning_forest(vectors), 0.98, np.zeros(10, bool))
    spread = group_spread(groups, vectors)
    assert groups.sizes.tolist() == [10] and spread.pairs.tolist() == [[0, 9]]
    assert spread.cosines[0] == pytest.approx(0, abs=1e-6)


def test_no_groups_have_no_spread():
    nothing = DuplicateGroups(0.9, np.empty(0, np.int64), np.zeros(1, np.int64))
    assert not len(group_spread(nothing, np.ones((3, 2))).cosines)


def test_it_keeps_up_with_a_slider():
    """One huge group, many small ones; 0.05 s alone, and others may work on the machine."""
    sizes = [20_000, 3_000, *[40] * 200, *[2] * 4_000]
    rng = np.random.default_rng(1)
    groups = groups_of(sizes, rng)
    vectors = rng.standard_normal((sum(sizes) + 5, 128), dtype=np.float32).astype(np.float16)
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        group_spread(groups, vectors)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.5


def test_memory_does_not_grow_with_the_number_of_pairs(monkeypatch):
    monkeypatch.setattr(module, "_VALUES", 1 << 16)  # 256 KB in float32
    groups = DuplicateGroups(0.9, np.arange(16_000), np.arange(0, 16_001, 2))
    vectors = np.random.default_rng(0).standard_normal((16_000, 64)).astype(np.float16)
    tracemalloc.start()
    group_spread(groups, vectors)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20  # of 4 MB that all vectors have in float32; the answer has 0.3


def test_python_and_the_command_line_say_the_same_of_kept_rows(mapped_root, capfd):
    project = Project.open(mapped_root)
    workspace = core.open_project(mapped_root)
    rows = workspace.duplicates(COSINE)[0]
    decide(project, 240, "drop", rows[:1], "test")
    spread = workspace.duplicate_spread(COSINE)
    groups = duplicate_groups(project, COSINE)
    vectors = load_features(project).vectors
    lowest = [plain(vectors, groups[number]).min() for number in range(len(groups))]
    np.testing.assert_allclose(spread.cosines, lowest, atol=1e-6)
    args = ["duplicates", str(mapped_root), "--cosine", str(COSINE)]
    assert main(["--json", *args]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["least_alike"]["lowest_cosine"] == pytest.approx(min(lowest), abs=1e-4)
    assert said["least_alike"]["rows"] == len(groups[spread.worst])
    for number, one in enumerate(said["largest"]):
        assert one["rows"] == len(groups[number]) and one["exact"]
        assert one["lowest_cosine"] == pytest.approx(lowest[number], abs=1e-4)
        assert one["pair"] == spread.pairs[number].tolist()
    assert main(args) == 0
    out = capfd.readouterr().out
    assert f"cosine {min(lowest):.3f}: rows " in out and "lowest cosine" in out
    assert "sample" not in out
    assert main(["duplicates", str(mapped_root), "--cosine", "1"]) == 0
    assert "least alike" not in capfd.readouterr().out
