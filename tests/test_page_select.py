"""The Select page with Streamlit's AppTest: sliders, the preview, saving and deleting."""

import json
import re
import time

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash
from test_pages import button, open_app, texts, wait_for_jobs

from core import jobs
from core.cluster_edits import merge_clusters
from core.decisions import decide
from core.errors import InputError
from core.jobs import Step
from core.pool import Pool
from core.project import Project
from core.runs import delete_run, list_runs, load_run, select
from core.targets import delete_target, load_target
from core.tradeoff import tradeoff
from pages.ui import live, parameters, stage
from pages.ui.select_link import fitting
from pages.ui.settings import wrong_size
from pages.ui.targets import name_of
from pages.ui.text import as_text

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def app(mapped_root, monkeypatch):
    return settled(open_app(mapped_root.parent, monkeypatch, "select"))


def settled(app):
    """AppTest runs no timers: draw again until nothing is waited for."""
    for _ in range(40):
        if "hourglass" not in texts(app):
            return app
        app.run()
    raise AssertionError("The preview was never there.")


def shown(app):
    return {metric.label: metric.value for metric in app.metric}


def chosen_rows(app):
    return next(d.value for d in app.dataframe if "why" in d.value.columns)


def test_what_is_seen_is_what_is_saved(app, mapped_root):
    app.selectbox(key="method").set_value("tsds-uniform").run()
    settled(app.slider(key="tsds-uniform-diversity_weight").set_value(0.3).run())
    assert shown(app)["Selected"] == "12" and not list_runs(Project.open(mapped_root))
    seen = chosen_rows(app)
    app.text_input(key="run_name").set_value("mine").run()
    button(app, "Save run").click().run()
    project = Project.open(mapped_root)
    run = load_run(project, "mine")
    again = select(
        project,
        method="tsds-uniform",
        target="cooking",
        budget=12,
        diversity_weight=0.3,
        name="again",
    )
    assert run.report.rows_sha256 == again.rows_sha256
    assert set(seen["row"]) == set(run.rows.tolist())
    assert app.selectbox(key="shown").value == "mine"
    assert app.session_state["run_name"] == ""
    sources = next(d.value for d in app.dataframe if "random" in d.value.columns)
    assert dict(zip(sources["source"], sources["selected"], strict=True))["cooking"] == 100


def test_a_slider_moves_the_numbers_and_stores_nothing(app, mapped_root):
    def point():
        return app.session_state["preview"].selection.settings["diversity_weight"]

    automatic = point()
    assert app.slider(key="tsds-kde-diversity_weight").value == round(automatic, 2)
    assert app.toggle(key="tsds-kde-diversity_weight-auto").value
    before = shown(app)["In reach"]
    settled(app.slider(key="tsds-kde-diversity_weight").set_value(0.8).run())
    assert point() == 0.8 and shown(app)["In reach"] != before
    assert not app.toggle(key="tsds-kde-diversity_weight-auto").value  # moved by hand
    settled(app.toggle(key="tsds-kde-diversity_weight-auto").set_value(True).run())
    assert point() == automatic
    settled(app.slider(key="tsds-kde-duplicate_cosine").set_value(0.6).run())
    assert app.session_state["preview"].selection.settings["duplicate_cosine"] == 0.6
    settled(app.slider(key="ratio").set_value(10.0).run())
    assert shown(app)["Selected"] == "24"
    assert list_runs(Project.open(mapped_root)) == []


def test_auto_may_come_to_more_than_the_slider_holds():
    def script():
        from core.selection import RULES
        from pages.ui.parameters import render_parameters, show_automatic

        render_parameters(RULES["tsds-kde"], simple=True)
        show_automatic(RULES["tsds-kde"], "diversity_weight", 0.996)

    app = AppTest.from_function(script).run()
    assert not app.exception
    assert app.slider(key="tsds-kde-diversity_weight").value == 0.99


def test_a_browser_that_is_late_does_not_switch_auto_off(app):
    slider, switch = "tsds-kde-diversity_weight", "tsds-kde-diversity_weight-auto"
    before = app.slider(key=slider).value
    settled(app.number_input(key="budget").set_value(60).run())
    after = app.slider(key=slider).value
    assert after != before
    for late in (before, after):
        settled(app.slider(key=slider).set_value(late).run())
        assert app.toggle(key=switch).value and app.slider(key=slider).value == after


