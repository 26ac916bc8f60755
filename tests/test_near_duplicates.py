"""Near-duplicates of a project: groups of kept rows, all but one of each dropped."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import core
from core.cli import main
from core.decisions import decide, undo
from core.errors import InputError
from core.near_duplicates import (
    DuplicateGroups,
    drop_duplicates,
    duplicate_groups,
    extra_rows,
    find_duplicates,
    group_rows,
    load_forest,
    worth_of,
)
from core.pool import Pool
from core.project import Project
from core.spanning_forest import Forest, spanning_forest

COSINE = 0.85  # at which the planted topics hold some groups


@pytest.fixture
def project(mapped_root):
    return Project.open(mapped_root)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.8, 0.99))
def test_groups_hold_kept_rows_and_one_of_each_stays(seed, cosine):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((6, 5))[rng.integers(0, 6, 80)]
    forest = spanning_forest(vectors + 0.2 * rng.standard_normal(vectors.shape))
    dropped, pinned = rng.random(80) < 0.2, rng.random(80) < 0.1
    worth = rng.integers(0, 4, 80).astype(float)
    groups = group_rows(forest, cosine, dropped)
    label = forest.groups(cosine)
    listed = [groups[number].tolist() for number in range(len(groups))]
    wanted = [np.flatnonzero((label == one) & ~dropped).tolist() for one in np.unique(label)]
    assert sorted(listed) == sorted(one for one in wanted if len(one) > 1)
    assert [len(one) for one in listed] == sorted(map(len, listed), reverse=True)
    gone = set(extra_rows(groups, worth, pinned).tolist())
    for rows in listed:
        kept = [row for row in rows if row not in gone]
        if any(pinned[rows]):
            assert kept == [row for row in rows if pinned[row]]
        else:
            assert kept == [max(rows, key=lambda row: (worth[row], -row))]
    assert gone <= set(groups.rows.tolist())


def test_no_groups():
    nothing = Forest(4, 0.8, np.empty((0, 2), np.int32), np.empty(0, np.float32))
    groups = group_rows(nothing, 0.9, np.zeros(4, bool))
    assert (len(groups), groups.extra) == (0, 0)
    assert not len(extra_rows(groups, np.zeros(4), np.zeros(4, bool)))
    assert isinstance(groups, DuplicateGroups)
    with pytest.raises(IndexError):
        groups[0]


def test_dropping_all_but_one_is_one_decision(project):
    find_duplicates(project)
    pool = Pool.open(project)
    before = duplicate_groups(project, COSINE)
    state = drop_duplicates(project, COSINE, keep="longest")
    assert int(state.dropped.sum()) == before.extra > 0
    lengths = pool.lengths()
    for number in range(len(before)):
        (kept,) = before[number][~state.dropped[before[number]]]
        assert lengths[kept] == lengths[before[number]].max()
    assert state.log[-1].origin == "near-duplicates at cosine 0.85, the longest of each kept"
    assert duplicate_groups(project, COSINE).extra == 0
    with pytest.raises(InputError, match="No row is a near-duplicate"):
        drop_duplicates(project, COSINE)
    assert not undo(project, pool.rows).dropped.any()


def test_best_goes_by_the_quality(project):
    find_duplicates(project)
    pool = Pool.open(project)
    score = pool.numbers("score")
    groups = duplicate_groups(project, COSINE)
    state = drop_duplicates(project, COSINE, keep="best", quality="score")
    for number in range(len(groups)):
        (kept,) = groups[number][~state.dropped[groups[number]]]
        assert score[kept] == score[groups[number]].max()


def test_a_row_without_a_quality_is_the_worst(project, monkeypatch):
    pool = Pool.open(project)
    score = pool.numbers("score")
    holes = np.where(np.arange(len(score)) % 3 == 0, np.nan, score)
    monkeypatch.setattr(Pool, "numbers", lambda pool, name, gaps=False: holes)
    worth = worth_of(pool, "best", "score")
    assert np.array_equal(worth, np.where(np.isnan(holes), -np.inf, score))
    holes = np.full(len(score), np.nan)
    with pytest.raises(InputError, match="No row has a number as its 'score'"):
        worth_of(pool, "best", "score")


def test_what_is_stored_is_what_was_found(project):
    assert load_forest(project) is None
    with pytest.raises(InputError, match="were not looked for yet"):
        duplicate_groups(project)
    first = find_duplicates(project)
    folder = project.artefact("near-duplicates", first.fingerprint)
    stamp = (folder / "edges.npy").stat().st_mtime_ns
    assert find_duplicates(project).pairs == first.pairs
    assert (folder / "edges.npy").stat().st_mtime_ns == stamp
    (folder / "cosines.npy").write_bytes(b"no")
    with pytest.raises(InputError, match="damaged; delete that folder"):
        load_forest(project)


def test_from_python(mapped_root):
    opened = core.open_project(mapped_root)
    extra = opened.duplicates(COSINE).extra
    assert int(opened.drop_duplicates(COSINE).dropped.sum()) == extra


def test_from_the_command_line(mapped_root, capfd):
    args = ["--json", "duplicates", str(mapped_root), "--cosine", str(COSINE)]
    assert main(args) == 0
    said = json.loads(capfd.readouterr().out)
    groups = duplicate_groups(Project.open(mapped_root), COSINE)
    assert (said["groups"], said["extra"]) == (len(groups), groups.extra)
    assert said["largest"][0]["some"] == groups[0][:20].tolist()
    assert main([*args, "--drop"]) == 0
    assert json.loads(capfd.readouterr().out)["dropped"] == groups.extra


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--cosine", "0.7"], "between 0.8 and 1"),
        (["--keep", "worst"], "use first, longest, best"),
        (["--keep", "best"], "needs a quality"),
        (["--keep", "best", "--quality", "none"], "no column 'none'"),
    ],
)
def test_what_cannot_be_is_refused_before_the_search(mapped_root, capfd, options, sentence):
    assert main(["duplicates", str(mapped_root), *options]) == 2
    assert sentence in capfd.readouterr().err
    assert load_forest(Project.open(mapped_root)) is None


def test_dropped_and_pinned_rows_count(project):
    find_duplicates(project)
    pool = Pool.open(project)
    rows = duplicate_groups(project, COSINE)[0]
    decide(project, pool.rows, "drop", rows[1:2], "test")
    decide(project, pool.rows, "pin", rows[-1:], "test")
    state = drop_duplicates(project, COSINE)
    assert not state.dropped[rows[-1]]
    assert state.dropped[rows[:-1]].all()
