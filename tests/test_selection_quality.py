"""Deita and QDIT against what their papers describe, row by row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_selection_cover import in_order, similarities

from core.selection import Problem, solve


def small(data, rows=40):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    features = rng.standard_normal((rows, 3)).astype(np.float32)
    features[rows // 2 : -5] = features[: rows - rows // 2 - 5]  # copies
    quality = rng.integers(-3, 4, rows).astype(float)  # ties
    candidates = np.sort(rng.permutation(rows)[: data.draw(st.integers(1, rows))])
    budget = data.draw(st.integers(1, len(candidates)))
    pinned = np.sort(rng.permutation(candidates)[: data.draw(st.integers(0, min(budget, 3)))])
    return Problem(features, candidates, budget, quality=quality, pinned=pinned)


def down_by_quality(problem, most):
    """The rows that are taken, and those that follow to make up the number."""
    x = problem.features.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    taken = problem.pinned.tolist()
    down = sorted(problem.candidates.tolist(), key=lambda row: (-problem.quality[row], row))
    for row in down:
        if row in taken or len(taken) == problem.budget:
            continue
        if not taken or (x[taken] @ x[row]).max() < most - 1e-6:
            taken.append(row)
    rest = [row for row in down if row not in taken]
    return taken, rest[: problem.budget - len(taken)]


@settings(max_examples=100)
@given(
    data=st.data(),
    most=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    block=st.sampled_from([1, 3, 512]),
)
def test_deita_goes_down_and_leaves_out_what_is_alike(data, most, block):
    given = small(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.selection.alike._BLOCK", block)
        patch.setattr("core.selection.alike._TILE", 4)
        selection = solve("deita", given, duplicate_cosine=most)
    taken, rest = down_by_quality(given, most)
    assert in_order(selection).tolist() == taken + rest
    assert selection.reasons.value.tolist() == given.quality[selection.rows].tolist()
    assert len(selection.notes) == bool(rest)
    if rest:
        assert f"Only {len(taken)} rows" in selection.notes[0]
        assert f"the last {len(rest)} are" in selection.notes[0]


@settings(max_examples=60)
@given(data=st.data(), weight=st.sampled_from([0.0, 0.3, 0.9, 1.0]), sampled=st.booleans())
def test_qdit_takes_what_adds_most(data, weight, sampled):
    given = small(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.selection.cover._ALL_ROWS", 0 if sampled else 5000)
        selection = solve("qdit", given, quality_weight=weight, epsilon=0.2)
    similar = similarities(given)
    quality = given.quality[given.candidates]
    spread = np.ptp(quality)
    scaled = (quality - quality.min()) / spread if spread else np.zeros(len(quality))
    places = np.searchsorted(given.candidates, in_order(selection))
    values = selection.reasons.value[np.argsort(selection.reasons.rank)]
    for step in range(len(given.pinned), given.budget):
        level = similar[places[:step]].max(axis=0, initial=0)
        coverage = np.maximum(similar - level, 0).sum(axis=1) / len(similar)
        score = (1 - weight) * coverage + weight * scaled / given.budget
        score[places[:step]] = -np.inf
        assert values[step] == pytest.approx(score[places[step]], abs=1e-5)
        if not sampled:
            assert score[places[step]] >= score.max() - 1e-5


def test_qdit_s_ends():
    rng = np.random.default_rng(0)
    features, quality = rng.standard_normal((200, 5)).astype(np.float32), rng.normal(size=200)
    given = Problem(features, np.arange(200), 20, quality=quality)
    best = solve("qdit", given, quality_weight=1.0)
    assert set(best.rows) == set(np.argsort(-quality)[:20])
    covering = solve("qdit", given, quality_weight=0.0)
    assert covering.rows.tolist() == solve("facility-location", given).rows.tolist()
    between = solve("qdit", given)
    mean = [quality[one.rows].mean() for one in (covering, between, best)]
    assert mean[0] < mean[1] < mean[2]


@pytest.mark.parametrize("rule", ["deita", "qdit"])
def test_quality_of_any_size(rule):
    features = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    quality = np.linspace(-1, 1, 30) * 1.7e308
    given = Problem(features, np.arange(30), 5, quality=quality)
    rows = solve(rule, given, **({"quality_weight": 1.0} if rule == "qdit" else {})).rows
    assert 29 in rows
    assert len(solve(rule, Problem(features, np.arange(30), 30, quality=np.ones(30))).rows) == 30
