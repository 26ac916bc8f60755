"""Runs side by side on the planted project: metrics, Random beside them, and overlaps."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from core import cli, compare_measure
from core.clusters import cluster, load_clusters
from core.compare import compare_runs, reasons
from core.compare_groups import Change
from core.compare_table import metric_table
from core.decisions import decide, load_decisions
from core.errors import InputError
from core.features import load_features
from core.metrics import METRICS
from core.metrics_functions import novelsum, target_knn, vendi
from core.pool import Pool
from core.project import Project
from core.runs import delete_run, load_run, select
from core.selection import Problem, solve
from core.stages import run_stage
from core.target_features import encode_target
from core.targets import add_target_from_rows, delete_target
from core.vectors import import_features

TARGET = {"target_knn", "target_ot"}
GROUPS = {"clusters_covered", "cluster_entropy", "source_entropy"}


@pytest.fixture
def project(mapped_root):
    """Runs: near (like cooking), spread and plain of 24 rows, small of 6."""
    project = Project.open(mapped_root)
    select(
        project,
        method="tsds-kde",
        budget=24,
        target="cooking",
        diversity_weight=0.5,
        name="near",
    )
    select(project, method="k-center", budget=24, name="spread")
    select(project, method="random", budget=24, seed=3, name="plain")
    select(project, method="random", budget=6, name="small")
    return project


def density_of(rows, vectors):
    """One over the root of the mean square to the ten nearest others, by all distances."""
    squares = np.square(vectors[rows][:, None] - vectors[None]).sum(axis=2, dtype=np.float64)
    return 1 / np.sqrt(np.sort(squares, axis=1)[:, 1:11].mean(axis=1))


def test_a_target_set_that_is_gone_or_another_is_left_out(project):
    assert compare_runs(project, ["near"]).targets == {"near": "cooking"}
    delete_target(project, "cooking")
    found = compare_runs(project, ["near", "plain"])
    assert found.targets == {"near": None, "plain": None}
    assert not TARGET & set(found.metrics["near"])
    add_target_from_rows(project, "cooking", np.arange(3))  # another set of that name
    assert compare_runs(project, ["near"]).targets == {"near": None}


def test_metrics_are_those_of_the_chosen_rows_and_of_random_at_the_budget(project):
    found = compare_runs(project, ["near", "small"])
    vectors, goal = load_features(project).vectors, encode_target(project, "cooking")
    rows = load_run(project, "near").rows
    chosen, lengths = vectors[rows], Pool.open(project).lengths()
    assert set(found.metrics["near"]) == set(METRICS) | {f"{m}:cooking" for m in TARGET}
    # Against the target set of the other run.
    assert set(found.metrics["small"]) == set(found.metrics["near"])
    near = found.metrics["near"]
    assert near["vendi"] == pytest.approx(vendi(chosen), rel=1e-5)
    assert near["target_knn"] == pytest.approx(target_knn(chosen, goal), rel=1e-5)
    assert near["characters"] == pytest.approx(lengths[rows].mean())
    densities = density_of(rows, vectors)
    assert near["novelsum"] == pytest.approx(novelsum(chosen, np.arange(24), densities), rel=1e-4)
    draws = [
        solve("random", Problem(None, np.arange(240), budget=24, seed=seed)).rows
        for seed in range(5)
    ]
    means = [lengths[drawn].mean() for drawn in draws]
    assert found.random["near"]["characters"].mean == pytest.approx(np.mean(means))
    assert found.random["near"]["characters"].sd == pytest.approx(np.std(means))
    of_target = [target_knn(vectors[drawn], goal) for drawn in draws]
    assert found.random["near"]["target_knn"].mean == pytest.approx(np.mean(of_target), rel=1e-5)
    alone = compare_runs(project, ["small"])
    assert set(alone.metrics["small"]) == set(alone.random["small"]) == set(METRICS) - TARGET


def test_runs_of_several_target_sets_are_measured_against_each_of_them(project):
    rows = np.arange(60, 64)
    add_target_from_rows(project, "other", rows)
    select(project, method="round-robin", budget=24, target="other", name="aimed")
    found = compare_runs(project, ["plain", "near", "aimed"], seeds=2)
    assert found.aims == ("cooking", "other")
    vectors = load_features(project).vectors
    goals = {"cooking": encode_target(project, "cooking"), "other": vectors[rows]}
    for name, values in found.metrics.items():
        own = set() if name == "plain" else TARGET
        aimed = {f"{m}:{t}" for m in TARGET for t in goals}
        assert set(values) == set(METRICS) - TARGET | aimed | own
        if own:
            assert values["target_knn"] == values[f"target_knn:{found.targets[name]}"]
        chosen = vectors[load_run(project, name).rows]
        for target, goal in goals.items():
            expected = target_knn(chosen, goal)
            assert values[f"target_knn:{target}"] == pytest.approx(expected, rel=1e-5, abs=1e-6)
    lines = {line.label: line for line in metric_table(found).lines}
    assert len(lines) == len(METRICS) + len(TARGET)
    assert "Target to nearest row, other ↓" in lines
    assert lines["Target to nearest row, cooking ↓"].cells[1].verdict == "better"
    assert lines["Target to nearest row, other ↓"].cells[2].verdict == "better"


def test_each_rule_is_good_at_what_it_is_for(project):
    found = compare_runs(project, ["near", "spread"])
    near, spread = found.metrics["near"], found.metrics["spread"]
    assert near["target_knn"] < found.random["near"]["target_knn"].mean
    assert near["target_ot"] < found.random["near"]["target_ot"].mean
    assert spread["coverage_radius"] < found.random["spread"]["coverage_radius"].mean
    assert (near["clusters_covered"], spread["clusters_covered"]) == (0.25, 1)
    assert near["cluster_entropy"] == near["source_entropy"] == 0


def test_runs_of_one_budget_share_random(project):
    found = compare_runs(project, ["near", "spread", "plain"], seeds=2)
    assert found.random["near"] == found.random["spread"] == found.random["plain"]


def test_overlaps_are_set_operations(project):
    found = compare_runs(project, ["near", "plain", "small"], seeds=1)
    rows = {name: set(load_run(project, name).rows.tolist()) for name in found.metrics}
    assert [(o.first, o.second) for o in found.overlaps] == [
        ("near", "plain"), ("near", "small"), ("plain", "small"),
    ]  # fmt: skip
    for o in found.overlaps:
        a, b = rows[o.first], rows[o.second]
        assert o.shared.tolist() == sorted(a & b)
        assert o.only_first.tolist() == sorted(a - b)
        assert o.only_second.tolist() == sorted(b - a)
        assert o.share == len(a & b) / min(len(a), len(b))


def test_dropped_rows_are_not_covered_and_not_drawn(project):
    before = compare_runs(project, ["near"], seeds=1)
    others = np.flatnonzero(
        load_features(project).vectors @ encode_target(project, "cooking")[0] < 0.5
    )
    rows = np.setdiff1d(np.arange(240), load_run(project, "near").rows)
    decide(project, 240, "drop", np.intersect1d(others, rows), "test")
    kept = load_decisions(project, 240).candidates
    assert 24 <= len(kept) < 120
    after = compare_runs(project, ["near"], seeds=1)
    assert after.metrics["near"]["coverage_radius"] < before.metrics["near"]["coverage_radius"]
    assert after.random["near"]["target_knn"].mean < before.random["near"]["target_knn"].mean
    # Fewer rows are kept than the run has: Random draws from what it chose too.
    decide(project, 240, "drop", load_run(project, "near").rows[:20], "test")
    decide(project, 240, "drop", np.setdiff1d(kept, load_run(project, "near").rows), "test")
    few = compare_runs(project, ["near"], seeds=1)
    assert few.random["near"]["vendi"].mean == pytest.approx(few.metrics["near"]["vendi"])


def test_copies_of_a_row_leave_novelsum_finite(project, monkeypatch):
    features = load_features(project)
    copied = np.repeat(features.vectors[::12], 12, axis=0)
    copies = SimpleNamespace(vectors=copied, fingerprint="copies")
    monkeypatch.setattr("core.compare_measure.load_features", lambda _: copies)
    found = compare_runs(project, ["plain"], seeds=1).metrics["plain"]
    assert 0 < found["novelsum"] < 10


def test_sources_and_clusters_are_counted_and_set_beside_the_first_run(project):
    found = compare_runs(project, ["near", "plain"], stored=True)
    rows = {name: load_run(project, name).rows for name in found.budgets}
    clusters = load_clusters(project)
    for groups, codes in (
        (found.sources, Pool.open(project).sources().codes),
        (found.clusters, clusters.labels),
    ):
        for name, chosen in rows.items():
            counts = [int((codes[chosen] == i).sum()) for i in range(len(groups.names))]
            assert groups.counts[name].tolist() == counts
        changes = groups.changes("plain", "near")
        sizes = [abs(c.change) for c in changes]
        assert sizes == sorted(sizes, reverse=True)
        assert sum(c.before for c in changes) == sum(c.after for c in changes) == 24
        for one in changes:
            code = groups.names.index(one.name)
            assert one.change == pytest.approx(
                (codes[rows["plain"]] == code).mean() - (codes[rows["near"]] == code).mean()
            )
    # near has rows on cooking alone; beside the pool that is three quarters of the shares more.
    first, *others = found.sources.changes("near")
    assert (first.name, first.before, first.after, first.change) == ("cooking", 60, 24, 0.75)
    assert {(o.after, o.change) for o in others} == {(0, -0.25)}


def test_a_change_too_small_to_be_seen_has_no_sign():
    for change in (-0.0004, 0.0004, 0.0):
        assert f"{Change('a', 1, 1, 0.5, 0.5 + change).points:+.1f}" == "+0.0"
    assert Change("a", 3, 1, 0.3, 0.1).points == -20.0


def test_rows_that_differ_come_with_reasons_likeliest_first(project):
    run = load_run(project, "near")
    (pair,) = compare_runs(project, ["near", "plain"], stored=True).overlaps
    table = reasons(run, pair.only_first)
    assert sorted(table["row"].to_pylist()) == pair.only_first.tolist()
    chances = table["probability"].to_pylist()
    assert chances == sorted(chances, reverse=True)
    why = dict(zip(run.table["row"].to_pylist(), run.table["why"].to_pylist(), strict=True))
    assert table["why"].to_pylist() == [why[row] for row in table["row"].to_pylist()]
    assert not len(reasons(run, pair.only_second))


def measured(monkeypatch):
    """How many subsets are measured from now on; the list grows."""
    calls = []
    for name in ("measure", "measure_target"):
        of_name = getattr(compare_measure, name)
        monkeypatch.setattr(
            compare_measure, name, lambda *given, f=of_name: calls.append(1) or f(*given)
        )
    return calls


def test_what_was_measured_is_not_measured_again(project, monkeypatch):
    calls = measured(monkeypatch)
    assert not compare_runs(project, ["near", "plain"], stored=True).metrics
    before = compare_runs(project, ["near", "plain"])
    assert before.is_measured and len(calls) == 12  # plain is one of Random's draws
    after = compare_runs(project, ["plain", "near"], stored=True)
    assert (after.metrics, after.random) == (before.metrics, before.random)
    compare_runs(project, ["plain", "near"])
    assert len(calls) == 12
    some = compare_runs(project, ["near", "small"], stored=True)
    assert set(some.metrics) == {"near"} and not some.is_measured
    compare_runs(project, ["near", "spread"])
    assert len(calls) == 14  # Random at this budget is known


@pytest.mark.parametrize("change", ["rows", "decisions", "clusters", "features"])
def test_metrics_are_measured_again_when_what_they_depend_on_changes(project, change):
    compare_runs(project, ["plain"], seeds=1)
    if change == "rows":
        delete_run(project, "plain")
        select(project, method="random", budget=24, seed=4, name="plain")
    elif change == "decisions":
        decide(project, 240, "drop", np.arange(5), "test")
    elif change == "clusters":
        cluster(project, k=7)
    else:
        vectors = np.random.default_rng(0).normal(size=(240, 5)).astype(np.float32)
        np.save(project.root / "inputs.npy", vectors)
        import_features(project, project.root / "inputs.npy")
    assert not compare_runs(project, ["plain"], seeds=1, stored=True).is_measured
    assert compare_runs(project, ["plain"], seeds=1).is_measured


def test_a_damaged_file_of_metrics_is_made_anew(project):
    before = compare_runs(project, ["plain"], seeds=1)
    for file in project.root.glob("metrics/*.json"):
        file.write_text("{")
    assert compare_runs(project, ["plain"], seeds=1).metrics == before.metrics


def test_the_stage_measures_for_the_page(project):
    report = run_stage("compare", project.root, {"runs": ["near", "plain"]})
    assert report.runs == ("near", "plain")
    assert compare_runs(project, ["near", "plain"], stored=True).is_measured


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "at least one run"),
        (["near", "plain", "near"], "'near' is named twice"),
        (["near", "other"], "No run 'other' in planted; runs: .*near"),
    ],
)
def test_runs_that_cannot_be_compared_are_one_sentence(project, names, message):
    with pytest.raises(InputError, match=message):
        compare_runs(project, names)


@pytest.fixture
def winnow(project, capfd, monkeypatch):
    """The command line in this process; returns what it prints."""
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def run(*arguments):
        assert cli.main([*arguments[:-1], "compare", str(project.root), *arguments[-1]]) == 0
        return capfd.readouterr().out

    return run


def test_a_script_reads_runs_random_and_overlap(project, winnow):
    printed = winnow("--json", ["near", "plain"])
    found = compare_runs(project, ["near", "plain"])
    values = json.loads(printed)
    assert printed.count("\n") == 1 and list(values) == [
        "runs", "targets", "random", "overlap", "sources", "clusters",
    ]  # fmt: skip
    assert values["runs"] == found.metrics
    vendi_of_random = found.random["plain"]["vendi"]
    assert values["random"]["plain"]["vendi"] == [vendi_of_random.mean, vendi_of_random.sd]
    assert values["overlap"] == {"near|plain": found.overlaps[0].share}
    assert values["sources"]["near"] == {"cooking": 24}
    assert sum(values["clusters"]["plain"].values()) == 24


def test_a_person_reads_a_table_with_random_and_arrows(winnow):
    lines = winnow(["near", "plain"]).splitlines()
    assert lines[0].split() == ["near", "plain", "Random"]
    starts = [lines[0].index(name) for name in ("near", "plain", "Random")]
    rows = {line[: starts[0]].strip(): line for line in lines[1 : 1 + len(METRICS)]}
    assert {"NovelSum ↑", "Coverage radius ↓", "Source entropy"} <= set(rows)
    assert re.fullmatch(r"[\d.]+ ± [\d.]+", rows["Vendi score ↑"][starts[2] :])
    assert rows["Target to nearest row, cooking ↓"][starts[1] : starts[2]].strip()
    assert rows["Source entropy"][starts[0] : starts[1]].strip() == "0.000"
    assert re.fullmatch(r"near and plain share \d+ rows?, \d+% of the smaller\.", lines[-3])
    assert re.fullmatch(r"Sources of plain against near, in points: .*cooking −[\d.]+\.", lines[-2])


def test_differences_are_to_the_first_run_once_it_is_measured(project):
    found = compare_runs(project, ["plain", "spread"])
    table = metric_table(replace(found, budgets={"near": 24, **found.budgets}))
    assert table.runs == ("plain", "spread")
    assert not any(cell.delta for line in table.lines for cell in line.cells)
    found = compare_runs(project, ["near", "plain", "spread"])
    lines = {line.metric.id: line for line in metric_table(found).lines}
    near, plain, _ = lines["coverage_radius"].cells
    change = found.metrics["plain"]["coverage_radius"] - found.metrics["near"]["coverage_radius"]
    assert (near.delta, plain.delta, plain.verdict) == ("", f"−{-change:.3f}", "better")
    assert lines["near_duplicates"].cells[1].verdict == "worse"
    assert [cell.count for cell in lines["clusters_covered"].cells] == [
        "1 of 4",
        "4 of 4",
        "4 of 4",
    ]
    assert lines["characters"].cells[1].delta and not lines["characters"].cells[1].verdict
    assert lines["target_knn"].cells[1].verdict == "worse"


def test_a_run_of_rows_dropped_since_has_a_random_of_its_own(project):
    rows = load_run(project, "near").rows
    decide(project, 240, "drop", np.arange(0, 240, 2), "half")
    select(project, method="random", budget=24, name="later")
    found = compare_runs(project, ["near", "later"])
    assert np.isin(rows, np.arange(0, 240, 2)).any()
    near, later = (found.random[name]["vendi"].mean for name in ("near", "later"))
    table = metric_table(found)
    assert table.random == ("Random, 24 rows, for near", "Random, 24 rows, for later")
    vendi = next(line for line in table.lines if line.metric.id == "vendi")
    assert [float(text.split(" ±")[0]) for text in vendi.random] == pytest.approx(
        [near, later], abs=5e-4
    )
    assert near != later


def test_what_is_measured_is_shown_while_another_run_is_waited_for(project):
    before = compare_runs(project, ["near", "plain"])
    add_target_from_rows(project, "other", np.arange(60, 64))
    select(project, method="round-robin", budget=24, target="other", name="aimed")
    found = compare_runs(project, ["near", "plain", "aimed"], stored=True)
    assert not found.is_measured and set(found.metrics) == {"near", "plain"}
    assert found.metrics["near"] == before.metrics["near"]


@pytest.mark.parametrize("damage", ["[1]", '{"vendi": "much"}', "{", "3"])
def test_damaged_metrics_are_measured_again(project, damage):
    before = compare_runs(project, ["near"], seeds=1)
    for path in (project.root / "metrics").glob("*.json"):
        path.write_text(damage)
    after = compare_runs(project, ["near"], seeds=1)
    assert (after.metrics, after.random) == (before.metrics, before.random)


def test_metrics_of_a_target_set_that_is_replaced_meanwhile_are_not_kept(project, monkeypatch):
    real = compare_measure.encode_target

    def replaced(*given, **options):
        delete_target(project, "cooking")
        add_target_from_rows(project, "cooking", np.arange(100, 104))
        return real(*given, **options)

    monkeypatch.setattr(compare_measure, "encode_target", replaced)
    with pytest.raises(InputError, match="replaced meanwhile"):
        compare_runs(project, ["near"], seeds=1)


def test_a_recipe_of_a_rule_that_changed_since_still_names_its_target(project):
    path = load_run(project, "near").recipe_path
    recipe = yaml.safe_load(path.read_text())
    recipe["selection"]["parameters"]["gone"] = 1
    path.write_text(yaml.safe_dump(recipe))
    assert compare_runs(project, ["near"], seeds=1).targets == {"near": "cooking"}
    del recipe["target"]["fingerprint"]
    path.write_text(yaml.safe_dump(recipe))
    assert compare_runs(project, ["near"], seeds=1).targets == {"near": None}


def test_random_stands_once_for_each_budget(winnow):
    head = re.split("  +", winnow(["near", "spread", "small"]).splitlines()[0].strip())
    assert head == ["near", "spread", "small", "Random, 24 rows", "Random, 6 rows"]