def test_what_a_hand_does_after_the_handle_was_moved_counts():
    def script():
        from core.selection import RULES
        from pages.ui.parameters import render_parameters

        render_parameters(RULES["tsds-kde"], simple=True)

    key = "tsds-kde-diversity_weight"
    app = AppTest.from_function(script).run()

    def stands():
        return app.slider(key=key).value, app.toggle(key=f"{key}-auto").value

    def handle(to):
        app.session_state[f"{key}-put"] = parameters._Put(to, *stands())
        return app

    handle(0.7).run()
    assert stands() == (0.7, False)
    handle(0.8).slider(key=key).set_value(0.2).run()
    assert stands() == (0.2, False)
    handle(0.8).toggle(key=f"{key}-auto").set_value(True).run()
    assert stands()[0] != 0.8 and stands()[1]
    handle(0.6).run()
    assert stands() == (0.6, False)
    # A browser that has not heard of it yet says where the slider stood before.
    app.session_state[f"{key}-put"] = parameters._Put(0.9, 0.5, True)
    app.run()
    assert stands() == (0.9, False)


def test_rows_that_the_handle_does_not_ask_for_are_not_saved(app, mapped_root):
    put_aside = "tsds-kde-diversity_weight-put"
    app.session_state[put_aside] = parameters._Put(0.9, None, True)
    button(app, "Save run").click().run()
    assert "The rows of these settings are not there yet" in app.session_state["notice"].text
    assert list_runs(Project.open(mapped_root)) == []
    settled(app)
    assert app.session_state["preview"].selection.settings["diversity_weight"] == 0.9
    button(app, "Save run").click().run()
    assert len(list_runs(Project.open(mapped_root))) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [(InputError("The map is gone."), "The map is gone"), (KeyError("x"), "This page failed")],
)
def test_a_map_that_fails_is_said_in_a_sentence(app, monkeypatch, error, said):
    def fails(*_args, **_options):
        raise error

    monkeypatch.setattr(stage, "render_run_map", fails)
    app.run()
    assert said in " ".join(one.value for one in app.error) and not app.exception


def test_the_page_says_what_weight_a_budget_needs(app, mapped_root):
    app.slider(key="tsds-kde-diversity_weight").set_value(0.5).run()
    settled(app.slider(key="ratio").set_value(40.0).run())
    report = tradeoff(Project.open(mapped_root), target="cooking", budget=96, diversity_weight=0.5)
    assert report.smallest_diversity_weight > 0.5
    said = texts(app)
    assert f"0.50 reaches {report.largest_budget}; " in said and " is used." in said
    assert "96 rows need a weight of" in said and "Diversity weight moved from 0.5" in said
    assert app.session_state["preview"].limits.smallest_weight == pytest.approx(
        report.smallest_diversity_weight
    )


def test_the_reason_names_targets_by_their_text_and_coverage_lists_the_far_first(app, mapped_root):
    why = chosen_rows(app)["why"].iloc[0]
    target = load_target(Project.open(mapped_root), "cooking")
    assert why.startswith("pulled by “")
    assert any(" ".join(text.split())[:30] in why for text in target.texts), why
    app.session_state["select-tables"] = "What each target found"
    app.run()
    found = next(d.value for d in app.dataframe if "pulled" in d.value.columns)
    assert found["distance"].is_monotonic_decreasing
    assert found["close"].tolist() == sorted(found["close"])
    assert "of 5 target examples found no close row" in texts(app)
    assert "count as near-duplicates" in texts(app)


def test_a_stored_run_names_targets_by_their_text_while_they_are_there(app, mapped_root):
    project = Project.open(mapped_root)
    seen = chosen_rows(app)
    button(app, "Save run").click().run()
    assert app.selectbox(key="shown").value == "tsds-kde-1"
    assert chosen_rows(app)["why"].tolist() == seen["why"].tolist()
    (project.targets_dir / "cooking.parquet").unlink()
    assert chosen_rows(app.run())["why"].iloc[0].startswith("pulled by target")


def test_a_reason_leaves_the_number_of_a_cluster_to_its_title(app, mapped_root):
    settled(app.selectbox(key="method").set_value("kmeans-random").run())
    seen = chosen_rows(app)
    assert all(why.startswith("uniform draw in its cluster (") for why in seen["why"])
    assert seen["cluster"].str.len().min() > 0
    button(app, "Save run").click().run()
    assert chosen_rows(app)["why"].tolist() == seen["why"].tolist()
    merge_clusters(Project.open(mapped_root), [0, 1])  # the titles are now those of others
    app.run()
    assert all(why.startswith("uniform draw in cluster ") for why in chosen_rows(app)["why"])


