"""k-center and facility location against brute force, in blocks and in one."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.selection import Problem, cover, solve


def small(data, rows=30, dim=3):
    """Whole numbers, so that there are copies, ties and rows of norm 0."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    features = rng.integers(-2, 3, (rows, dim)).astype(np.float32)
    candidates = np.sort(rng.permutation(rows)[: data.draw(st.integers(1, rows))])
    budget = data.draw(st.integers(1, len(candidates)))
    pinned = np.sort(rng.permutation(candidates)[: data.draw(st.integers(0, min(budget, 3)))])
    return Problem(features, candidates, budget, pinned=pinned)


def in_order(selection):
    return selection.rows[np.argsort(selection.reasons.rank)]


def farthest_first(problem):
    x = problem.features[problem.candidates].astype(np.float64)
    chosen = np.flatnonzero(problem.is_pinned).tolist()
    if not chosen:
        chosen = [int(((x - x.mean(axis=0)) ** 2).sum(axis=1).argmin())]
    while len(chosen) < problem.budget:
        nearest = ((x[:, None] - x[chosen]) ** 2).sum(axis=2).min(axis=1)
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return problem.candidates[chosen]


@settings(max_examples=100)
@given(data=st.data(), block=st.sampled_from([1, 2, 5, 4096]), cells=st.sampled_from([7, 1 << 20]))
def test_k_center_is_farthest_first_whatever_the_blocks(data, block, cells):
    given = small(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.selection.cover._BLOCK", block)
        patch.setattr("core.selection.cover._AT_ONCE", 3)
        patch.setattr("core.selection.cover._CELLS", cells)
        selection = solve("k-center", given)
    expected = farthest_first(given)
    if not len(given.pinned):  # rows that are as near to the mean, but for rounding
        x = given.features[given.candidates].astype(np.float64)
        apart = np.sort(((x - x.mean(axis=0)) ** 2).sum(axis=1))
        if len(apart) > 1 and apart[1] - apart[0] < 1e-9:
            return
    assert in_order(selection).tolist() == expected.tolist()


def test_k_center_says_how_far_each_row_was():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((500, 16)).astype(np.float32)
    selection = solve("k-center", Problem(features, np.arange(500), 60))
    chosen = in_order(selection)
    value = selection.reasons.value[np.argsort(selection.reasons.rank)]
    assert np.isnan(value[0]) and (np.diff(value[1:]) <= 0).all()
    for place in range(1, 60):
        before = np.linalg.norm(features[chosen[place]] - features[chosen[:place]], axis=1)
        assert value[place] == pytest.approx(before.min(), rel=1e-5)
    assert selection.why[np.argmin(selection.reasons.rank)] == "choice 1"


def similarities(problem):
    x = problem.features[problem.candidates].astype(np.float64)
    norms = np.linalg.norm(x, axis=1)
    x = x / np.where(norms > 0, norms, 1)[:, None]
    return np.maximum(x @ x.T, 0)


def check_greedy(problem, selection, among=None):
    """Each row adds as much as any other could, up to float32 rounding."""
    similar = similarities(problem)
    places = np.searchsorted(problem.candidates, in_order(selection))
    values = selection.reasons.value[np.argsort(selection.reasons.rank)]
    level, count = np.zeros(len(similar)), len(problem.pinned)
    assert set(places[:count]) == set(np.flatnonzero(problem.is_pinned))
    level = similar[places[:count]].max(axis=0, initial=0)
    for step in range(count, len(places)):
        gains = np.maximum(similar - level, 0).sum(axis=1)
        gains[places[:step]] = -1
        assert gains[places[step]] == pytest.approx(values[step], abs=1e-4)
        if among is None:
            assert gains[places[step]] >= gains.max() - 1e-4
        level = np.maximum(level, similar[places[step]])
    return level.sum()


@settings(max_examples=60)
@given(data=st.data(), kept=st.sampled_from([1, 1 << 29]))
def test_facility_location_is_greedy(data, kept):
    given = small(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.selection.cover._KEPT_BYTES", kept)
        patch.setattr("core.selection.cover._FETCHED", 2)
        selection = solve("facility-location", given)
    check_greedy(given, selection)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31))
