"""The rules: size, uniqueness, chances, constraints, reasons, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.selection import RULES, Problem, Strata, TransportPath, find_rule, solve

ROWS = 400


def pool(seed=0, rows=ROWS, dim=8):
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((6, dim))
    labels = rng.choice(6, rows, p=[0.4, 0.3, 0.15, 0.1, 0.04, 0.01]).astype(np.int32)
    features = centers[labels] + 0.3 * rng.standard_normal((rows, dim))
    features[-10:] = features[:10]  # copies
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features.astype(np.float32), labels, rng.gamma(1.0, 1.0, rows)


FEATURES, LABELS, QUALITY = pool()
TARGETS = FEATURES[[3, 50, 120]]
STRATA = Strata("source", np.arange(ROWS) % 7 % 3, ("a", "b", "c", "none of it"))
# The others draw: another seed, another choice.
DETERMINISTIC = {
    "k-center",
    "facility-location",  # this few rows are not sampled
    "deita",
    "qdit",
    "kmeans-closest",
    "kmeans-median",
    "round-robin",
    "doubly-greedy",
    "mean-similarity",
}


def spread(rule, diversity_weight):
    """Parameters with which more can be drawn than the budget takes, and little of it is rare."""
    if rule.startswith("tsds"):
        return {"diversity_weight": diversity_weight}
    return {"target-kmeans": {"within": "random"}, "uot": {"entropy": 0.5}}.get(rule, {})


def problem(budget=40, seed=0, **changes):
    given = {
        "features": FEATURES,
        "candidates": np.arange(ROWS),
        "targets": TARGETS,
        "labels": LABELS,
        "quality": QUALITY,
        "strata": STRATA,
    } | changes
    return Problem(budget=budget, seed=seed, **given)


@settings(max_examples=150)
@given(rule=st.sampled_from(sorted(RULES)), data=st.data())
def test_exact_size_different_rows_pinned_in_dropped_out(rule, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    candidates = np.sort(rng.permutation(ROWS)[: data.draw(st.integers(1, ROWS))])
    budget = data.draw(st.integers(1, len(candidates)))
    pinned = np.sort(rng.permutation(candidates)[: data.draw(st.integers(0, min(budget, 30)))])
    given = problem(budget, 5, candidates=candidates, pinned=pinned)
    selection = solve(rule, given)
    assert len(selection.rows) == len(np.unique(selection.rows)) == budget
    assert (np.diff(selection.rows) > 0).all()
    assert set(pinned) <= set(selection.rows) <= set(candidates)
    assert ((selection.probabilities > 0) & (selection.probabilities <= 1 + 1e-9)).all()
    assert (selection.probabilities[np.isin(selection.rows, pinned)] == 1).all()
    assert budget <= selection.support <= len(candidates)
    assert selection.distribution.sum() == pytest.approx(1)
    assert len(selection.why) == budget
    again = solve(rule, given)
    assert again.rows.tobytes() == selection.rows.tobytes()
    assert again.probabilities.tobytes() == selection.probabilities.tobytes()


@pytest.mark.parametrize("rule", sorted(DETERMINISTIC))
def test_a_rule_that_does_not_draw_is_sure_of_its_rows(rule):
    pinned = np.array([7, 300])
    selection = solve(rule, problem(30, seed=1, pinned=pinned))
    assert selection.rows.tolist() == solve(rule, problem(30, seed=2, pinned=pinned)).rows.tolist()
    assert (selection.probabilities == 1).all()
    assert selection.support == 30
    chosen = np.isin(np.arange(ROWS), selection.rows)
    assert selection.distribution.tolist() == (chosen / 30).tolist()
    reasons, ranks = selection.reasons, selection.reasons.rank
    assert reasons.pulls is not None or (reasons.value is not None and reasons.measure)
    assert ranks is None or sorted(ranks) == list(range(1, 31))


@pytest.mark.parametrize("rule", sorted(set(RULES) - DETERMINISTIC))
def test_another_seed_draws_other_rows(rule):
    first = solve(rule, problem(20, seed=1), **spread(rule, 0.95)).rows
    assert first.tolist() != solve(rule, problem(20, seed=2), **spread(rule, 0.95)).rows.tolist()


@pytest.mark.parametrize("rule", sorted(set(RULES) - DETERMINISTIC))
def test_rows_are_drawn_as_often_as_is_said(rule):
    draws = 250 if RULES[rule].needs_target else 800
    counts, said = np.zeros(ROWS), np.full(ROWS, np.nan)
    for seed in range(draws):
        selection = solve(rule, problem(30, seed=seed, pinned=np.array([7])), **spread(rule, 0.8))
        counts[selection.rows] += 1
        said[selection.rows] = selection.probabilities
    drawn = counts > 0
    expected = said[drawn]
    margin = 5 * np.sqrt(expected * (1 - expected) / draws) + 1e-9
    assert (np.abs(counts[drawn] / draws - expected) <= margin).all()
    assert np.nansum(said) > 30 - 1.5  # what was never drawn is rare


def test_random_has_one_chance_for_all():
    selection = solve("random", problem(40, pinned=np.array([1, 2])))
    assert set(selection.probabilities[~np.isin(selection.rows, [1, 2])]) == {38 / 398}
    assert solve("random", Problem(None, np.arange(9), 9)).rows.tolist() == list(range(9))


@pytest.mark.parametrize("rule", ["kmeans-random", "kmq", "kmeans-closest", "kmeans-median"])
def test_quota_of_a_cluster(rule):
    sizes = np.bincount(LABELS)
    got = np.bincount(LABELS[solve(rule, problem(200)).rows], minlength=6)
    assert (np.abs(got - sizes / 2) < 1).all()
    equal = np.bincount(LABELS[solve(rule, problem(60), quotas="equal").rows], minlength=6)
    # Small clusters give all; the others share what is left alike.
    open_ = equal < sizes
    assert equal[open_].max() - equal[open_].min() <= 1
    assert (equal[~open_] <= equal[open_].max()).all()


def test_pinned_rows_fill_their_cluster_s_quota_first():
    small = np.flatnonzero(LABELS == 5)
    assert len(small) >= 3
    got = np.bincount(LABELS[solve("kmeans-random", problem(50, pinned=small)).rows])
    assert got[5] == len(small)
    assert got.sum() == 50


def test_quota_of_a_stratum():
    sizes = np.bincount(STRATA.codes)
    selection = solve("stratified", problem(200))
    assert (np.abs(np.bincount(STRATA.codes[selection.rows]) - sizes / 2) < 1).all()
    equal = solve("stratified", problem(61), quotas="equal")
    assert sorted(np.bincount(STRATA.codes[equal.rows])) == [20, 20, 21]
    code = STRATA.codes[selection.rows[0]]
    quota = np.count_nonzero(STRATA.codes[selection.rows] == code)
    name = STRATA.names[code]
    assert selection.why[0] == f"uniform draw in source {name} ({quota} of {sizes[code]} rows)"
    long = Strata("prompt", np.zeros(ROWS, int), ("word " * 20,))
    assert (
        "in prompt word word word word word word word word… ("
        in (solve("stratified", problem(9, strata=long)).why[0])
    )


@pytest.mark.parametrize("rule", ["kmeans-closest", "kmeans-median"])
@settings(max_examples=40)
@given(data=st.data())
def test_rows_beside_the_centroid_or_at_the_median_distance(rule, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    features, labels = rng.integers(-2, 3, (40, 3)), rng.integers(0, 4, 40)  # copies, zeros, ties
    candidates = np.sort(rng.permutation(40)[: data.draw(st.integers(1, 40))])
    budget = data.draw(st.integers(1, len(candidates)))
    pinned = np.sort(rng.permutation(candidates)[: data.draw(st.integers(0, min(budget, 4)))])
    given = Problem(features.astype(np.float32), candidates, budget, labels=labels, pinned=pinned)
    selection = solve(rule, given)
    norms = np.linalg.norm(features, axis=1)
    unit = features / np.where(norms > 0, norms, 1)[:, None]
    for cluster in np.unique(labels[candidates]):
        members = candidates[labels[candidates] == cluster]
        distances = np.linalg.norm(unit[members] - unit[members].mean(axis=0), axis=1)
        value = distances if rule == "kmeans-closest" else np.abs(distances - np.median(distances))
        free = ~np.isin(members, pinned)
        taken = np.isin(members, selection.rows)
        at = np.isin(selection.rows, members)
        np.testing.assert_allclose(selection.reasons.value[at], value[taken], atol=1e-6)
        worst, best = value[taken & free], value[~taken]
        assert worst.max(initial=0) <= best.min(initial=np.inf) + 1e-6
        for row in members[taken & free]:  # of copies the first
            copies = members[(features[members] == features[row]).all(axis=1)]
            assert np.isin(copies[copies < row], selection.rows).all()


def test_kmq_prefers_quality_within_a_cluster():
    inclusion = np.zeros(ROWS)
    selection = solve("kmq", problem(60))
    inclusion[selection.rows] = selection.probabilities
    for cluster in range(6):
        rows = selection.rows[LABELS[selection.rows] == cluster]
        rest = rows[inclusion[rows] < 1]
        # min(1, c · quality): one c for the cluster.
        ratios = inclusion[rest] / QUALITY[rest]
        np.testing.assert_allclose(ratios, ratios[:1].repeat(len(ratios)), rtol=1e-9)


def test_kmq_with_a_low_temperature_takes_the_best():
    signed = QUALITY - 3
    selection = solve("kmq", problem(40, quality=signed), temperature=1e-3)
    for cluster in range(6):
        rows = np.flatnonzero(cluster == LABELS)
        taken = selection.rows[LABELS[selection.rows] == cluster]
        best = rows[np.argsort(-signed[rows])][: len(taken)]
        assert set(taken) == set(best)


def test_kmq_takes_worthless_rows_only_when_it_must_and_says_so():
    quality = np.where(np.arange(ROWS) < 100, 1.0, 0.0)
    few = solve("kmq", problem(20, quality=quality))
    assert (few.rows < 100).all() and few.notes == ()
    many = solve("kmq", problem(200, quality=quality))
    assert set(np.flatnonzero(quality > 0)) <= set(many.rows)
    assert "quality 0" in many.notes[0]


def test_with_room_for_the_budget_copies_of_a_row_have_the_chance_of_one():
    near = np.eye(4)
    pool = np.concatenate([np.repeat(near[:1], 50, axis=0), near[1:], -near[:1]])
    target = np.array([[1.0, 0.3, 0.2, 0.1]])
    chosen = solve("tsds-kde", Problem(pool, np.arange(54), 4, targets=target, seed=2))
    assert chosen.settings["diversity_weight_asked"] == "auto"
    assert (chosen.rows < 50).sum() == 1
    np.testing.assert_allclose(chosen.distribution, [1 / 200] * 50 + [1 / 4] * 3 + [0])
    # No six of the rows differ, so copies have to fill the budget, and it is said.
    more = solve("tsds-kde", Problem(pool, np.arange(54), 6, targets=target))
    assert (more.rows < 50).sum() > 1
    assert any("near-duplicates fill it" in note for note in more.notes)


def test_a_density_counts_the_prefetched_rows_or_all_that_are_kept():
    kept = np.delete(np.arange(len(FEATURES)), [3, 40, 77])
    distances = np.linalg.norm(TARGETS[:, None] - FEATURES[kept][None], axis=2)
    near = np.argsort(distances, axis=1, kind="stable")[:, :9]
    between = np.linalg.norm(FEATURES[:, None] - FEATURES[None], axis=2)
    kernel = np.maximum(0, 1 - (between / 0.8) ** 2)
    given = {"diversity_weight": 0.4, "scale": 1.0, "sigma": 0.8, "max_neighbors": 9}
    for scope, counted in (("prefetched", np.unique(kept[near])), ("pool", kept)):
        densities = kernel[:, counted].sum(axis=1)
        union = np.unique(kept[near])
        path = TransportPath(
            kept[near],
            np.take_along_axis(distances, near, axis=1),
            scale=1.0,
            density=lambda members, of=densities[union]: of[members],
        )
        point = path.solve(0.4)
        found = solve("tsds-kde", problem(5, candidates=kept), density_scope=scope, **given)
        expected = np.zeros(len(FEATURES))
        expected[point.rows] = point.probabilities
        np.testing.assert_allclose(found.distribution, expected[kept], atol=1e-5)


@pytest.mark.parametrize("rule", ["tsds-uniform", "tsds-kde"])
def test_target_rules_take_what_is_near(rule):
    selection = solve(rule, problem(30))
    near = ((FEATURES[:, None] - TARGETS[None]) ** 2).sum(2).min(1)
    assert near[selection.rows].mean() < 0.5 * near.mean()


def test_a_budget_beyond_the_support_moves_along_the_path_and_says_so():
    selection = solve("tsds-uniform", problem(30), diversity_weight=0.0)
    assert selection.settings["diversity_weight_asked"] == 0
    moved = selection.settings["diversity_weight"]
    assert moved > 0
    assert "moved from 0 to" in selection.notes[0]
    assert solve("tsds-uniform", problem(30), diversity_weight=min(moved + 0.05, 0.99)).notes == ()
    # The distribution is that of the weight that was asked for.
    assert np.count_nonzero(selection.distribution) == 3


def test_too_few_neighbours_are_made_more_and_it_is_said():
    selection = solve("tsds-kde", problem(100), max_neighbors=5)
    assert selection.settings["max_neighbors"] == 101
    assert "too few different rows" in selection.notes[0]
    assert len(selection.rows) == 100


@pytest.mark.parametrize("rule", ["tsds-uniform", "tsds-kde"])
def test_many_targets_get_as_many_neighbours_as_memory_allows_and_it_is_said(rule, monkeypatch):
    monkeypatch.setattr("core.selection.nearest._MOST_PAIRS", 50)
    selection = solve(rule, problem(20, seed=3), max_neighbors=60)
    assert selection.settings["max_neighbors"] == 16
    assert selection.notes[0].startswith(
        "16 neighbours of each target were looked at instead of 60, so that 3 targets fit"
    )
    fewer = solve(rule, problem(20, seed=3), max_neighbors=16)
    assert selection.rows.tolist() == fewer.rows.tolist()
    assert selection.notes[1:] == fewer.notes
    monkeypatch.setattr("core.selection.nearest._MOST_PAIRS", 2)
    assert len(solve(rule, problem(20)).rows) == 20  # more targets than pairs


def test_the_whole_pool_can_be_taken():
    for rule in ("tsds-uniform", "tsds-kde"):
        selection = solve(rule, problem(ROWS))
        assert len(selection.rows) == ROWS
        assert (selection.probabilities > 0).all()


def test_near_duplicates_share_the_chance_of_one_row():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((60, 16))
    features[30:] = features[0]  # 31 copies of row 0
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    given = Problem(features, np.arange(60), 10, targets=features[[0, 5]], seed=0)
    copies = np.r_[0, 30:60]
    share = {
        rule: solve(rule, given, diversity_weight=0.9).distribution[copies].sum()
        for rule in ("tsds-uniform", "tsds-kde")
    }
    assert share["tsds-kde"] < 0.1 < share["tsds-uniform"]
    same = solve("tsds-kde", given, diversity_weight=0.9, duplicate_cosine=1.0)
    assert same.settings["sigma"] == 0
    np.testing.assert_array_equal(
        same.distribution, solve("tsds-uniform", given, diversity_weight=0.9).distribution
    )


def test_why():
    pinned = np.array([2])
    for rule, words in {
        "random": "uniform draw",
        "stratified": "uniform draw in source",
        "kmeans-random": "uniform draw in cluster",
        "kmeans-closest": "rows); distance to the centroid",
        "kmeans-median": "rows); distance to the centroid differs from the median by",
        "k-center": "; distance to the nearest row chosen before",
        "facility-location": "; similarity added",
        "deita": "; quality ",
        "qdit": "; coverage and quality added",
        "kmq": "quality",
        "tsds-kde": "pulled by target",
    }.items():
        selection = solve(rule, problem(30, pinned=pinned))
        at = selection.rows.tolist().index(2)
        assert selection.why[at] == "pinned"
        assert all(words in why for i, why in enumerate(selection.why) if i != at)
    pulls = selection.reasons.pulls
    distances = np.linalg.norm(FEATURES[selection.rows][:, None] - TARGETS[None], axis=2)
    assert pulls.nearest.tolist() == distances.argmin(1).tolist()
    np.testing.assert_allclose(pulls.distances, distances.min(1), atol=1e-3)
    free = np.arange(len(selection.rows)) != at
    assert (pulls.strongest[free] >= 0).all()
    assert all(pulls.strongest[i] == pulls.of(i)[0] for i in np.flatnonzero(free))


def test_a_rule_is_found_by_its_id_and_by_its_label():
    for rule in RULES.values():
        assert find_rule(rule.id) is find_rule(rule.label) is find_rule(rule.label.upper()) is rule


@pytest.mark.parametrize(
    ("rule", "changes", "parameters", "message"),
    [
        ("best", {}, {}, "Unknown method 'best'; use one of random"),
        ("random", {"budget": 0}, {}, "at least 1 row, not 0"),
        ("random", {"budget": 401}, {}, "budget of 401 rows is more than the 400"),
        ("random", {"candidates": np.arange(0)}, {}, "No rows are left"),
        ("random", {"budget": 2, "pinned": np.arange(3)}, {}, "3 rows are pinned"),
        ("random", {"pinned": np.array([999])}, {}, "pinned rows are dropped"),
        ("random", {"seed": -1}, {}, "seed must be a whole number from 0"),
        ("random", {"seed": 2**31}, {}, "seed must be a whole number from 0"),
        ("random", {}, {"diversity_weight": 0.5}, "no parameter 'diversity_weight'"),
        ("kmeans-random", {"labels": None}, {}, "needs clusters"),
        ("kmeans-closest", {"features": None}, {}, "needs features"),
        ("stratified", {"strata": None}, {}, "--by COLUMN"),
        ("kmeans-random", {}, {"quotas": "half"}, "one of proportional, equal, got half"),
        ("kmq", {"quality": None}, {}, "--quality COLUMN"),
        ("deita", {"quality": None}, {}, "--quality COLUMN"),
        ("qdit", {"quality": np.where(np.arange(ROWS) == 9, np.nan, 1.0)}, {}, "Row 9 has no"),
        ("qdit", {}, {"quality_weight": 1.1}, "Quality weight must be between 0.0 and 1.0"),
        ("facility-location", {}, {"epsilon": 1}, "Sampling error must be"),
        ("k-center", {"features": None}, {}, "needs features"),
        ("kmq", {"quality": np.where(np.arange(ROWS) == 9, np.nan, 1.0)}, {}, "Row 9 has no"),
        ("kmq", {"quality": np.where(np.arange(ROWS) == 9, -1.0, 1.0)}, {}, "Row 9 has quality -1"),
        ("kmq", {}, {"temperature": -1}, "Temperature must be between 0.0 and 10.0"),
        ("tsds-kde", {"targets": None}, {}, "needs target rows"),
        ("tsds-kde", {"targets": TARGETS[:0]}, {}, "needs target rows"),
        ("tsds-kde", {"targets": TARGETS[:, :5]}, {}, "5 dimensions and the pool's 8"),
        ("tsds-kde", {"targets": TARGETS * np.nan}, {}, "Target row 0 holds NaN"),
        ("tsds-kde", {"features": None}, {}, "needs features"),
        ("tsds-kde", {}, {"diversity_weight": 1.0}, "at least 0.0 and below 1.0, got 1.0"),
        ("tsds-kde", {}, {"diversity_weight": -0.1}, "Diversity weight must be"),
        ("tsds-kde", {}, {"diversity_weight": "much"}, "Diversity weight must be"),
        ("tsds-kde", {}, {"diversity_weight": float("nan")}, "Diversity weight must be"),
        ("tsds-kde", {}, {"scale": 0}, "auto or a number above 0, got 0"),
        ("tsds-kde", {}, {"scale": "big"}, "auto or a number above 0"),
        ("tsds-kde", {}, {"duplicate_cosine": 1.5}, "between 0.0 and 1.0, got 1.5"),
        ("tsds-kde", {}, {"sigma": -1}, "Kernel width must be at least 0.0"),
        ("tsds-kde", {}, {"max_neighbors": 0}, "Neighbours of a target must be at least 1"),
        ("tsds-kde", {}, {"max_neighbors": 2.5}, "Neighbours of a target must be"),
    ],
)
def test_refusals(rule, changes, parameters, message):
    with pytest.raises(InputError) as caught:
        solve(rule, problem(**changes), **parameters)
    assert message in str(caught.value)


def test_every_rule_describes_itself():
    for key, rule in RULES.items():
        assert rule.id == key
        assert rule.label and rule.cost and rule.source
        assert rule.summary.endswith(".") and rule.summary.count(".") == 1
        names = [parameter.name for parameter in rule.parameters + rule.expert]
        assert len(names) == len(set(names))
        for parameter in rule.parameters + rule.expert:
            assert parameter.help.endswith(".")
            assert parameter.check(parameter.default) == parameter.default