@pytest.mark.parametrize("part", ["curve", "coverage"])
def test_what_cannot_be_worked_out_leaves_the_rest(app, monkeypatch, part):
    def broken(*_, **__):
        raise InputError("The disk is gone.")

    monkeypatch.setattr(live.Tradeoff, part, broken)
    app.session_state["select-tables"] = "What each target found"
    settled(app.slider(key="tsds-kde-duplicate_cosine").set_value(0.9).run())
    assert [error.value for error in app.error] == [as_text("The disk is gone.")]
    assert ("examples found no close row" in texts(app)) == (part == "curve")
    assert any("Automatic: " in one.value for one in app.caption)  # what weight and budget allow
    assert not button(app, "Save run").disabled


def test_a_run_that_was_just_saved_keeps_the_curve_and_what_each_target_found(app, mapped_root):
    def live_parts():
        curve = "**Near or spread out**" in [one.value for one in app.markdown]
        return curve, "What each target found" in [tab.label for tab in app.tabs]

    assert live_parts() == (True, True)
    settled(button(app, "Save run").click().run())
    assert app.selectbox(key="shown").value == "tsds-kde-1"
    assert live_parts() == (True, True)
    select(Project.open(mapped_root), method="random", budget=12, name="other")
    settled(app.run())
    assert app.selectbox(key="shown").value == "tsds-kde-1"  # the other was saved elsewhere
    settled(app.selectbox(key="shown").set_value("other").run())  # not what the settings give
    assert live_parts() == (False, False)


def test_a_stored_run_is_looked_at_and_deleted(mapped_root, monkeypatch):
    project = Project.open(mapped_root)
    for name in ("first", "second"):
        select(project, method="random", budget=10, name=name)
    app = settled(open_app(mapped_root.parent, monkeypatch, "select"))
    assert app.selectbox(key="shown").options == ["These settings, not saved", "second", "first"]
    app.selectbox(key="shown").set_value("first").run()
    assert shown(app)["Selected"] == "10"
    button(app, "Delete the run").click().run()
    assert [run.id for run in list_runs(project)] == ["second"]
    assert app.selectbox(key="shown").value == "" and shown(app)["Selected"] == "12"
    app.selectbox(key="shown").set_value("second").run()
    app.slider(key="ratio").set_value(3.0).run()  # a setting that is moved shows what it does
    assert app.selectbox(key="shown").value == "" and shown(settled(app))["Selected"] == "7"


def test_a_run_that_another_window_deleted_is_said(mapped_root, monkeypatch):
    project = Project.open(mapped_root)
    select(project, method="random", budget=10, name="first")
    app = settled(open_app(mapped_root.parent, monkeypatch, "select"))
    app.selectbox(key="shown").set_value("first").run()
    delete_run(project, "first")
    button(app, "Delete the run").click().run()
    assert not app.exception
    assert "No run 'first'" in app.session_state["notice"].text
    assert app.selectbox(key="shown").value == ""


def test_the_run_of_a_job_that_was_resumed_is_shown(app, mapped_root):
    project = Project.open(mapped_root)
    step = Step("select", {"method": "random", "budget": 9, "name": "late"})
    job = jobs.start(project, "Select with Random", [step])
    jobs.cancel(job)
    assert wait_for_jobs(mapped_root).state.status == "cancelled"
    app.session_state["select-job"] = job.id
    settled(app.run())
    settled(app.run())
    button(app, "Resume").click().run()
    assert wait_for_jobs(mapped_root).state.status == "done"
    settled(app.run())
    assert app.selectbox(key="shown").value == "late"


def test_a_run_of_another_window_is_not_shown_in_place_of_the_settings(app, mapped_root):
    select(Project.open(mapped_root), method="random", budget=10, name="elsewhere")
    settled(app.run())
    assert app.selectbox(key="shown").value == "" and button(app, "Save run")


def test_a_target_file_without_usable_columns_is_said_without_the_command_line(app):
    app.get("file_uploader")[0].set_value(("math.jsonl", b'{"a": 1}', "application/json")).run()
    app.button(key="add-upload").click().run()
    (error,) = [one.value for one in app.error]
    assert "call them instruction and output" in error and "--column" not in error


