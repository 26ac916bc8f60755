"""Round robin, doubly greedy, mean similarity, UOT, k-means by target, against brute force."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.selection import RULES, Problem, nearest, solve
from core.selection.constraints import make_constraints
from core.selection.memo import Memo
from core.selection.nearest import nearest_target, target_neighbors
from core.selection.uot import _plan

CERTAIN = ["round-robin", "doubly-greedy", "mean-similarity", "target-kmeans"]
ALL = [*CERTAIN, "uot"]


@st.composite
def grids(draw, most=40):
    """A problem on a small grid: copies, ties, zeros, and exact distances."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    rows = draw(st.integers(1, most))
    features = rng.integers(-2, 3, (rows, 3)).astype(np.float32)
    targets = rng.integers(-2, 3, (draw(st.integers(1, 5)), 3)).astype(np.float32)
    return _problem(draw, rng, features, targets)


@st.composite
def clouds(draw, most=40):
    """A problem without ties, but with copies."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    rows = draw(st.integers(1, most))
    features = rng.standard_normal((rows, 3)).astype(np.float32)
    features = features[rng.permutation(np.r_[np.arange(rows), : rows // 4])[:rows]]
    targets = rng.standard_normal((draw(st.integers(1, 5)), 3)).astype(np.float32)
    return _problem(draw, rng, features, targets)


def _problem(draw, rng, features, targets):
    rows = len(features)
    candidates = np.sort(rng.permutation(rows)[: draw(st.integers(1, rows))])
    budget = draw(st.integers(1, len(candidates)))
    pinned = np.sort(rng.permutation(candidates)[: draw(st.integers(0, min(budget, 4)))])
    labels = rng.integers(0, 4, rows)
    return Problem(features, candidates, budget, targets, labels, pinned=pinned)


def squares(features, targets):
    """Squared distances, one by one, in float64."""
    differences = features.astype(np.float64)[:, None] - targets.astype(np.float64)[None]
    return (differences**2).sum(axis=2)


def turns(problem):
    """Round robin by the book: (row, target) in the order of the turns."""
    distances = squares(problem.features, problem.targets)
    free = sorted(set(problem.candidates.tolist()) - set(problem.pinned.tolist()))
    taken = []
    while len(taken) < problem.budget - len(problem.pinned):
        target = len(taken) % len(problem.targets)
        row = min(free, key=lambda row: (distances[row, target], row))
        free.remove(row)
        taken.append((row, target))
    return taken


@settings(max_examples=150)
@given(problem=grids(), more=st.sampled_from([0, 16]), pairs=st.sampled_from([1, 12, 1 << 24]))
def test_round_robin_goes_by_the_book(problem, more, pairs):
    # Few neighbours, so that targets run out of them.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.selection.target_rules._MORE_NEIGHBORS", more)
        patch.setattr("core.selection.nearest._MOST_PAIRS", pairs)
        selection = solve("round-robin", problem)
    expected = turns(problem)
    assert set(selection.rows) == {row for row, _ in expected} | set(problem.pinned)
    pulls, rank = selection.reasons.pulls, selection.reasons.rank
    place = {row: i for i, row in enumerate(selection.rows.tolist())}
    for turn, (row, target) in enumerate(expected):
        assert pulls.of(place[row]).tolist() == [target]
        assert rank[place[row]] == len(problem.pinned) + turn + 1
    assert all(len(pulls.of(place[row])) == 0 for row in problem.pinned.tolist())
    served = len({target for _, target in expected})
    assert pulls.shares.sum() == pytest.approx(served / len(problem.targets))


def test_targets_that_are_alike_share_out_their_neighbours():
    features = np.arange(200, dtype=np.float32)[:, None]
    problem = Problem(features, np.arange(200), 150, targets=np.zeros((60, 1), np.float32))
    selection = solve("round-robin", problem)
    assert selection.rows.tolist() == list(range(150))
    assert selection.reasons.pulls.strongest.tolist() == [row % 60 for row in range(150)]
    assert selection.why[61] == (
        "pulled by target 1; nearest target 0 at distance 61.00; probability 1.00"
    )


@settings(max_examples=100)
@given(problem=grids())
def test_doubly_greedy_takes_the_best_pair_again_and_again(problem):
    distances = squares(problem.features, problem.targets)
    free = sorted(set(problem.candidates.tolist()) - set(problem.pinned.tolist()))
    expected = []
    while len(expected) < problem.budget - len(problem.pinned):
        expected.append(min(free, key=lambda row: (distances[row].min(), row)))
        free.remove(expected[-1])
    selection = solve("doubly-greedy", problem)
    assert set(selection.rows) == {*expected, *problem.pinned.tolist()}
    order = selection.rows[np.argsort(selection.reasons.rank)]
    assert order.tolist() == [*problem.pinned.tolist(), *expected]
    np.testing.assert_allclose(
        selection.reasons.value, np.sqrt(distances[selection.rows].min(axis=1)), rtol=1e-6
    )


@settings(max_examples=100)
@given(problem=grids())
def test_mean_similarity_takes_the_highest_mean_cosine(problem):
    def unit(vectors):
        norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        return vectors / np.where(norms > 0, norms, 1)

    cosines = (unit(problem.features) @ unit(problem.targets).T).mean(axis=1)
    selection = solve("mean-similarity", problem)
    np.testing.assert_allclose(selection.reasons.value, cosines[selection.rows], atol=1e-12)
    taken = np.setdiff1d(selection.rows, problem.pinned)
    left = np.setdiff1d(problem.candidates, selection.rows)
    assert cosines[taken].min(initial=np.inf) >= cosines[left].max(initial=-np.inf) - 1e-12
    _first_of_copies(problem, selection, taken)


def _first_of_copies(problem, selection, taken):
    for row in taken:
        copies = (problem.features[problem.candidates] == problem.features[row]).all(axis=1)
        copies = problem.candidates[copies]
        assert np.isin(copies[copies < row], selection.rows).all()


def test_mean_similarity_names_a_row_that_is_not_finite():
    features = np.ones((5, 2), np.float32)
    features[3, 1] = np.nan
    with pytest.raises(InputError, match="Row 3 of the pool holds NaN"):
        solve("mean-similarity", Problem(features, np.arange(5), 2, targets=features[:1]))


@settings(max_examples=200)
@given(problem=clouds(), within=st.sampled_from(["nearest", "random"]))
def test_k_means_by_target_gives_clusters_the_shares_of_the_targets(problem, within):
    labels, budget = problem.labels, problem.budget
    names = np.unique(labels)
    centroids = np.stack([problem.features[labels == name].mean(axis=0) for name in names])
    away = squares(centroids, problem.targets)
    votes = np.bincount(away.argmin(axis=0), minlength=len(names))
    selection = solve("target-kmeans", problem, within=within)

    def count(rows):
        return np.array([np.count_nonzero(labels[rows] == name) for name in names])

    got, sizes, pinned = count(selection.rows), count(problem.candidates), count(problem.pinned)
    share = budget * votes / votes.sum()
    if (share <= sizes).all() and (pinned <= np.floor(share)).all():
        assert (np.abs(got - share) < 1).all()
        assert selection.notes == ()
    elif sizes[votes > 0].sum() + pinned[votes == 0].sum() >= budget:
        assert (got[votes == 0] == pinned[votes == 0]).all()
    else:
        assert (got[votes > 0] == sizes[votes > 0]).all()
        others = np.flatnonzero(votes == 0)
        order = others[np.argsort(away[others].min(axis=1))]
        part = got[order] < sizes[order]  # the nearest ones give all before the next gives any
        after = np.cumsum(part) - part > 0
        assert (got[order][after] == pinned[order][after]).all()
    if (share >= sizes + 1).any():
        assert "fewer rows than" in selection.notes[0]
    distances = squares(problem.features, problem.targets).min(axis=1)
    reasons = selection.reasons
    assert (reasons.cluster == labels[selection.rows]).all()
    assert (reasons.quota == got[np.searchsorted(names, reasons.cluster)]).all()
    assert (reasons.size == sizes[np.searchsorted(names, reasons.cluster)]).all()
    if within == "random":
        assert reasons.value is None
        return
    taken = np.setdiff1d(selection.rows, problem.pinned)
    left = np.setdiff1d(problem.candidates, selection.rows)
    for name in names:
        worst = distances[taken[labels[taken] == name]].max(initial=-1)
        assert worst <= distances[left[labels[left] == name]].min(initial=np.inf) + 1e-6
    np.testing.assert_allclose(reasons.value**2, distances[selection.rows], atol=1e-5)
    assert (selection.probabilities == 1).all()


def test_clusters_nearest_to_the_targets_give_what_is_missing():
    features = np.repeat([0.0, 10.0, 30.0, 13.0], [3, 5, 5, 5])[:, None].astype(np.float32)
    labels = np.repeat([0, 1, 2, 3], [3, 5, 5, 5])
    targets = np.array([[0.0], [1.0], [31.0]], np.float32)
    problem = Problem(features, np.arange(18), 12, targets=targets, labels=labels)
    selection = solve("target-kmeans", problem)
    assert np.bincount(labels[selection.rows], minlength=4).tolist() == [3, 4, 5, 0]
    assert selection.notes == (
        "1 cluster has fewer rows than its share of the targets asks for; "
        "4 rows come from the clusters nearest to the targets.",
    )
    assert selection.why[0] == "cluster 0 (3 of 3 rows); distance to the nearest target 0"
    fewer = solve("target-kmeans", Problem(features, np.arange(18), 6, targets, labels))
    assert (np.bincount(labels[fewer.rows], minlength=4).tolist(), fewer.notes) == (
        [3, 0, 3, 0],
        (
            "1 cluster has fewer rows than its share of the targets asks for; "
            "the other clusters with targets give more.",
        ),
    )


@settings(max_examples=60)
@given(problem=clouds(), relaxation=st.sampled_from([0.0, 0.01, 0.3]), data=st.data())
def test_the_plan_is_the_optimum(problem, relaxation, data):
    """Where D + entropy · log(P / abᵀ) + relaxation · log(Pᵀ1 / b) is the same for all pairs of a
    target, and P1 = a, no other plan costs less: the problem is convex."""
    entropy = data.draw(st.sampled_from([0.05, 0.5]))
    distances = np.sqrt(squares(problem.features, problem.targets)).T
    neighbors = data.draw(st.integers(1, distances.shape[1]))
    nearest = np.argsort(distances, axis=1)[:, :neighbors]
    columns, places = np.unique(nearest, return_inverse=True)
    places = places.reshape(nearest.shape)
    near = np.take_along_axis(distances, nearest, axis=1)
    near /= near.mean()
    plan = _plan(places, near, entropy, relaxation)
    count, rows = plan.shape
    assert rows == len(columns)
    np.testing.assert_allclose(plan.sum(axis=1), 1 / count)
    beyond = np.ones(plan.shape, bool)
    np.put_along_axis(beyond, places, False, axis=1)
    assert (plan[beyond] == 0).all()
    mass = np.take_along_axis(plan, places, axis=1)
    seen = mass > 1e-250
    total = plan.sum(axis=0)[places]
    with np.errstate(divide="ignore"):
        price = near + entropy * np.log(mass * count * rows) + relaxation * np.log(total * rows)
    for target in range(count):
        np.testing.assert_allclose(np.ptp(price[target, seen[target]]), 0, atol=1e-4)


@settings(max_examples=40)
@given(problem=clouds())
def test_uot_without_a_cost_on_the_rows_is_a_softmax_of_each_target(problem):
    selection = solve("uot", problem, entropy=0.2, relaxation=0.0)
    distances = np.sqrt(squares(problem.features[problem.candidates], problem.targets))
    weights = np.exp((distances.min(axis=0) - distances) / distances.mean() / 0.2)
    expected = (weights / weights.sum(axis=0)).mean(axis=1)
    np.testing.assert_allclose(selection.distribution, expected, rtol=1e-4, atol=1e-9)
    pulls = selection.reasons.pulls
    at = np.searchsorted(problem.candidates, selection.rows)
    for place, row in enumerate(at):
        sent = weights[row] / weights.sum(axis=0) / len(problem.targets)
        # All targets that send a hundredth of the row's mass, the strongest first.
        noticed = [t for t in np.argsort(-sent, kind="stable") if sent[t] > 0.01001 * sent.sum()]
        assert set(pulls.of(place).tolist()) >= set(noticed)
        shares = pulls.shares[pulls.starts[place] : pulls.starts[place + 1]]
        assert (np.diff(shares) <= 0).all()
        np.testing.assert_allclose(shares, sent[pulls.of(place)], rtol=1e-4)


def test_more_relaxation_spreads_mass_over_more_rows():
    rng = np.random.default_rng(3)
    features = rng.standard_normal((300, 4)).astype(np.float32)
    problem = Problem(features, np.arange(300), 20, targets=features[:5] + np.float32(0.1))
    effective = [
        1 / (solve("uot", problem, **given).distribution ** 2).sum()
        for given in ({"relaxation": 0}, {"relaxation": 0.1}, {"relaxation": 1}, {"entropy": 1})
    ]
    assert effective[0] < effective[1] < effective[2]
    assert effective[0] < effective[3]


def test_uot_fills_a_budget_beyond_the_neighbours_with_the_nearest_and_says_so():
    features = np.arange(40, dtype=np.float32)[:, None]
    problem = Problem(features, np.arange(40), 12, targets=np.array([[0.0], [2.0]], np.float32))
    selection = solve("uot", problem, max_neighbors=3, entropy=1.0)
    assert selection.rows.tolist() == list(range(12))
    assert (selection.probabilities == 1).all()
    assert selection.notes == (
        "8 rows lie beyond the neighbours of all targets; the nearest ones fill the budget.",
    )
    assert selection.why[9].startswith("fills the budget; nearest target 1 at distance 7.00")
    assert np.count_nonzero(selection.distribution) == 4


def test_uot_takes_targets_and_rows_that_lie_orders_of_magnitude_apart():
    features = np.vstack([np.zeros((50, 2)), np.full((50, 2), 1e4)]).astype(np.float32)
    features[25:50] += np.linspace(0, 1, 25, dtype=np.float32)[:, None]
    targets = np.array([[0.0, 0.0], [9e3, 9e3], [1e-3, 0.0]], np.float32)
    problem = Problem(features, np.arange(100), 60, targets=targets)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        selection = solve("uot", problem, entropy=0.01, relaxation=1.0, max_neighbors=60)
    assert np.isfinite(selection.distribution).all()
    assert selection.distribution[50:].sum() == pytest.approx(1 / 3)


def test_uot_looks_at_as_many_neighbours_as_memory_allows(monkeypatch):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((100, 4)).astype(np.float32)
    problem = Problem(features, np.arange(100), 10, targets=features[:6])
    monkeypatch.setattr("core.selection.uot._MOST_CELLS", 200)
    selection = solve("uot", problem, max_neighbors=50)
    looked_at = selection.settings["max_neighbors"]
    nearest = np.argsort(squares(features, features[:6]), axis=0)
    assert len(np.unique(nearest[:looked_at])) <= 33 < len(np.unique(nearest[: looked_at + 1]))
    assert selection.notes[0].startswith(f"{looked_at} neighbours of each target were looked at")
    fewer = solve("uot", problem, max_neighbors=looked_at)
    assert fewer.rows.tolist() == selection.rows.tolist()
    monkeypatch.setattr("core.selection.uot._MOST_CELLS", 35)
    with pytest.raises(InputError, match="6 target rows, more than the 35 it may have; take fewer"):
        solve("uot", problem)


@pytest.mark.parametrize("rule", CERTAIN)
@settings(max_examples=40)
@given(data=st.data())
def test_the_order_of_the_rows_does_not_matter(rule, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    features = rng.standard_normal((60, 5)).astype(np.float32)
    targets = rng.standard_normal((4, 5)).astype(np.float32)
    labels = rng.integers(0, 5, 60)
    order = rng.permutation(60)
    budget = data.draw(st.integers(1, 60))
    first = solve(rule, Problem(features, np.arange(60), budget, targets, labels))
    other = solve(rule, Problem(features[order], np.arange(60), budget, targets, labels[order]))
    assert np.sort(order[other.rows]).tolist() == first.rows.tolist()
    back = np.argsort(order[other.rows])
    np.testing.assert_allclose(first.distribution, other.distribution[np.argsort(order)])
    if first.reasons.pulls is not None:
        assert (
            first.reasons.pulls.strongest.tolist() == other.reasons.pulls.strongest[back].tolist()
        )


@pytest.mark.parametrize("rule", ALL)
@pytest.mark.parametrize("targets", [1, 3])
def test_copies_one_target_and_the_whole_pool(rule, targets):
    features = np.zeros((9, 2), np.float16)
    features[:, 0] = 1
    problem = Problem(features, np.arange(9), 9, features[:targets], np.zeros(9, np.int32))
    assert solve(rule, problem).rows.tolist() == list(range(9))
    few = Problem(features, np.arange(9), 4, features[:targets], np.zeros(9, np.int32))
    if rule != "uot":
        assert solve(rule, few).rows.tolist() == [0, 1, 2, 3]
    assert len(solve(rule, few).rows) == 4


@pytest.mark.parametrize("rule", ALL)
def test_a_pool_whose_rows_are_all_pinned_is_taken(rule):
    rng = np.random.default_rng(1)
    features = rng.standard_normal((20, 3)).astype(np.float32)
    pinned = np.array([2, 5, 9])
    problem = Problem(features, np.arange(20), 3, features[:2], np.zeros(20, int), pinned=pinned)
    selection = solve(rule, problem)
    assert selection.rows.tolist() == [2, 5, 9]
    assert set(selection.why) == {"pinned"}


def test_they_are_target_driven_rules():
    assert {RULES[rule].family for rule in ALL} == {"target-driven"}
    assert all(RULES[rule].needs_target for rule in ALL)


@settings(max_examples=40)
@given(
    rows=st.integers(8, 60),
    left_out=st.integers(0, 12),
    count=st.integers(1, 20),
    dim=st.sampled_from([3, 50]),
    seed=st.integers(0, 10**6),
)
def test_neighbours_found_among_more_candidates_are_those_of_a_search_of_their_own(
    rows, left_out, count, dim, seed
):
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(rows, dim)).astype(np.float32)
    if dim == 3:  # few different vectors, so that equal distances are common
        features = np.sign(features)
    wider = Problem(features, np.arange(rows), 4, targets=features[: min(rows, 5)] + 0.25)
    candidates = np.sort(draw.permutation(rows)[: max(1, rows - left_out)])
    alone = replace(wider, candidates=candidates, memo=Memo())
    within = replace(alone, memo=Memo(), wider=wider)
    found, expected = target_neighbors(within, count), target_neighbors(alone, count)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.distances, expected.distances)
    of_rows = nearest_target(within, candidates)
    for mine, theirs in zip(of_rows, nearest_target(alone, candidates), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_targets_neighbours_are_searched_once_under_a_cap(monkeypatch):
    draw = np.random.default_rng(0)
    features = np.repeat(draw.normal(size=(450, 8)), 2, axis=0).astype(np.float32)
    searches = []

    def counted(queries, base, count, **options):
        if len(queries) == 4:  # the targets, not the rows whose nearest target is wanted
            searches.append(count)
        return exact(queries, base, count, **options)

    exact = nearest.exact_neighbors
    monkeypatch.setattr(nearest, "exact_neighbors", counted)
    capped = make_constraints(lambda _: None, max_cosine=0.999)
    problem = Problem(features, np.arange(900), 60, targets=features[:4] + 0.01, constraints=capped)
    chosen = solve("tsds-uniform", problem, max_neighbors=200)
    assert chosen.settings["exchanged"] > 0
    assert searches == [250]
