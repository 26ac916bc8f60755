"""The transport path against the definition: a heap, a linear programme, and by hand."""

import heapq

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from core.selection import Problem, TransportPath, solve


def heap_walk(distances, densities, alpha, scale):
    """The sweep of arXiv 2410.11303, written with a heap as its authors do; plan (M, K) and s."""
    m, k = distances.shape
    heap = [(1 / densities[j, 0], 0, j) for j in range(m)] if k > 1 else []
    heapq.heapify(heap)
    cost = np.zeros(m)
    s = 1.0
    while heap:
        reach, i, j = heapq.heappop(heap)
        s = reach
        # The same as d · reach − Σ d / ρ, and exactly 0 between neighbours at one distance.
        cost[j] = sum(
            (distances[j, i + 1] - distances[j, x]) / densities[j, x] for x in range(i + 1)
        )
        if alpha / scale * cost.sum() >= (1 - alpha) * m:
            break
        if i < k - 2:
            heapq.heappush(heap, (reach + 1 / densities[j, i + 1], i + 1, j))
    plan = np.zeros((m, k))
    for j in range(m):
        left = 1 / m
        for i in range(k):
            most = 1 / (m * s * densities[j, i]) if i < k - 1 else left
            plan[j, i] = min(left, most)
            left -= plan[j, i]
    return plan, s


def total(rows, plan):
    return np.bincount(rows.ravel(), plan.ravel())


def dense(point, rows):
    out = np.zeros(rows.max() + 1)
    out[point.rows] = point.probabilities
    return out


def problem(seed, targets, pool, k, *, grid=0, copies=0):
    """Neighbours and densities of a small random problem; a grid makes ties."""
    rng = np.random.default_rng(seed)
    base, queries = rng.standard_normal((pool, 3)), rng.standard_normal((targets, 3))
    if grid:
        base, queries = np.round(base * grid) / grid, np.round(queries * grid) / grid
    if copies:
        base[rng.integers(0, pool, copies)] = base[0]
        queries[0] = base[0]
    distances = np.linalg.norm(queries[:, None] - base[None], axis=2)
    rows = np.argsort(distances, axis=1, kind="stable")[:, :k]
    densities = np.maximum(0, 1 - ((base[:, None] - base[None]) ** 2).sum(2) / 0.8).sum(1)
    return rows, np.take_along_axis(distances, rows, axis=1), densities


def path_of(rows, distances, densities, scale):
    holder = {}

    def density(members):
        return densities[holder["path"].union[members]]

    holder["path"] = TransportPath(rows, distances, scale=scale, density=density)
    return holder["path"]


small = {
    "seed": st.integers(0, 10**6),
    "targets": st.integers(1, 6),
    "pool": st.integers(1, 40),
    "k": st.integers(1, 45),
    "grid": st.sampled_from([0, 0, 1, 2]),
    "copies": st.integers(0, 12),
    "weight": st.one_of(st.just(0.0), st.floats(1e-4, 0.999)),
    "scale": st.floats(0.01, 50),
}


@settings(max_examples=400)
@given(**small)
def test_equals_the_heap(seed, targets, pool, k, grid, copies, weight, scale):
    rows, distances, densities = problem(
        seed, targets, pool, min(k, pool), grid=grid, copies=copies
    )
    for rho in (densities, np.ones(pool)):
        expected, s = heap_walk(distances, rho[rows], 1 - weight, scale)
        # Where the condition holds with equality, rounding decides between two optima.
        for nudged in (weight * (1 - 1e-9), min(weight * (1 + 1e-9), 0.9999)):
            assume(heap_walk(distances, rho[rows], 1 - nudged, scale)[1] == pytest.approx(s))
        point = path_of(rows, distances, rho, scale).solve(weight)
        assert point.s == pytest.approx(s, rel=1e-9)
        np.testing.assert_allclose(dense(point, rows), total(rows, expected), atol=1e-9)
        assert point.probabilities.sum() == pytest.approx(1)
        assert point.alignment_cost == pytest.approx((expected * distances).sum(), abs=1e-9)


def test_without_density_it_is_knn_uniform():
    rows, distances, _ = problem(5, 4, 60, 30)
    uniform = TransportPath(rows, distances, scale=1.0)
    ones = path_of(rows, distances, np.ones(60), 1.0)
    for weight in (0.0, 0.3, 0.7, 0.95):
        np.testing.assert_array_equal(
            dense(uniform.solve(weight), rows), dense(ones.solve(weight), rows)
        )


