"""Constraints: every rule obeys them, changes no more than it must, and says what cannot be met."""

import itertools
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_selection_rules import DETERMINISTIC, FEATURES, LABELS, QUALITY, ROWS, STRATA, problem

from core.errors import InputError
from core.selection import RULES, Problem, Strata, solve
from core.selection.alike import Apart
from core.selection.constraints import cluster_groups, make_constraints
from core.selection.room import Room

COLORS = Strata("color", np.arange(ROWS) // 5 % 4, ("red", "green", "blue", "none of it"))
COSINES = FEATURES.astype(np.float64) @ FEATURES.T.astype(np.float64)


def groups(column):
    return {"source": STRATA, "color": COLORS, "cluster": cluster_groups(LABELS)}[column]


def constrained(given, *limits, **cosines):
    return replace(given, constraints=make_constraints(groups, limits, **cosines))


def obeys(rows, given, *, pinned=()):
    """Whether rows obey, by loops over all groups and pairs."""
    constraints = given.constraints
    for limits in constraints.limits:
        counts = np.bincount(limits.groups.codes[rows], minlength=len(limits.low))
        if (counts < limits.low).any() or (counts > limits.high).any():
            return False
    if constraints.max_cosine is None:
        return True
    close = np.argwhere(np.triu(COSINES[np.ix_(rows, rows)] > constraints.max_cosine + 3e-6, 1))
    return all(rows[a] in pinned and rows[b] in pinned for a, b in close)


@settings(max_examples=120)
@given(rule=st.sampled_from(sorted(RULES)), data=st.data())
def test_every_rule_obeys_or_says_why_not(rule, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    candidates = np.sort(rng.permutation(ROWS)[: data.draw(st.integers(30, ROWS))])
    budget = data.draw(st.integers(1, len(candidates) // 2))
    pinned = np.sort(rng.permutation(candidates)[: data.draw(st.integers(0, min(budget, 8)))])
    limits = [
        f"{column}{group}={low or ''}..{'' if more is None else low + more}"
        for column, group, low, more in data.draw(
            st.lists(
                st.tuples(
                    st.sampled_from(["source", "color", "cluster"]),
                    st.sampled_from(["", ":0", ":a", ":red"]),
                    st.integers(0, max(1, budget // 6)),
                    st.none() | st.integers(0, budget),
                ),
                max_size=3,
            )
        )
        if (low or more is not None)
        and group in ("", {"source": ":a", "color": ":red", "cluster": ":0"}[column])
    ]
    cap = data.draw(st.none() | st.sampled_from([0.9, 0.97, 1.0]))
    dedup = data.draw(st.none() | st.sampled_from([0.98, 1.0]))
    base = problem(budget, 5, candidates=candidates, pinned=pinned)
    try:
        bound = constrained(base, *limits, max_cosine=cap, semdedup=dedup)
        selection = solve(rule, bound)
    except InputError as error:
        assert error.option in {"limit", "max_cosine", "semdedup"}
        assert str(error).count("\n") == 0 and str(error).endswith(".")
        return
    if bound.constraints is None:
        return
    rows = selection.rows
    assert len(rows) == budget and (np.diff(rows) > 0).all()
    assert set(pinned) <= set(rows) <= set(candidates)
    assert obeys(rows, bound, pinned=pinned)
    assert selection.distribution.shape == candidates.shape
    assert selection.distribution.sum() == pytest.approx(1)
    assert ((selection.probabilities > 0) & (selection.probabilities <= 1 + 1e-9)).all()
    assert (selection.probabilities[np.isin(rows, pinned)] == 1).all()
    assert len(selection.why) == budget
    assert [why == "pinned" for why in selection.why] == np.isin(rows, pinned).tolist()
    again = solve(rule, constrained(base, *limits[::-1], max_cosine=cap, semdedup=dedup))
    assert again.rows.tolist() == rows.tolist() and again.why == selection.why
    free = solve(rule, base)
    if dedup is None and obeys(free.rows, bound, pinned=pinned):
        assert free.rows.tolist() == rows.tolist() and free.why == selection.why


@pytest.mark.parametrize("rule", sorted(RULES))
def test_constraints_that_already_hold_change_nothing(rule):
    free = solve(rule, problem(40))
    bound = solve(rule, constrained(problem(40), "source=0..40", "cluster=..40"))
    assert bound.rows.tobytes() == free.rows.tobytes()
    assert bound.probabilities.tobytes() == free.probabilities.tobytes()
    assert bound.distribution.tobytes() == free.distribution.tobytes()
    assert bound.why == free.why and bound.notes == free.notes
    assert bound.settings == free.settings | {"exchanged": 0}


@pytest.mark.parametrize("rule", sorted(DETERMINISTIC))
def test_the_order_of_the_pool_does_not_matter(rule):
    rng = np.random.default_rng(1)
    features = rng.standard_normal((120, 6)).astype(np.float32)  # no copies: nothing is tied
    labels, codes = rng.integers(0, 5, 120), rng.integers(0, 3, 120)
    quality = rng.uniform(size=120)

    def chosen(order):
        names = np.array(["a", "b", "c"])[codes[order]]
        first = list(dict.fromkeys(names))  # as a pool numbers them
        source = Strata("source", np.array([first.index(name) for name in names]), tuple(first))
        made = {"source": source, "cluster": cluster_groups(labels[order])}
        bounds = ["source:a=..5", "source:b=9..", "cluster:0=8..", "cluster:1=..4"]
        given = Problem(
            features[order],
            np.arange(120),
            30,
            targets=features[:4],
            labels=labels[order],
            strata=source,
            quality=quality[order],
            constraints=make_constraints(made.__getitem__, bounds, max_cosine=0.8),
        )
        return set(order[solve(rule, given).rows])

    assert chosen(np.arange(120)) == chosen(rng.permutation(120))


@settings(max_examples=60)
@given(data=st.data())
def test_limits_of_one_column_drop_the_fewest_and_the_least_wanted(data):
    """Against all choices there are: the most kept, and of those the most wanted."""
    size, budget = data.draw(st.integers(4, 9)), data.draw(st.integers(1, 4))
    budget = min(budget, size)
    codes = np.array(data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size)))
    column = Strata("g", codes, ("x", "y", "z"))
    bounds = [
        f"g:{name}={low}..{low + more}"
        for name, low, more in zip(
            "xyz",
            data.draw(st.lists(st.integers(0, 2), min_size=3, max_size=3)),
            data.draw(st.lists(st.integers(0, 3), min_size=3, max_size=3)),
            strict=True,
        )
    ]
    made = make_constraints(lambda _: column, bounds).limits
    low, high = made[0].low, made[0].high
    fit = [
        set(rows)
        for rows in itertools.combinations(range(size), budget)
        if all(low[g] <= np.count_nonzero(codes[list(rows)] == g) <= high[g] for g in range(3))
    ]
    given = Problem(None, np.arange(size), budget)
    if not fit:
        with pytest.raises(InputError):
            Room(given, made)
        return
    order = np.array(data.draw(st.permutations(range(size))))[:budget]
    kept = order[Room(given, made).keep(order, np.ones(size, bool))].tolist()
    places = [[place for place, row in enumerate(order) if row in rows] for rows in fit]
    most = max(map(len, places))
    best = min(sum(one) for one in places if len(one) == most)
    assert len(kept) == most
    assert sum(order.tolist().index(row) for row in kept) == best


@settings(max_examples=60)
@given(data=st.data())
def test_limits_of_several_columns_are_met_whenever_they_can_be(data):
    size = data.draw(st.integers(3, 8))
    budget = data.draw(st.integers(1, size))
    columns = {
        name: Strata(
            name,
            np.array(data.draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))),
            ("x", "y"),
        )
        for name in "abc"[: data.draw(st.integers(2, 3))]
    }
    bounds = [
        f"{name}:{group}={low}..{low + data.draw(st.integers(0, 3))}"
        for name in columns
        for group in "xy"
        for low in [data.draw(st.integers(0, 2))]
    ]
    made = make_constraints(columns.__getitem__, bounds)
    given = Problem(None, np.arange(size), budget, seed=3, constraints=made)

    def fits(rows):
        counts = [np.bincount(one.groups.codes[list(rows)], minlength=2) for one in made.limits]
        return all(
            (one.low <= count).all() and (count <= one.high).all()
            for one, count in zip(made.limits, counts, strict=True)
        )

    possible = any(fits(rows) for rows in itertools.combinations(range(size), budget))
    try:
        rows = solve("random", given).rows
    except InputError as error:
        assert not possible and error.option == "limit"
    else:
        assert possible and len(rows) == budget and fits(rows)


def test_the_cap_is_obeyed_as_going_down_the_order_would():
    given = constrained(problem(60), max_cosine=0.95)
    selection = solve("mean-similarity", given)
    unit = FEATURES.astype(np.float64)
    order = np.argsort(-(unit @ unit[[3, 50, 120]].mean(axis=0)), kind="stable")
    taken = []
    for row in order:
        if len(taken) < 60 and all(COSINES[row, other] <= 0.95 for other in taken):
            taken.append(row)
    assert selection.rows.tolist() == sorted(taken)
    assert sorted(selection.reasons.rank) == list(range(1, 61))
    assert [taken.index(row) + 1 for row in selection.rows] == selection.reasons.rank.tolist()
    assert "To obey the near-duplicate cap, " in selection.notes[-1]


def test_pinned_near_duplicates_stay_but_no_other_row_joins_them():
    pinned = np.array([0, ROWS - 10])  # copies
    given = constrained(problem(30, pinned=pinned), max_cosine=0.99)
    rows = solve("doubly-greedy", given).rows
    assert set(pinned) <= set(rows) and obeys(rows, given, pinned=pinned)


@pytest.mark.parametrize("rule", ["doubly-greedy", "random", "tsds-kde"])
def test_many_copies_take_few_tries(rule):
    rng = np.random.default_rng(0)
    features = np.repeat(rng.standard_normal((60, 16)), 50, axis=0).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    calls = []
    given = Problem(
        features,
        np.arange(3000),
        60,
        targets=features[:1],
        constraints=make_constraints(groups, max_cosine=0.999),
    )
    from core.selection.constrained import solve_constrained

    def counted(asked):
        calls.append(asked.budget)
        return solve(rule, asked)

    rows = solve_constrained(given, counted).rows
    assert (np.bincount(rows // 50) == 1).all()
    assert len(calls) < 16


def test_a_maximum_takes_the_surplus_from_the_least_wanted():
    free = solve("doubly-greedy", problem(40))
    bound = solve("doubly-greedy", constrained(problem(40), "source:a=..5"))
    ours = free.rows[STRATA.codes[free.rows] == 0]
    ranks = free.reasons.rank[STRATA.codes[free.rows] == 0]
    kept = bound.rows[STRATA.codes[bound.rows] == 0]
    assert len(ours) > 5 and set(kept) == set(ours[np.argsort(ranks)[:5]])
    others = free.rows[STRATA.codes[free.rows] != 0]
    assert set(others) <= set(bound.rows)
    # What comes is what the rule takes next.
    longer = solve("doubly-greedy", problem(200))
    by_rank = longer.rows[np.argsort(longer.reasons.rank)]
    rest = [row for row in by_rank if STRATA.codes[row] != 0][: 40 - 5]
    assert set(bound.rows) == set(rest) | set(kept)
    gone = len(ours) - 5
    assert bound.settings["exchanged"] == gone
    assert bound.notes[-1] == (
        f"To obey the limits, {gone} of the 40 rows that the rule chose were exchanged for others."
    )


def test_a_minimum_is_met_with_what_the_rule_wants_of_the_group():
    bound = solve("doubly-greedy", constrained(problem(30), "cluster=3.."))
    counts = np.bincount(LABELS[bound.rows], minlength=6)
    assert (counts >= 3).all()
    near = ((FEATURES[:, None] - FEATURES[[3, 50, 120]][None]) ** 2).sum(2).min(1)
    for cluster in np.flatnonzero(counts == 3):
        rows = np.flatnonzero(cluster == LABELS)
        best = rows[np.argsort(near[rows], kind="stable")[:3]]
        assert near[bound.rows[LABELS[bound.rows] == cluster]].max() <= near[best].max() + 1e-9


def test_quotas_in_the_reasons_are_those_that_came_out():
    bound = solve("stratified", constrained(problem(60), "source:a=..5"))
    at = np.flatnonzero(STRATA.codes[bound.rows] == 0)
    size = np.count_nonzero(STRATA.codes == 0)
    assert len(at) == 5
    assert {bound.why[place] for place in at} == {f"uniform draw in source a (5 of {size} rows)"}


def test_pulls_stay_with_their_rows():
    free = solve("tsds-uniform", problem(40), diversity_weight=0.8)
    bound = solve("tsds-uniform", constrained(problem(40), "source:a=..5"), diversity_weight=0.8)
    distances = np.linalg.norm(FEATURES[bound.rows][:, None] - FEATURES[[3, 50, 120]][None], axis=2)
    np.testing.assert_allclose(bound.reasons.pulls.distances, distances.min(1), atol=1e-3)
    both, here, there = np.intersect1d(bound.rows, free.rows, return_indices=True)
    assert len(both) and [bound.why[i] for i in here] == [free.why[i] for i in there]


def slow_semdedup(candidates, pinned, cosine):
    kept = set(pinned)
    for cluster in np.unique(LABELS[candidates]):
        rows = [row for row in candidates if LABELS[row] == cluster]
        centroid = FEATURES[rows].astype(np.float64).mean(axis=0)
        for row in sorted(rows, key=lambda row: (FEATURES[row] @ centroid, row)):
            others = [other for other in rows if other in kept and other != row]
            if row not in kept and all(COSINES[row, other] <= cosine for other in others):
                kept.add(row)
    return kept


@pytest.mark.parametrize("cosine", [0.9, 0.97])
def test_semdedup_keeps_what_loops_keep(cosine):
    from core.selection.alike import semdedup

    candidates, pinned = np.arange(0, ROWS, 2), np.array([4, 390])
    given = problem(5, candidates=candidates, pinned=pinned)
    kept = candidates[semdedup(given, cosine)]
    assert set(kept) == slow_semdedup(candidates, pinned, cosine)
    selection = solve("random", constrained(given, semdedup=cosine))
    assert set(selection.rows) <= set(kept)
    gone = len(candidates) - len(kept)
    assert selection.notes == (
        f"SemDeDup at cosine {cosine} left out {gone} of 200 rows before the choice.",
    )
    assert (selection.distribution[~np.isin(candidates, kept)] == 0).all()


def test_a_limit_of_a_group_takes_the_place_of_that_of_all():
    (limits,) = make_constraints(
        groups, ["cluster:3=7", "cluster=2..9", "cluster=..5", "cluster:0=1.."]
    ).limits
    assert limits.low.tolist() == [1, 2, 2, 7, 2, 2]
    assert limits.high.tolist() == [np.inf, 5, 5, 7, 5, 5]
    odd = Strata("n=1:x", np.zeros(3, int), ("a=b:c",))
    (limits,) = make_constraints(lambda _: odd, ["n:a=b:c=..2"]).limits
    assert limits.high.tolist() == [2]
    assert make_constraints(groups) is None


@pytest.mark.parametrize(
    ("limits", "changes", "message"),
    [
        (["source"], {}, "A limit is COLUMN=A..B or COLUMN:GROUP=A..B"),
        (["source=.."], {}, "not 'source=..'"),
        (["=3"], {}, "not '=3'"),
        (["source:=3"], {}, "not 'source:=3'"),
        (["source=-1.."], {}, "A limit is COLUMN"),
        (["source=1234567890"], {}, "A limit is COLUMN"),
        (["source:a=9..3"], {}, "asks for more rows than it allows"),
        (["source:d=9"], {}, "There is no source 'd' to limit; there are a, b, c, none of it."),
        (["source:a=9..", "source:a=..3"], {}, "source a is to give at least 9 rows and at most 3"),
        (["source=1.."], {}, "source none of it has 0 rows to choose from, fewer than its minimum"),
        (["source:a=15..", "source:b=30.."], {}, "add up to 45 rows, more than the budget of 40"),
        (["source=..9"], {}, "The maximums of source allow 27 rows, fewer than the budget of 40"),
        (["source:a=..1"], {"pinned": np.array([0, 3])}, "2 rows of source a are pinned, more"),
        (
            ["source:a=20..", "source:b=20.."],
            {"pinned": np.array([2, 5, 6])},
            "minimums of source with the pinned rows add up to 4",
        ),
        (
            ["cluster:0=35..", "source:a=35.."],
            {"candidates": np.flatnonzero((LABELS == 0) != (STRATA.codes == 0))},
            "The limits on cluster and source cannot be met together with 40 rows",
        ),
    ],
)
def test_limits_that_cannot_be_met(limits, changes, message):
    with pytest.raises(InputError) as caught:
        solve("random", constrained(problem(40, **changes), *limits))
    assert message in str(caught.value) and caught.value.option == "limit"


def test_refused_rows_are_compared_in_blocks():
    vectors = np.tile(np.eye(1, 4, dtype=np.float32), (20_000, 1))
    apart = Apart(4, 0.9)
    apart.add(vectors[:8192])
    tracemalloc.start()
    assert not apart.free(vectors).any()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**26  # 655 MB for all at once


def test_a_cap_that_cannot_be_met_says_how_many_rows_there_are():
    copies = np.repeat(np.eye(5, 8), 20, axis=0).astype(np.float32)
    given = Problem(copies, np.arange(100), 9, labels=np.arange(100) // 20, quality=QUALITY[:100])
    bound = replace(given, constraints=make_constraints(groups, max_cosine=0.5))
    message = r"Only 5 of 9 rows could be had with no two above cosine 0.5; raise the cosine"
    for rule in ("random", "k-center", "deita"):
        with pytest.raises(InputError, match=message):
            solve(rule, bound)
    few = make_constraints(lambda _: cluster_groups(given.labels), ["cluster:2=3.."], 0.5)
    with pytest.raises(InputError, match=r"Only 1 of the 3 rows that cluster 2 must give"):
        solve("random", replace(given, constraints=few))
    thinned = replace(given, constraints=make_constraints(groups, semdedup=0.5))
    message = "SemDeDup at cosine 0.5 leaves 5 of 100 rows, fewer than the budget of 9"
    with pytest.raises(InputError, match=message):
        solve("random", thinned)


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        ({"max_cosine": 1.5}, {}, "Near-duplicate cap must be between 0.0 and 1.0, got 1.5"),
        ({"semdedup": "x"}, {}, "SemDeDup must be between"),
        ({"max_cosine": 0.9}, {"features": None}, "told by features; run `embed` first"),
        ({"semdedup": 0.9}, {"features": None}, "told by features; run `embed` first"),
        ({"semdedup": 0.9}, {"labels": None}, "SemDeDup needs clusters"),
    ],
)
def test_refusals(options, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        solve("random", constrained(problem(9, **changes), **options))
    assert caught.value.option == next(iter(options))