def test_a_taken_name_is_said_and_nothing_is_stored(app, mapped_root):
    select(Project.open(mapped_root), method="random", budget=10, name="mine")
    app.text_input(key="run_name").set_value("mine").run()
    app.selectbox(key="shown").set_value("mine").run()
    assert not [one for one in app.button if one.label == "Save run"]
    assert "Random · seed 0" in [caption.value for caption in app.caption]
    app.selectbox(key="shown").set_value("").run()
    app.text_input(key="run_name").set_value("mine").run()
    button(app, "Save run").click().run()
    assert "exists already" in app.session_state["notice"].text
    assert [run.id for run in list_runs(Project.open(mapped_root))] == ["mine"]


def test_a_slow_rule_waits_for_its_button_and_its_run_is_shown(app, mapped_root):
    app.selectbox(key="method").set_value("k-center").run()
    assert "takes longer" in texts(app)
    button(app, "Select rows").click().run()
    job = wait_for_jobs(mapped_root)
    assert job.state.status == "done", (job.state, job.log())
    app.run()
    (run,) = list_runs(Project.open(mapped_root))
    assert run.report.method == "k-center" and app.selectbox(key="shown").value == run.id


def test_a_drop_changes_the_preview(app, mapped_root):
    dropped = app.session_state["preview"].rows[:3]
    decide(Project.open(mapped_root), 240, "drop", dropped, "test")
    settled(app.run())
    assert not set(dropped) & set(app.session_state["preview"].rows)


def test_length_is_offered_as_quality(app, mapped_root):
    app.selectbox(key="method").set_value("kmq").run()
    assert app.selectbox(key="quality").options == ["score", "Length in characters"]
    settled(app.selectbox(key="quality").set_value("n_chars").run())
    quality = app.session_state["preview"].setup.problem.quality
    np.testing.assert_array_equal(quality, Pool.open(Project.open(mapped_root)).lengths())


def test_a_rule_that_cannot_be_met_says_so_in_a_sentence(app, mapped_root):
    app.selectbox(key="method").set_value("stratified").run()
    rows = 240
    decide(Project.open(mapped_root), rows, "pin", np.arange(30), "test")
    app.number_input(key="budget").set_value(10).run()
    assert "30 rows are pinned, more than the budget of 10" in texts(app)
    assert button(app, "Save run").disabled


def test_settings_are_there_again_after_a_look_at_another_page(app):
    app.selectbox(key="method").set_value("tsds-uniform").run()
    app.number_input(key="budget").set_value(17).run()
    app.toggle(key="max_cosine-on").set_value(True).run()
    settled(app.slider(key="tsds-uniform-diversity_weight").set_value(0.3).run())
    for page in ("compare", "select"):
        app._page_hash = calc_hash(page)
        app.run()
    assert app.selectbox(key="method").value == "tsds-uniform"
    assert app.number_input(key="budget").value == 17
    assert app.toggle(key="max_cosine-on").value
    assert app.slider(key="tsds-uniform-diversity_weight").value == 0.3
    assert not app.toggle(key="tsds-uniform-diversity_weight-auto").value


def test_rows_of_the_settings_before_stay_until_the_new_ones_are_there(app, monkeypatch):
    def pairs():
        (found,) = [one for one in app.get("popover") if "What a cosine" in one.proto.popover.label]
        return found.proto.popover

    def reach():
        (found,) = [one.value for one in app.caption if "Automatic: " in one.value]
        return found

    before, sentence = shown(app), reach()
    assert sentence.startswith("Automatic") and not pairs().disabled
    monkeypatch.setattr(live, "_PATIENCE", 0.0)
    app.toggle(key="max_cosine-on").set_value(True).run()
    assert "hourglass" in texts(app) and shown(app) == before
    # Both keep their place, marked as those of before.
    assert reach() == f":material/hourglass_top: {sentence}" and pairs().disabled
    settled(app)
    assert reach().startswith("Automatic") and not pairs().disabled