@pytest.mark.parametrize("seed", range(12))
def test_is_the_optimum_of_the_linear_programme(seed):
    targets, pool, scale = 3, 14, 0.7
    rows, distances, densities = problem(seed, targets, pool, pool, copies=3)
    rho = densities[rows]
    path = path_of(rows, distances, densities, scale)
    for weight in (0.05, 0.2, 0.4, 0.6):
        alpha = 1 - weight
        point = path.solve(weight)
        assert point.exhausted == 0
        # Variables: the plan, then t = max ρ γ.
        bounds = np.hstack([np.diag(rho.ravel()), -np.ones((rho.size, 1))])
        marginals = np.hstack([np.kron(np.eye(targets), np.ones(pool)), np.zeros((targets, 1))])
        best = linprog(
            np.append(alpha / scale * distances.ravel(), (1 - alpha) * targets),
            A_ub=bounds,
            b_ub=np.zeros(rho.size),
            A_eq=marginals,
            b_eq=np.full(targets, 1 / targets),
        )
        assert best.success
        mine = alpha / scale * point.alignment_cost + (1 - alpha) / point.s
        assert mine == pytest.approx(best.fun, rel=1e-7)


def test_by_hand():
    # One target, distances 0, 1, 3. Costs: 1 when s passes 1, 1 + 2 · 2 = 5 when it passes 2.
    path = TransportPath(np.array([[7, 4, 9]]), np.array([[0.0, 1.0, 3.0]]), scale=1.0)
    nearest = path.solve(0.4)  # (1 − α) / α = 2 / 3 < 1: stops at s = 1
    assert nearest.rows.tolist() == [7] and nearest.alignment_cost == 0
    two = path.solve(0.6)  # 3 / 2 lies between 1 and 5: s = 2
    assert two.rows.tolist() == [4, 7]
    assert two.probabilities.tolist() == [0.5, 0.5]
    assert two.alignment_cost == 0.5
    assert two.effective_size == 2
    assert path.solve(0.99).s == 2  # the last neighbour has no next one


def test_density_shares_the_mass_of_one_row():
    # Rows 0 and 1 are copies (density 2); both targets are alike.
    rows = np.array([[0, 1, 2], [0, 1, 2]])
    distances = np.array([[1.0, 1.0, 2.0]] * 2)
    path = path_of(rows, distances, np.array([2.0, 2.0, 1.0]), 1.0)
    point = path.solve(0.3)
    assert point.rows.tolist() == [0, 1]
    np.testing.assert_allclose(point.probabilities, [0.5, 0.5])


def test_nearest_target_weight_below_its_share_still_sums_to_one():
    # The first neighbours differ in density: at λ = 0 only the densest one's capacity is reached.
    rows = np.array([[0, 1], [2, 3]])
    path = path_of(rows, np.array([[1.0, 2.0]] * 2), np.array([9.0, 1, 1, 1]), 1.0)
    point = path.solve(0.0)
    assert point.rows.tolist() == [0, 2]
    np.testing.assert_allclose(point.probabilities, [0.5, 0.5])


@settings(max_examples=80)
@given(seed=small["seed"], targets=small["targets"], grid=small["grid"], copies=small["copies"])
def test_support_and_cost_rise_with_the_weight(seed, targets, grid, copies):
    rows, distances, densities = problem(seed, targets, 50, 30, grid=grid, copies=copies)
    curve = path_of(rows, distances, densities, 1.0).curve(np.linspace(0, 0.99, 40))
    assert (np.diff(curve.supports) >= 0).all()
    assert (np.diff(curve.alignment_costs) >= -1e-9).all()


@settings(max_examples=80)
@given(
    seed=small["seed"],
    targets=small["targets"],
    grid=small["grid"],
    copies=small["copies"],
    count=st.integers(1, 60),
)
def test_smallest_weight_that_holds_a_budget(seed, targets, grid, copies, count):
    rows, distances, densities = problem(seed, targets, 50, 30, grid=grid, copies=copies)
    path = path_of(rows, distances, densities, 1.0)
    without = rows[0, :2]
    point = path.smallest_lambda_with_support(count, np.sort(without))
    end = path.end()
    if point is None:
        assert len(np.setdiff1d(end.rows, without)) < count
        return
    assert len(np.setdiff1d(point.rows, without)) >= count
    assert point.s <= end.s
    if point.diversity_weight > 0:
        before = path.solve(max(0.0, point.diversity_weight * (1 - 1e-6) - 2e-12))
        assert len(np.setdiff1d(before.rows, without)) < count or before.s == point.s
    assert path.solve(point.diversity_weight).support >= point.support


