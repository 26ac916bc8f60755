"""The trade-off in a project: previews against stored runs, limits and coverage by brute force."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.decisions import decide
from core.errors import InputError
from core.features import load_features
from core.project import Project
from core.runs import load_run, rows_sha256, select, store
from core.selection.tsds import rounded_up
from core.setup import set_up
from core.target_features import encode_target
from core.tradeoff import WEIGHTS, Tradeoff, tradeoff
from core.workspace import open_project

OPTIONS = {"target": "cooking", "budget": 12}


def laid(root, method="tsds-kde"):
    return Tradeoff(set_up(Project.open(root), method=method, **OPTIONS))


@pytest.mark.parametrize("method", ["tsds-kde", "tsds-uniform"])
@pytest.mark.parametrize(("weight", "budget", "seed"), [(0.0, 3, 0), (0.4, 20, 1), (0.9, 70, 2)])
def test_a_preview_has_the_rows_of_the_stored_run(mapped_root, method, weight, budget, seed):
    decide(Project.open(mapped_root), 240, "drop", np.arange(4), "test")
    decide(Project.open(mapped_root), 240, "pin", np.array([9, 200]), "test")
    found = laid(mapped_root, method)
    for _ in range(2):  # the second answer is remembered, and the same
        preview = found.preview({}, diversity_weight=weight, budget=budget, seed=seed)
    report = select(
        Project.open(mapped_root),
        method=method,
        target="cooking",
        budget=budget,
        seed=seed,
        diversity_weight=weight,
    )
    run = load_run(Project.open(mapped_root), report.run)
    np.testing.assert_array_equal(preview.rows, run.rows)
    np.testing.assert_array_equal(preview.probabilities, run.table["probability"].to_numpy())
    assert list(preview.why) == run.table["why"].to_pylist()
    assert preview.support == report.support


def test_another_cosine_and_back_gives_the_same_rows(mapped_root):
    found = laid(mapped_root)
    at = {"diversity_weight": 0.5, "budget": 20}
    before = found.preview({"duplicate_cosine": 0.95}, **at)
    other = found.preview({"duplicate_cosine": 0.5}, **at)
    again = found.preview({"duplicate_cosine": 0.95}, **at)
    np.testing.assert_array_equal(before.probabilities, again.probabilities)
    assert not np.array_equal(before.probabilities, other.probabilities)
    fresh = laid(mapped_root).preview({"duplicate_cosine": 0.5}, **at)
    np.testing.assert_array_equal(other.rows, fresh.rows)


def test_a_curve_that_was_stopped_goes_on_and_is_the_same(mapped_root):
    def stop(done, total, what):
        raise InterruptedError

    found = laid(mapped_root)
    before = found.preview({}, diversity_weight=0.1, budget=8)
    with pytest.raises(InterruptedError):
        found.curve({}, progress=stop)
    again = found.preview({}, diversity_weight=0.1, budget=8)
    np.testing.assert_array_equal(again.probabilities, before.probabilities)
    whole, other = found.curve({}), laid(mapped_root).curve({})
    np.testing.assert_array_equal(whole.supports, other.supports)
    np.testing.assert_array_equal(whole.alignment_costs, other.alignment_costs)


def test_a_preview_is_stored_as_the_run_that_select_would_store(mapped_root):
    found = laid(mapped_root)
    parameters = {"duplicate_cosine": 0.9}
    selection = found.preview(parameters, diversity_weight=0.3, budget=15, seed=4)
    given = {**parameters, "diversity_weight": 0.3}
    kept = store(found.setup.at(budget=15, seed=4), selection, given, name="seen")
    made = select(
        Project.open(mapped_root),
        method="tsds-kde",
        target="cooking",
        budget=15,
        seed=4,
        name="made",
        **given,
    )
    assert kept.rows_sha256 == made.rows_sha256 == rows_sha256(selection.rows)
    seen, other = (load_run(Project.open(mapped_root), name) for name in ("seen", "made"))
    assert seen.table.equals(other.table)
    recipes = [
        [
            line
            for line in run.recipe_path.read_text().splitlines()
            if not line.strip().startswith(("created", "name", "run", "seconds"))
        ]
        for run in (seen, other)
    ]
    assert recipes[0] == recipes[1]
    with pytest.raises(InputError, match="exists already"):
        store(found.setup, selection, given, name="seen")


@pytest.mark.parametrize("budget", [2, 10, 40, 120, 200])
def test_the_smallest_weight_holds_the_budget_and_no_smaller_one_does(mapped_root, budget):
    found = laid(mapped_root)
    limits = found.limits({}, diversity_weight=0.5, budget=budget)
    preview = found.preview({}, diversity_weight=limits.smallest_weight, budget=budget)
    assert not any("moved" in note for note in preview.notes)
    held = found.limits({}, diversity_weight=limits.smallest_weight, budget=budget)
    assert held.largest_budget >= budget
    if limits.smallest_weight > 0:
        less = limits.smallest_weight - 1e-6
        assert found.limits({}, diversity_weight=less, budget=budget).largest_budget < budget
        moved = found.preview({}, diversity_weight=less, budget=budget)
        assert any("moved" in note for note in moved.notes)


def test_the_largest_budget_of_a_weight_is_filled_and_one_more_is_not(mapped_root):
    decide(Project.open(mapped_root), 240, "pin", np.array([200, 201]), "test")
    found = laid(mapped_root)
    most = found.limits({}, diversity_weight=0.6, budget=1).largest_budget
    filled = found.preview({}, diversity_weight=0.6, budget=most)
    assert not filled.notes and filled.support == most
    assert any("moved" in n for n in found.preview({}, diversity_weight=0.6, budget=most + 1).notes)
    assert found.limits({}, diversity_weight=0.6, budget=2).smallest_weight == 0  # all pinned


@pytest.mark.parametrize("pinned", [[], [200, 201]])
@pytest.mark.parametrize("budget", [8, 60])  # the second is beyond 20 neighbours of each target
def test_the_point_where_rows_are_drawn_is_on_the_curve_of_its_path(mapped_root, pinned, budget):
    if pinned:
        decide(Project.open(mapped_root), 240, "pin", np.array(pinned), "test")
    found, asked = laid(mapped_root), {"max_neighbors": 20}
    selection = found.preview(asked, diversity_weight=0.1, budget=budget)
    path = found.as_drawn(asked, selection)
    assert (path == asked) == (budget == 8)
    weight = selection.settings["diversity_weight"]
    limits = found.limits(path, diversity_weight=weight, budget=budget)
    assert limits.largest_budget == selection.support >= limits.point.support
    assert limits.point.alignment_cost == pytest.approx(selection.settings["alignment_cost"])
    curve = found.curve(path)
    costs, supports = curve.alignment_costs, curve.supports
    last = int(np.searchsorted(WEIGHTS, weight))
    first = max(last - 1, 0)
    assert costs[first] - 1e-6 <= limits.point.alignment_cost <= costs[last] + 1e-6
    assert supports[first] <= limits.point.support <= supports[last]


@given(st.floats(0, 0.999))
def test_a_weight_rounded_up_is_enough_and_barely_more(weight):
    up = float(rounded_up(weight))
    assert weight - 1e-8 <= up < 1 and up - weight < 0.01 + 1e-8
    assert rounded_up(0.07) == "0.07" and rounded_up(0.422559) == "0.43"


def test_the_curve_has_the_supports_of_the_previews(mapped_root):
    found = laid(mapped_root)
    curve = found.curve({})
    assert (np.diff(curve.supports) >= 0).all() and len(curve.supports) == len(WEIGHTS)
    for at in (0, 10, 33):
        weight = float(WEIGHTS[at])
        assert (
            found.limits({}, diversity_weight=weight, budget=1).largest_budget
            == (curve.supports[at])
        )
        settings = found.preview({}, diversity_weight=weight, budget=1).settings
        assert settings["alignment_cost"] == pytest.approx(curve.alignment_costs[at])
        assert settings["effective_size"] == pytest.approx(curve.effective_sizes[at])


def test_coverage_is_what_brute_force_counts(mapped_root):
    project = Project.open(mapped_root)
    decide(project, 240, "drop", np.arange(0, 240, 7), "test")
    found = laid(mapped_root)
    selection = found.preview({}, diversity_weight=0.5, budget=20)
    coverage = found.coverage(selection)
    vectors = load_features(project).vectors.astype(np.float64)
    targets = encode_target(project, "cooking").astype(np.float64)
    kept = found.setup.decisions.candidates
    distances = np.linalg.norm(targets[:, None] - vectors[kept][None], axis=2)
    np.testing.assert_array_equal(coverage.nearest, kept[distances.argmin(axis=1)])
    np.testing.assert_allclose(coverage.distances, distances.min(axis=1), rtol=1e-5)
    np.testing.assert_allclose(coverage.cosines, 1 - distances.min(axis=1) ** 2 / 2, atol=1e-5)
    pulled = [
        sum(target in selection.reasons.pulls.of(row) for row in range(20)) for target in range(5)
    ]
    assert coverage.pulled.tolist() == pulled and sum(pulled) >= 20
    among = np.linalg.norm(vectors[kept][:, None] - vectors[kept][None], axis=2)
    np.fill_diagonal(among, np.inf)
    # Every candidate is in the sample of so small a pool.
    assert coverage.close_distance == pytest.approx(np.quantile(among.min(axis=1), 0.9), rel=1e-5)
    far = coverage.distances[coverage.order]
    assert (np.diff(far) <= 0).all()
    assert coverage.close.tolist() == (distances.min(axis=1) <= coverage.close_distance).tolist()


@pytest.mark.parametrize("line", [0.5, 0.8, 0.95])
def test_pairs_stand_on_either_side_of_the_line(mapped_root, line):
    found = laid(mapped_root).pairs.around(line)
    vectors = load_features(Project.open(mapped_root)).vectors.astype(np.float64)
    for pair in found:
        first, second = pair.rows
        assert first < second
        assert pair.cosine == pytest.approx(vectors[first] @ vectors[second], abs=1e-5)
    if len(found) == 2:
        assert found[0].cosine > line >= found[1].cosine
    assert laid(mapped_root).pairs.around(line) == found
    assert len(laid(mapped_root).pairs.around(1.0)) == 1


def test_a_rule_without_a_path_is_refused(mapped_root):
    with pytest.raises(InputError, match="k-means closest has no trade-off"):
        tradeoff(Project.open(mapped_root), method="kmeans-closest", target="cooking")
    with pytest.raises(InputError, match="no target set 'nonesuch'"):
        tradeoff(Project.open(mapped_root), target="nonesuch")


def test_the_command_and_python_say_the_same(mapped_root, cli):
    code, said = cli(
        "tradeoff", str(mapped_root), "--target", "cooking", "--budget", "20", "--seed", "3"
    )
    report = open_project(mapped_root).tradeoff("cooking", budget=20, seed=3)
    assert code == 0
    assert said["rows_sha256"] == report.rows_sha256
    assert said["curve"][5]["support"] == report.curve[5].support
    assert [one["target"] for one in said["coverage"]] == [one.target for one in report.coverage]
    made = open_project(mapped_root).select(
        method="tsds-kde", target="cooking", budget=20, seed=3, name="same"
    )
    assert made.rows_sha256 == report.rows_sha256
    assert report.smallest_diversity_weight is not None
    assert said["near_duplicates"][0]["rows"] == list(report.near_duplicates[0].rows)


@pytest.fixture
def cli(capfd):
    """Run a command in this process; its exit code, and its JSON."""
    from core.cli import main

    def run(*arguments):
        code = main(["--json", *arguments])
        return code, json.loads(capfd.readouterr().out)

    return run


def test_constraints_are_obeyed_and_what_they_change_is_said(mapped_root):
    project = Project.open(mapped_root)
    free = tradeoff(project, target="cooking", budget=20, diversity_weight=0.3)
    decide(project, 240, "pin", np.array([9, 200]), "test")
    decide(project, 240, "drop", np.arange(100, 104), "test")
    held = {"limits": ["cluster=..6"], "max_cosine": 0.97}
    report = tradeoff(project, target="cooking", budget=20, diversity_weight=0.3, **held)
    run = select(
        project, method="tsds-kde", target="cooking", budget=20, diversity_weight=0.3, **held
    )
    assert report.rows_sha256 == run.rows_sha256 != free.rows_sha256
    assert report.left_out == 4
    assert report.exchanged == run.settings["exchanged"] > 0
    assert any(f", {report.exchanged} of the 20 rows" in note for note in report.notes)
    assert report.unconstrained is not None
    costs = [one.alignment_cost for one in (report.chosen, report.unconstrained)]
    assert costs[0] > costs[1]
    assert report.notes[-1] == (
        "The curve is that of a choice without pinned rows and limits and near-duplicate cap; the "
        f"chosen rows alone cost {costs[0]:.3f}, those drawn without them {costs[1]:.3f} (another "
        "draw: small differences are chance)."
    )
    assert free.unconstrained is None
    assert free.exchanged == 0


def test_of_one_draw_it_is_certain_what_limits_cost(mapped_root):
    """Nothing is pinned, so that rows are exchanged in the very draw without limits."""
    project = Project.open(mapped_root)
    given = {"target": "cooking", "budget": 20, "diversity_weight": 0.3}
    free, report = (tradeoff(project, **given, limits=some) for some in ([], ["cluster=..6"]))
    runs = [
        load_run(project, select(project, method="tsds-kde", **given, limits=some).run).rows
        for some in ([], ["cluster=..6"])
    ]
    assert report.exchanged == len(np.setdiff1d(*runs)) > 0
    assert report.unconstrained == free.chosen
    assert report.notes[-1].startswith("The curve is that of a choice without limits; the chosen")
    assert "chance" not in report.notes[-1]


def test_constraints_that_hold_already_change_nothing(mapped_root):
    project = Project.open(mapped_root)
    given = {"target": "cooking", "budget": 20, "diversity_weight": 0.3}
    loose = {"limits": ["cluster=..20"]}
    report = tradeoff(project, **given, **loose)
    assert report.notes == (
        "The curve is that of a choice without limits, which change no row here.",
    )
    drawn = load_run(project, select(project, method="tsds-kde", **given).run).rows
    decide(project, 240, "pin", drawn[:1], "test")
    for held, notes in (
        ({}, "pinned rows; those drawn without them hold the pinned rows, too."),
        (
            loose, "pinned rows and limits; those drawn without them hold the pinned rows, too, "
            "and none was exchanged.",
        ),
    ):  # fmt: skip
        report = tradeoff(project, **given, **held)
        assert report.notes == (f"The curve is that of a choice without {notes}",)
        assert report.unconstrained is None and report.exchanged == 0
    decide(project, 240, "pin", np.setdiff1d(np.arange(240), drawn)[-1:], "test")
    report = tradeoff(project, **given, **loose)
    # The limits are no cause.
    assert report.notes[-1].startswith("The curve is that of a choice without pinned rows; the")
    assert report.unconstrained is not None


def test_the_curve_has_no_rows_that_semdedup_leaves_out(mapped_root):
    with_copies = tradeoff(Project.open(mapped_root), target="cooking", budget=12)
    without = tradeoff(Project.open(mapped_root), target="cooking", budget=12, semdedup=0.95)
    assert without.left_out > with_copies.left_out == 0
    assert without.unconstrained is None  # they are out of both
    assert max(one.support for one in without.curve) <= 240 - without.left_out


def test_chosen_rows_alone_cost_the_distance_to_the_nearest_of_them(mapped_root):
    project = Project.open(mapped_root)
    report = tradeoff(
        project, target="cooking", method="tsds-uniform", budget=2, diversity_weight=0.0
    )
    run = select(project, method="tsds-uniform", target="cooking", budget=2, diversity_weight=0.0)
    chosen = load_features(project).vectors[load_run(project, run.run).rows].astype(float)
    targets = encode_target(project, "cooking").astype(float)
    nearest = np.linalg.norm(targets[:, None] - chosen[None], axis=2).min(axis=1)
    assert report.chosen.alignment_cost == pytest.approx(nearest.mean(), abs=1e-5)