def test_the_curve_stays_while_the_weight_moves_and_its_far_end_is_worked_out(
    mapped_root, monkeypatch
):
    parts, draw = [True], live.Tradeoff.curve

    def endless(self, parameters, *, up_to=1.0, progress):
        if parts and up_to < 1:
            return draw(self, parameters, up_to=up_to, progress=progress)
        for _ in range(1_000):  # until the next weight is asked for
            progress(0, 0, "drawing the curve")
            time.sleep(0.01)

    def curve():
        drawn = [c for c in app.get("bidi_component") if "tradeoff" in c.proto.component_name]
        return drawn and json.loads(drawn[0].proto.json)["weights"]

    monkeypatch.setattr(live.Tradeoff, "curve", endless)
    monkeypatch.setattr(live, "_PATIENCE", 20.0)
    app = open_app(mapped_root.parent, monkeypatch, "select")
    for _ in range(40):
        if curve():
            break
        app.run()
    parts.clear()
    for weight in (0.9, 0.95):
        app.slider(key="tsds-kde-diversity_weight").set_value(weight).run()
        assert curve()[:2] == [0, 0.03] and weight in curve()


def test_the_address_says_what_was_set_and_shows_it_again(app, mapped_root, monkeypatch):
    app.selectbox(key="method").set_value("tsds-uniform").run()
    app.slider(key="tsds-uniform-diversity_weight").set_value(0.3).run()
    app.slider(key="ratio").set_value(7.5).run()
    app.number_input(key="seed").set_value(3).run()
    app.toggle(key="max_cosine-on").set_value(True).run()
    settled(app.slider(key="max_cosine-cosine").set_value(0.99).run())
    params = dict(app.query_params)
    assert params == {
        "project": "planted", "method": "tsds-uniform", "target": "cooking", "ratio": "0.075",
        "seed": "3", "max_cosine": "0.99", "diversity_weight": "0.3",
    }  # fmt: skip
    again = settled(open_app(mapped_root.parent, monkeypatch, "select", params=params))
    assert not again.exception
    assert again.selectbox(key="method").value == "tsds-uniform"
    assert again.slider(key="tsds-uniform-diversity_weight").value == 0.3
    assert again.slider(key="ratio").value == 7.5 and again.number_input(key="seed").value == 3
    assert chosen_rows(again)["row"].tolist() == chosen_rows(app)["row"].tolist()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"method": "magic", "target": "nobody", "ratio": "-1", "budget": "ten", "seed": "1e99"},
            "'method=magic', 'target=nobody', 'ratio=-1' and 2 more",
        ),
        (
            {"method": "tsds-kde", "diversity_weight": "nan", "scale": "-3", "ratio": "inf"},
            "'ratio=inf', 'diversity_weight=nan', 'scale=-3'",
        ),
        (
            {"method": "kmq", "temperature": "9e9", "quotas": "some", "max_cosine": "2"},
            "'max_cosine=2', 'quotas=some', 'temperature=9e9'",
        ),
    ],
)
def test_an_address_that_makes_no_sense_is_said(mapped_root, monkeypatch, params, message):
    app = settled(open_app(mapped_root.parent, monkeypatch, "select", params=params))
    assert not app.exception and not app.error
    assert app.slider(key="ratio").value == 5.0 and app.number_input(key="seed").value == 0
    assert message in app.session_state["notice"].text and app.session_state["notice"].failed


def test_limits_outlive_a_reload_and_what_cannot_be_read_is_said(mapped_root, monkeypatch):
    limits = ["source:cooking=..4", "cluster=1.."]
    params = {"method": "random", "limit": [*limits, "source:nobody=..3", "nonsense"]}
    app = settled(open_app(mapped_root.parent, monkeypatch, "select", params=params))
    assert not app.exception
    assert app.session_state["preview"].settings.options["limits"] == limits
    assert app.query_params["limit"] == limits
    assert "'limit=source:nobody=..3', 'limit=nonsense'" in app.session_state["notice"].text
    assert app.session_state["notice"].failed


def test_an_address_has_room_for_so_many_limits_alone():
    limits = [f"source:{'x' * 90}{i}=..5" for i in range(40)]
    kept = fitting(limits)
    assert kept == limits[: len(kept)] and 10 <= len(kept) < 20
    assert fitting([f"source:{'🙂' * 200}=1"]) == []  # 12 characters each in an address