@settings(max_examples=60)
@given(
    seed=small["seed"],
    targets=small["targets"],
    grid=small["grid"],
    copies=small["copies"],
    count=st.integers(1, 60),
)
def test_the_first_point_with_room_lets_near_duplicates_share_a_place(
    seed, targets, grid, copies, count
):
    rows, distances, densities = problem(seed, targets, 50, 30, grid=grid, copies=copies)
    path = path_of(rows, distances, densities, 1.0)
    without = np.unique(rows[0, :2])

    def room(point):
        places = np.minimum(1, targets * point.s * point.probabilities)
        return places[~np.isin(point.rows, without)].sum()

    point, end = path.smallest_lambda_with_room(count, without), path.end()
    if point is None:
        assert room(end) < count
        return
    assert room(point) >= count - 1e-6
    least = path.smallest_lambda_with_support(count, without)
    assert least.s <= point.s <= end.s
    below = point.diversity_weight * (1 - 1e-6) - 2e-12  # far below rounding
    for weight in np.linspace(0, below, 20) if below > 0 else ():
        before = path.solve(weight)
        assert room(before) < count or before.s == point.s


def test_answers_do_not_depend_on_earlier_ones():
    rows, distances, densities = problem(3, 5, 400, 300)
    fresh = [path_of(rows, distances, densities, 1.0).solve(w) for w in (0.9, 0.2, 0.6)]
    path = path_of(rows, distances, densities, 1.0)
    for point, weight in zip(fresh, (0.9, 0.2, 0.6), strict=True):
        again = path.solve(weight)
        np.testing.assert_array_equal(again.rows, point.rows)
        np.testing.assert_array_equal(again.probabilities, point.probabilities)


def test_density_is_asked_only_for_what_the_path_comes_near():
    rows, distances, _ = problem(8, 2, 3000, 2500)
    asked = []
    path = TransportPath(
        rows, distances, scale=1.0, density=lambda m: (asked.extend(m), np.ones(len(m)))[1]
    )
    assert path.solve(0.1).support < 60
    assert 0 < len(asked) < 400
    assert len(asked) == len(set(asked))
    path.end()
    assert len(asked) == len(set(asked)) <= len(path.union)


def test_more_targets_than_neighbours_and_the_used_up_ones_are_counted():
    # Target 0 has its neighbours on the spot; target 1 has a wide field.
    rows = np.array([[0, 1, 2], [3, 4, 5]])
    distances = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.1]])
    path = path_of(rows, distances, np.array([10.0, 10, 10, 1, 1, 1]), 1.0)
    point = path.solve(0.99)
    assert point.s == 2.0
    assert point.exhausted == 1
    # 0.1 / 2 on each of the first two, all that is left on the last.
    np.testing.assert_allclose(dense(point, rows)[:3], [0.025, 0.025, 0.45])


def test_pulls_name_the_targets_of_a_row():
    rows = np.array([[0, 1, 2], [1, 3, 0]])
    distances = np.array([[0.0, 1.0, 2.0], [0.5, 1.0, 1.5]])
    path = TransportPath(rows, distances, scale=1.0)
    point = path.solve(0.55)
    places, targets, shares = path.pulls(point, np.array([1, 3, 8]))
    plan, _ = heap_walk(distances, np.ones((2, 3)), 0.45, 1.0)
    got = {(int(p), int(t)): s for p, t, s in zip(places, targets, shares, strict=True)}
    expected = {(0, 0): plan[0, 1], (0, 1): plan[1, 0], (1, 1): plan[1, 1]}
    expected = {key: value for key, value in expected.items() if value > 0}
    assert got == pytest.approx(expected)


@pytest.mark.parametrize("diversity_weight", ["auto", 0.9999])
def test_at_the_end_of_the_path_nothing_is_said_to_have_moved(diversity_weight):
    # The last step gives the farthest row no mass, so that it lies beyond the path.
    pool, targets = np.arange(1.0, 7)[:, None], np.zeros((2, 1))
    chosen = solve(
        "tsds-uniform",
        Problem(pool, np.arange(6), 6, targets=targets),
        diversity_weight=diversity_weight,
    )
    assert len(chosen.rows) == 6
    assert any("beyond the neighbours" in note for note in chosen.notes)
    assert not any("moved" in note for note in chosen.notes)
