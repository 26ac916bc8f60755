"""The Compare page with Streamlit's AppTest: what it shows, and what it asks of the engine."""

import pytest
from test_pages import button, open_app, texts, wait_for_jobs

from core import jobs
from core.compare import compare_runs
from core.decisions import decide
from core.metrics import METRICS
from core.project import Project
from core.runs import delete_run, load_run, select
from core.stages import run_stage

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def project(mapped_root):
    project = Project.open(mapped_root)
    select(project, method="tsds-kde", budget=24, target="cooking", name="near")
    select(project, method="random", budget=24, seed=3, name="plain")
    return project


@pytest.fixture
def measured(project):
    run_stage("compare", project.root, {"runs": ["near", "plain"]})
    return project


def open_compare(project, monkeypatch):
    return open_app(project.root.parent, monkeypatch, "compare")


def maps(app):
    names = [part.proto.component_name for part in app.get("bidi_component")]
    return sum(name.endswith("winnow_map") for name in names)


def table(app, column):
    return next(d.value for d in app.dataframe if column in d.value.columns)


def test_without_a_project_or_a_run_the_page_says_what_to_do(tmp_path, mapped_root, monkeypatch):
    assert "No pool yet" in texts(open_app(tmp_path, monkeypatch, "compare", project=None))
    assert "No run yet" in texts(open_app(mapped_root.parent, monkeypatch, "compare"))


def test_without_features_there_is_nothing_to_measure(tmp_path, planted_files, monkeypatch):
    root = tmp_path / "home" / "bare"
    run_stage("init", root, {"files": [str(planted_files / "pool.jsonl")]})
    select(Project.open(root), method="random", budget=5)
    app = open_app(root.parent, monkeypatch, "compare", project="bare")
    assert "No features yet" in texts(app)


def test_the_newest_two_runs_are_measured_by_a_job_and_then_shown(project, monkeypatch):
    app = open_compare(project, monkeypatch)
    assert app.multiselect[0].value == ["near", "plain"]
    assert "Measuring the runs" in texts(app) and "rows are in both" in texts(app)
    job = wait_for_jobs(project.root)
    assert job.state.status == "done", (job.state, job.log())
    assert job.steps == (jobs.Step("compare", {"runs": ["near", "plain"]}),)
    app.run()
    found = compare_runs(project, ["near", "plain"], stored=True)
    shown = texts(app)
    assert "NovelSum ↑" in shown and "Differences are to near" in shown
    assert f"{found.metrics['near']['vendi']:.3f}" in shown
    assert len(jobs.list_jobs(project)) == 1
    helps = " ".join(str(m.help) for m in app.markdown)
    assert all(metric.definition[:12] in helps for metric in METRICS.values())


def test_shares_overlap_and_rows_that_differ(measured, monkeypatch):
    app = open_compare(measured, monkeypatch)
    assert not jobs.list_jobs(measured)
    found = compare_runs(measured, ["near", "plain"], stored=True)
    (pair,) = found.overlaps
    assert f"{len(pair.shared)} rows are in both" in texts(app)
    sources = table(app, "change")
    first = sources.iloc[0]
    assert (first["name"], first["before"], first["rows before"]) == ("cooking", 100, 24)
    assert first["change"] < 0 and sources["change"].abs().is_monotonic_decreasing
    assert [tab.label for tab in app.tabs] == [
        f"Only in near · {len(pair.only_first)}", f"Only in plain · {len(pair.only_second)}",
    ]  # fmt: skip
    rows = [d.value for d in app.dataframe if "why" in d.value.columns]
    assert set(rows[0]["row"]) <= set(pair.only_first.tolist())
    assert set(rows[1]["why"]) == {"uniform draw"}
    assert maps(app) == 2


def test_one_run_is_set_beside_random_and_the_kept_rows(measured, monkeypatch):
    app = open_compare(measured, monkeypatch)
    app.multiselect[0].set_value(["near"]).run()
    assert "One run is set beside Random" in texts(app) and "Random" in texts(app)
    assert maps(app) == 2 and not app.tabs
    assert table(app, "change").iloc[0]["rows before"] == 60
    app.multiselect[0].set_value([]).run()
    assert "Choose one or more runs" in texts(app) and not app.dataframe


def test_of_three_runs_one_is_shown_beside_the_first(measured, monkeypatch):
    select(measured, method="random", budget=6, name="small")
    run_stage("compare", measured.root, {"runs": ["near", "small"]})
    app = open_compare(measured, monkeypatch)
    app.multiselect[0].set_value(["near", "plain", "small"]).run()
    matrix = table(app, "")
    assert list(matrix[""]) == ["near", "plain", "small"] and matrix["near"][0] == "–"
    both = set(load_run(measured, "near").rows) & set(load_run(measured, "small").rows)
    assert matrix["small"][0] == f"{len(both)} ({len(both) / 6:.0%})"
    app.segmented_control(key="compare-second").set_value("small").run()
    assert app.tabs[1].label.startswith("Only in small")
    # A run that is deleted elsewhere is no longer chosen.
    delete_run(measured, "plain")
    app.run()
    assert app.multiselect[0].value == ["near", "small"]


def test_a_failed_measurement_is_not_begun_again_by_itself(project, monkeypatch):
    app = open_compare(project, monkeypatch)
    wait_for_jobs(project.root)
    decide(project, 240, "drop", range(5), "test")  # what was measured holds no more
    app.run()
    assert button(app, "Measure the runs") and len(jobs.list_jobs(project)) == 1
    button(app, "Measure the runs").click().run()
    wait_for_jobs(project.root)
    assert len(jobs.list_jobs(project)) == 2