def test_a_number_that_is_not_taken_is_said_once_and_one_that_fits_is_offered(app, mapped_root):
    app.number_input(key="budget").set_value(9000).run()
    assert [one.value for one in app.warning] == ["9,000 rows cannot be chosen: the pool has 240."]
    assert "needs" not in texts(app) and "hourglass" not in texts(app)
    assert button(app, "Save run").disabled
    app.number_input(key="budget").set_value(0).run()
    assert [one.value for one in app.warning] == ["0 rows cannot be chosen: take 1 or more."]
    decide(Project.open(mapped_root), 240, "drop", np.arange(200), "test")
    app.number_input(key="budget").set_value(None).run()
    settled(app.slider(key="ratio").set_value(20.0).run())
    assert [one.value for one in app.warning] == [
        "48 rows are asked for and only 40 are kept: 16.6 % of the pool is the most."
    ]
    settled(button(app, "Take 40 rows").click().run())
    assert shown(app)["Selected"] == "40" and not app.warning
    assert app.slider(key="ratio").value == 16.7  # of the number, not of what was set before


def test_the_ratio_comes_back_when_a_number_of_rows_is_taken_away(app):
    settled(app.slider(key="ratio").set_value(10.0).run())
    settled(app.number_input(key="budget").set_value(2).run())
    settled(app.number_input(key="budget").set_value(36).run())
    assert app.slider(key="ratio").value == 15.0 and shown(app)["Selected"] == "36"
    settled(app.number_input(key="budget").set_value(None).run())
    assert app.slider(key="ratio").value == 10.0 and shown(app)["Selected"] == "24"


@pytest.mark.parametrize("kept", [1, 7, 203, 4999])
def test_the_ratio_that_is_named_as_the_most_can_be_chosen(kept):
    rows = 5000
    found = re.search(r"([\d.]+) % of the pool is the most", wrong_size(5000, kept, rows))
    assert (found is None) == (kept < 5)
    assert found is None or round(float(found[1]) / 100 * rows) <= kept


def test_the_list_of_methods_says_what_each_needs(app):
    needs = dict(
        one.split(" · needs ") for one in app.selectbox(key="method").options if "·" in one
    )
    assert needs["TSDS KNN-KDE"] == "a target" and needs["Deita"] == "a quality"
    assert "Random" not in needs and len(needs) == 10


def test_the_first_target_set_makes_the_method_target_driven(mapped_root, monkeypatch):
    delete_target(Project.open(mapped_root), "cooking")
    app = settled(open_app(mapped_root.parent, monkeypatch, "select"))
    assert app.selectbox(key="method").value == "kmeans-random"
    assert "A target set makes it target-driven" in texts(app)
    app.selectbox(key="method").set_value("tsds-uniform").run()
    assert "TSDS KNN-Uniform needs a target set: add one above." in texts(app)
    assert app.selectbox(key="target").placeholder == "None yet"
    app.selectbox(key="method").set_value("random").run()
    app.segmented_control[0].set_value("Paste").run()
    app.text_area(key="target-text").set_value("How long do I boil an egg?").run()
    next(t for t in app.text_input if t.label == "Name of the target set").set_value("eggs").run()
    app.button(key="add-pasted").click().run()
    assert app.selectbox(key="method").value == "tsds-kde"
    assert app.selectbox(key="target").value == "eggs"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("gsm8k test (50).jsonl", "gsm8k-test-50"),
        ("ﬁle.csv", "le"),
        ("质量.jsonl", ""),
        (f"{'x' * 80}.csv", "x" * 40),
    ],
)
def test_a_target_set_is_called_as_its_file(file, name):
    assert name_of(file) == name


def test_a_name_that_no_target_set_can_have_adds_none(app):
    app.segmented_control[0].set_value("Paste").run()
    app.text_area(key="target-text").set_value("How long do I boil an egg?").run()
    app.text_input(key="target-name").set_value("my eggs").run()
    assert app.button(key="add-pasted").disabled
    assert [one for one in app.error if "cannot be called 'my eggs'" in one.value.replace("\\", "")]
    app.text_input(key="target-name").set_value("my-eggs").run()
    app.button(key="add-pasted").click().run()
    assert app.selectbox(key="target").value == "my-eggs"
    assert app.text_input(key="target-name").value == ""


def test_the_name_is_filled_in_from_the_file_and_one_that_was_written_stays(app):
    app.get("file_uploader")[0].set_value(("math set.jsonl", b"{}", "application/json")).run()
    assert app.text_input(key="target-name").value == "math-set"
    app.get("file_uploader")[0].set_value(("other.jsonl", b"{}", "application/json")).run()
    assert app.text_input(key="target-name").value == "other"
    app.text_input(key="target-name").set_value("mine").run()
    app.get("file_uploader")[0].set_value(("third.jsonl", b"{}", "application/json")).run()
    assert app.text_input(key="target-name").value == "mine"