def test_facility_location_is_within_its_bound(seed):
    features = np.random.default_rng(seed).standard_normal((9, 3)).astype(np.float32)
    given = Problem(features, np.arange(9), 3)
    reached = check_greedy(given, solve("facility-location", given))
    similar = similarities(given)
    best = max(similar[list(c)].max(axis=0).sum() for c in itertools.combinations(range(9), 3))
    assert reached >= (1 - 1 / np.e) * best - 1e-5


def test_copies_are_taken_by_row_whatever_the_threads_and_the_width_of_a_product(monkeypatch):
    draw = np.random.default_rng(0)
    features = np.repeat(draw.normal(size=(300, 32)).astype(np.float32), 3, axis=0)
    features = features[draw.permutation(900)]
    _, kind = np.unique(features, axis=0, return_inverse=True)
    lowest = np.array([np.flatnonzero(kind == one)[0] for one in range(300)])
    for width in (1, 7, 64, 1024):
        monkeypatch.setattr(cover, "_FETCHED", width)
        rows = solve("facility-location", Problem(features, np.arange(900), 50), epsilon=0).rows
        assert np.isin(rows, lowest).all()


@settings(max_examples=40)
@given(data=st.data())
def test_a_sampled_facility_location_keeps_its_promises(data):
    given = small(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.selection.cover._ALL_ROWS", 0)
        patch.setattr("core.selection.cover._AHEAD", 8)
        patch.setattr("core.selection.cover._KEPT_BYTES", 1)
        patch.setattr("core.selection.cover._FETCHED", 2)
        selection = solve("facility-location", given, epsilon=0.3)
        again = solve("facility-location", given, epsilon=0.3)
        check_greedy(given, solve("facility-location", given, epsilon=0))
    assert selection.rows.tolist() == again.rows.tolist()
    assert len(selection.rows) == given.budget and set(given.pinned) <= set(selection.rows)
    check_greedy(given, selection, among="sample")


def test_a_sample_reaches_almost_what_all_rows_reach(monkeypatch):
    rng = np.random.default_rng(3)
    centers = rng.standard_normal((20, 12))
    features = (centers[rng.integers(20, size=900)] + rng.standard_normal((900, 12))).astype("f4")
    given = Problem(features, np.arange(900), 40)
    exact = check_greedy(given, solve("facility-location", given))
    monkeypatch.setattr("core.selection.cover._ALL_ROWS", 0)
    sampled = solve("facility-location", given, epsilon=0.1)
    assert sampled.settings["rows_looked_at"] == 52
    assert exact * 0.95 < check_greedy(given, sampled, among="sample") < exact


@pytest.mark.parametrize("rule", ["k-center", "facility-location"])
def test_only_copies(rule):
    features = np.ones((50, 4), np.float16)
    selection = solve(rule, Problem(features, np.arange(10, 50), 7))
    assert selection.rows.tolist() == list(range(10, 17))
    features[:] = 0
    assert len(solve(rule, Problem(features, np.arange(50), 50)).rows) == 50


@pytest.mark.parametrize("rule", ["k-center", "facility-location", "deita", "qdit"])
def test_what_does_not_fit_is_refused_beforehand(rule, monkeypatch):
    monkeypatch.setattr("core.selection.rows._MOST_BYTES", 1 << 10)
    given = Problem(np.ones((50, 8), np.float32), np.arange(50), 5, quality=np.ones(50))
    with pytest.raises(InputError, match="would hold 50 vectors of 8 dimensions"):
        solve(rule, given)


@pytest.mark.parametrize("rule", ["facility-location", "qdit"])
def test_hours_of_work_are_refused_beforehand(rule, monkeypatch):
    monkeypatch.setitem(cover._MOST_WORK, "cpu", 50 * 50 * 3)
    x = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
    quality = np.ones(60)
    assert len(solve(rule, Problem(x, np.arange(50), 5, quality=quality)).rows) == 5
    with pytest.raises(InputError, match="takes hours on this machine; choose k-center"):
        solve(rule, Problem(x, np.arange(60), 5, quality=quality))
