"""The map page's panels with AppTest: search, near-duplicates, reading."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash
from test_pages import APP, button, clicked_cell, finish, open_app, said, texts

from core.cluster_edits import split_cluster
from core.cluster_stats import cluster_card, cluster_stats
from core.clusters import load_clusters
from core.decisions import decide, load_decisions
from core.features import load_features
from core.group_spread import group_spread
from core.near_duplicates import duplicate_groups, find_duplicates
from core.pool import Pool
from core.project import Project
from core.runs import load_run, select
from core.search import find_rows
from core.view_link import Step
from pages.ui.cluster_table import ticks_of
from pages.ui.mapview import cluster_step
from pages.ui.selection import RowSelection
from pages.ui.state import ProjectView
from pages.ui.text import percent

pytestmark = pytest.mark.filterwarnings("ignore")
COSINE = 0.85


@pytest.fixture
def app(mapped_root, monkeypatch):
    return open_app(mapped_root.parent, monkeypatch, "map")


def search(app, how, text):
    app.segmented_control(key="find-by").set_value(how).run()
    app.text_input(key=f"map-search-{how.lower()}").set_value(text).run()
    assert not app.exception


def panel(app, name):
    app.segmented_control(key="map-panel").set_value(name).run()
    assert not app.exception


def test_words_and_a_condition_select_rows(app, mapped_root):
    search(app, "Words", "galaxy")
    assert "60 rows selected" in texts(app)
    app.checkbox(key="find-within").check().run()
    search(app, "Condition", "row % 2 = 0")
    assert "30 rows selected" in texts(app)
    app.text_input(key="map-search-condition").set_value("").run()
    assert "Nothing selected" in texts(app)


def test_what_is_selected_stays_when_a_panel_is_left_and_opened_again(app):
    search(app, "Words", "galaxy")
    for name in ("Rows", "Clusters"):
        panel(app, name)
    tick(app, 0)
    for name in ("Rows", "Clusters", "Duplicates", "History", "Clusters"):
        panel(app, name)
        assert "60 rows selected" in texts(app)
    app.segmented_control(key="find-by").set_value("Condition").run()
    app.segmented_control(key="find-by").set_value("Words").run()
    assert "60 rows selected" in texts(app)


def test_the_way_to_search_stays_when_the_selection_is_narrowed(app):
    search(app, "Words", "galaxy")
    app.segmented_control(key="find-by").set_value("Condition").run()
    found = app.session_state["selection"]
    half = Step("within", "rows", "60-89")  # as a lasso does
    app.session_state["selection"] = replace(
        found, rows=found.rows[::2], steps=(*found.steps, half)
    )
    app.run()
    assert not app.exception
    assert app.segmented_control(key="find-by").value == "Condition"


def test_the_search_box_is_empty_when_other_rows_are_selected(app):
    words = app.text_input(key="map-search-words")
    search(app, "Words", "galaxy")
    app.run()
    assert app.text_input(key=words.key).value == "galaxy"
    tick(app, 0)
    assert app.text_input(key=words.key).value == "" and "60 rows selected" in texts(app)
    search(app, "Words", "galaxy")
    app.session_state["picked"] = 20
    panel(app, "Rows")
    assert app.text_input(key=words.key).value == "galaxy"
    button(app, "Like this").click().run()
    assert app.text_input(key=words.key).value == ""
    search(app, "Condition", "n_chars >")
    assert app.text_input(key="map-search-condition").value == "n_chars >"  # to be mended


def test_emptying_the_search_leaves_what_it_did_not_select(app):
    tick(app, 0)
    app.checkbox(key="find-within").check().run()
    search(app, "Condition", "row % 2 = 0")
    app.text_input(key="map-search-condition").set_value("").run()
    assert "30 rows selected" in texts(app)
    app.button(key="clear-selection").click().run()
    search(app, "Words", "galaxy")
    app.button(key="clear-selection").click().run()
    search(app, "Words", "galaxy")
    app.button(key="clear-selection").click().run()
    assert "Nothing selected" in texts(app)
    search(app, "Words", "galaxy")
    assert "60 rows selected" in texts(app)


def test_a_condition_that_cannot_be_used_is_said(app):
    search(app, "Condition", "n_chars >")
    assert any("condition" in str(error.value) for error in app.error)
    search(app, "Words", "nosuchword")
    assert "No kept row has “nosuchword”." in texts(app)
    search(app, "Words", "galaxy")
    assert "nosuchword" not in texts(app) and "60 rows selected" in texts(app)


def test_meaning_without_an_encoder_says_what_to_do(app):
    search(app, "Meaning", "stars")
    assert any("vectors were imported" in str(error.value) for error in app.error)


def test_reading_goes_through_the_selection_and_finds_alike(app, mapped_root):
    search(app, "Condition", "row IN (10, 20, 30)")
    app.session_state["picked"] = 20
    panel(app, "Rows")
    assert "**Row 20**" in texts(app)
    app.button(key="Next row").click().run()
    assert "**Row 30**" in texts(app) and app.button(key="Next row").disabled
    app.button(key="Previous row").click().run()
    button(app, "Like this").click().run()
    found = find_rows(Project.open(mapped_root), like_rows=[20])
    assert f"**Row 20 and {len(found.rows):,} like it**" in texts(app)


@pytest.fixture
def alike(app):
    """The rows like row 20, with the menu open in which they are cut."""
    app.session_state["picked"] = 20
    panel(app, "Rows")
    button(app, "Like this").click().run()
    app.session_state["cut"] = True
    app.run()
    return app


def test_rows_that_are_alike_are_cut_at_a_number_and_at_a_cosine(alike, mapped_root):
    app, project = alike, Project.open(mapped_root)
    every = find_rows(project, like_rows=[20], limit=239)

    def line():
        """The rows around it, without the row that the others are like."""
        return next(
            one.value for one in app.dataframe if "cosine" in one.value and "in" in one.value
        )

    app.number_input(key="cut-rows").set_value(50).run()
    assert "Row 20 and 50 like it" in texts(app) and "**50 rows**, down to cosine" in texts(app)
    np.testing.assert_allclose(line()["cosine"], every.cosines[48:52])
    assert line()["in"].tolist() == [True, True, False, False]
    app.segmented_control(key="cut-by").set_value("Cosine").run()
    floor = app.slider(key="cut-cosine").value
    assert floor <= every.cosines[49] < floor + 0.01  # it goes on from where it was
    floor = round(float(every.cosines[10]), 2) + 0.01
    app.slider(key="cut-cosine").set_value(floor).run()
    above = int((every.cosines >= np.float32(floor)).sum())
    assert f"Row 20 and {above} like it" in texts(app) and f"Cosine ≥ {floor:.2f}" in texts(app)
    app.number_input(key="cut-most").set_value(3).run()
    assert f"**3 rows**, down to cosine {every.cosines[2]:.3f}; {above} have" in texts(app)
    assert app.query_params["sel"] == f"=K3:{floor}:20"
    app.slider(key="cut-cosine").set_value(1.0).run()
    assert "No other row has a cosine of 1.00" in texts(app) and not app.exception


def test_a_cut_selection_is_that_of_its_address_and_can_be_cut_again(mapped_root, monkeypatch):
    params = {"sel": "=wgalaxy~*qrow % 2 = 0~*K5::61"}
    monkeypatch.setenv("WINNOW_PROJECTS", str(mapped_root.parent))
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.query_params["project"], app.query_params["sel"] = "planted", params["sel"]
    app.run()
    app._page_hash = calc_hash("map")
    app.session_state["cut"] = True
    app.run()
    # Of the five, and row 61, those that are even and about galaxies.
    rows = find_rows(Project.open(mapped_root), "galaxy", where="row % 2 = 0", like_rows=[61]).rows
    assert app.number_input(key="cut-rows").value == 5 and "5 rows selected" in texts(app)
    assert app.session_state["selection"].rows.tolist() == sorted(rows[:5].tolist())
    app.number_input(key="cut-rows").set_value(9).run()
    assert app.session_state["selection"].rows.tolist() == sorted(rows[:9].tolist())
    app.session_state["selection"] = RowSelection(str(mapped_root), rows, "something else")
    app.run()
    assert not any(one.key == "cut-rows" for one in app.number_input)


def test_nearest_rows_are_listed_and_set_against_the_row(app, mapped_root):
    app.session_state["picked"] = 20
    app.session_state["near-20"] = True
    panel(app, "Rows")
    found = find_rows(Project.open(mapped_root), like_rows=[20], limit=8)
    assert app.dataframe[0].value["row"].tolist() == found.rows.tolist()
    app.session_state["nearest-20"] = clicked_cell(0)
    app.run()
    assert f"**Row {found.rows[0]}**" in texts(app) and "of the words differ" in texts(app)
    app.button(key=f"to-{found.rows[0]}").click().run()
    assert f"**Row {found.rows[0]}**" in texts(app)


def set_line(app, cosine):
    app.select_slider(key="map-line").set_value(f"{cosine:.3f}").run()
    assert not app.exception


def pick_group(app, place):
    key = next(one.key for one in app.dataframe if str(one.key).startswith("groups-"))
    app.session_state[key] = clicked_cell(place)
    app.run()
    assert not app.exception


def test_near_duplicates_are_looked_for_by_a_job(app):
    panel(app, "Duplicates")
    assert not button(app, "Find near-duplicates").disabled


def test_near_duplicates_are_counted_selected_and_dropped(mapped_root, monkeypatch):
    project = Project.open(mapped_root)
    find_duplicates(project)
    groups = duplicate_groups(project, COSINE)
    app = open_app(mapped_root.parent, monkeypatch, "map")
    panel(app, "Duplicates")
    set_line(app, COSINE)
    assert f"**{len(groups)} groups**" in texts(app)
    spread = group_spread(groups, load_features(project).vectors)
    lowest = spread.said()
    told = f"Largest: {groups.sizes[0]}. Lowest cosine in a group: **{lowest}**"
    assert told in texts(app)
    listed = next(one.value for one in app.dataframe if "lowest" in one.value)
    assert listed["rows"].tolist() == groups.sizes.tolist()
    assert listed["lowest"].tolist() == [spread.said(place) for place in range(len(groups))]
    first, second = spread.pairs[spread.worst]
    for kind, sentence in (
        ("Just above the line", "They are in one group"),
        ("Just below the line", "Nothing joins them"),
        (
            "Least alike in one group",
            f"**Rows {first} and {second}** · cosine {lowest} · in a group of",
        ),
    ):
        app.session_state["pairs"] = kind
        button(app, "Look at pairs").click().run()
        assert sentence in texts(app) and not app.exception
    button(app, "Select them").click().run()
    assert f"{groups.extra} rows selected" in texts(app)
    # The button of the panel; that of the selection says the same.
    [one for one in app.button if one.label == f"Drop {groups.extra}"][-1].click().run()
    state = load_decisions(project, 240)
    assert int(state.dropped.sum()) == groups.extra
    assert state.log[-1].origin.startswith("near-duplicates at cosine 0.85")
    assert "No two kept rows are that much alike." in texts(app)


def test_a_pinned_row_is_not_dropped_as_a_duplicate(mapped_root, monkeypatch):
    project = Project.open(mapped_root)
    find_duplicates(project)
    decide(project, Pool.open(project).rows, "pin", np.arange(240), "test")
    app = open_app(mapped_root.parent, monkeypatch, "map")
    panel(app, "Duplicates")
    set_line(app, COSINE)
    assert button(app, "Drop 0").disabled
    extra = duplicate_groups(project, COSINE).extra
    assert f"{extra:,} more stay: they are pinned." in texts(app)


def test_pins_that_are_dropped_are_told(mapped_root, monkeypatch):
    decide(Project.open(mapped_root), 240, "pin", np.arange(70), "test")
    app = open_app(mapped_root.parent, monkeypatch, "map")
    search(app, "Condition", "row < 100")
    app.button(key="decide-drop").click().run()
    assert "Dropped 100 rows. 70 of what is dropped had been pinned." in said(app)


def test_rows_whose_folder_is_gone_are_said(app, mapped_root):
    (mapped_root / "pool").rename(mapped_root / "away")
    app.run()
    assert not app.exception
    assert "The rows of planted are gone" in app.error[0].value
    (mapped_root / "away").rename(mapped_root / "pool")
    app.run()
    assert not app.error and "Nothing selected" in texts(app)


def test_the_two_least_alike_rows_of_a_group_that_is_picked(mapped_root, monkeypatch):
    project = Project.open(mapped_root)
    find_duplicates(project)
    groups = duplicate_groups(project, COSINE)
    spread = group_spread(groups, load_features(project).vectors)
    app = open_app(mapped_root.parent, monkeypatch, "map")
    panel(app, "Duplicates")
    set_line(app, COSINE)
    pick_group(app, 1)
    assert f"{groups.sizes[1]} rows selected" in texts(app)
    button(app, "Its least alike rows").click().run()
    assert "Rows {:,} and {:,}".format(*spread.pairs[1]) in texts(app)
    app.run()
    button(app, "Keep its first row only").click().run()
    assert np.flatnonzero(load_decisions(project, 240).dropped).tolist() == groups[1][1:].tolist()


def test_a_group_that_moved_in_the_list_is_not_picked_any_more(mapped_root, monkeypatch):
    project = Project.open(mapped_root)
    find_duplicates(project)
    groups = duplicate_groups(project, 0.94)
    first, second = groups[0], groups[1]
    decide(project, 240, "drop", first[-10:], "test")
    app = open_app(mapped_root.parent, monkeypatch, "map")
    panel(app, "Duplicates")
    set_line(app, 0.94)
    pick_group(app, 0)
    assert app.session_state["selection"].rows.tolist() == second.tolist()
    decide(project, 240, "tag", second, "test", label="same groups")
    app.run()
    assert button(app, "Keep its first row only")
    app.button(key="undo").click().run()
    app.button(key="undo").click().run()  # now the other one is the largest again
    assert not any(one.label == "Keep its first row only" for one in app.button)
    pick_group(app, 0)
    button(app, "Keep its first row only").click().run()
    assert np.flatnonzero(load_decisions(project, 240).dropped).tolist() == first[1:].tolist()
    assert said(app) == f"Dropped {len(first) - 1} rows."


def test_the_line_is_in_the_address_and_stays_after_a_drop(mapped_root, monkeypatch):
    project = Project.open(mapped_root)
    find_duplicates(project)
    app = open_app(mapped_root.parent, monkeypatch, "map")
    panel(app, "Duplicates")
    assert "line" not in app.query_params
    set_line(app, COSINE)
    assert app.query_params["line"] == "0.850"
    [one for one in app.button if one.label.startswith("Drop ")][-1].click().run()
    assert load_decisions(project, 240).dropped.any()
    assert app.query_params["line"] == "0.850"
    assert app.select_slider(key="map-line").value == "0.850"
    panel(app, "Clusters")
    assert "line" not in app.query_params
    panel(app, "Duplicates")
    assert app.select_slider(key="map-line").value == app.query_params["line"] == "0.850"
    for line, restored in (("0.850", "0.850"), ("0.8501", "0.950"), ("2", "0.950"), ("x", "0.950")):
        again = AppTest.from_file(str(APP), default_timeout=60)
        told = {"project": "planted", "panel": "Duplicates", "line": line}
        for name, value in told.items():
            again.query_params[name] = value
        again.run()
        again._page_hash = calc_hash("map")
        again.run()
        assert not again.exception
        assert again.select_slider(key="map-line").value == restored


def test_an_address_shows_the_same_again(app, mapped_root, monkeypatch):
    search(app, "Words", "galaxy")
    app.checkbox(key="find-within").check().run()
    search(app, "Condition", "row % 2 = 0")
    app.session_state["picked"] = 70
    app.segmented_control(key="map-color").set_value("Source").run()
    panel(app, "Rows")
    address = app.query_params
    assert address["color"] == "Source" and address["row"] == "70"

    again = AppTest.from_file(str(APP), default_timeout=60)
    for name in ("sel", "row", "color", "panel", "project"):
        again.query_params[name] = address[name]
    again.run()
    again._page_hash = calc_hash("map")
    again.run()
    assert "30 rows selected" in texts(again) and "**Row 70**" in texts(again)
    # What was searched for stands in its box, and in the log once it is decided.
    assert again.segmented_control(key="find-by").value == "Condition"
    assert again.text_input(key="map-search-condition").value == "row % 2 = 0"
    again.button(key="decide-pin").click().run()
    (entry,) = load_decisions(Project.open(mapped_root), 240).log
    assert entry.origin == "search by words for 'galaxy' and search by condition for 'row % 2 = 0'"
    assert again.segmented_control(key="map-color").value == "Source"


@pytest.mark.parametrize("link", ["nonsense", "=r99999", "=cother:1"])
def test_an_address_that_names_nothing_is_said(mapped_root, monkeypatch, link):
    monkeypatch.setenv("WINNOW_PROJECTS", str(mapped_root.parent))
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.query_params["project"], app.query_params["sel"] = "planted", link
    app.run()
    assert not app.exception
    assert "address" in said(app)
    assert "Nothing selected" in texts(app)


def test_a_view_that_the_address_does_not_name_rightly_is_said(mapped_root, monkeypatch):
    params = {"project": "planted", "color": "Taste", "panel": "Clusters", "line": "7"}
    monkeypatch.setenv("WINNOW_PROJECTS", str(mapped_root.parent))
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in params.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    assert "'color=Taste', 'line=7'" in said(app)
    assert app.segmented_control(key="map-color").value == "Cluster"


def listed(app):
    """The cluster list as it is sent to the browser."""
    (table,) = [one for one in app.get("bidi_component") if "clusters" in one.proto.component_name]
    return json.loads(table.proto.json)


def tick(app, *places):
    """Select clusters by their place in the list; tests/browser/test_cluster_list.py ticks them."""
    rows = listed(app)["rows"]
    ticked = [rows[place]["number"] for place in places]
    if not ticked:
        app.button(key="clear-selection").click().run()
        return
    view = ProjectView(Project.open(Path(os.environ["WINNOW_PROJECTS"]) / "planted"))
    found = np.flatnonzero(np.isin(view.clusters.labels, ticked))
    step = Step("replace", *cluster_step(view, ticked))
    root = str(view.project.root)
    app.session_state["selection"] = RowSelection(root, found, "clusters", (step,))
    app.run()
    assert not app.exception


def test_a_cluster_is_renamed_split_and_merged_again(app, mapped_root):
    project = Project.open(mapped_root)
    tick(app, 0)
    title = next(box for box in app.text_input if str(box.key).startswith("title-"))
    title.set_value("My rows")
    app.button(key=f"{title.key}-save").click().run()
    finish(app)
    assert "My rows" in load_clusters(project).titles
    tick(app, 0)
    next(one for one in app.button if str(one.key).startswith("split-")).click().run()
    finish(app)
    assert len(load_clusters(project).titles) == 5
    tick(app, 0, 1)
    [one for one in app.button if one.label == "Merge"][-1].click().run()
    finish(app)
    assert len(load_clusters(project).titles) == 4
    for _ in range(3):
        app.button(key="undo-edit").click().run()
        finish(app)
    assert "My rows" not in load_clusters(project).titles and not load_clusters(project).edits


def test_ticks_follow_what_is_selected_elsewhere(app, mapped_root):
    sizes = [row["values"][0] for row in listed(app)["rows"]]
    assert sizes == sorted(sizes, reverse=True) and listed(app)["ticked"] == []
    tick(app, 0, 2)
    rows = listed(app)["rows"]
    assert listed(app)["ticked"] == sorted(rows[place]["number"] for place in (0, 2))
    assert "120 rows selected" in texts(app) and "the 2 that are ticked are" in texts(app)
    app.button(key="clear-selection").click().run()
    assert listed(app)["ticked"] == [] and "Nothing selected" in texts(app)
    assert not any(b.label == "Rename" for b in app.button)
    tick(app, 1)
    search(app, "Words", "galaxy")
    assert listed(app)["ticked"] == [] and "60 rows selected" in texts(app)
    tick(app, 3)
    before = listed(app)["ticked"]
    assert len(before) == 1 and any(b.label == "Go there" for b in app.button)
    panel(app, "Rows")
    panel(app, "Clusters")
    assert listed(app)["ticked"] == before and "60 rows selected" in texts(app)


def test_clusters_that_a_search_does_not_list_stay_ticked(mapped_root, monkeypatch):
    monkeypatch.setattr("pages.ui.cluster_list._FEW", 1)
    app = open_app(mapped_root.parent, monkeypatch, "map")
    titles = load_clusters(Project.open(mapped_root)).titles
    tick(app, 0)
    (ticked,) = listed(app)["ticked"]
    other = next(one for one in range(4) if one != ticked)
    app.text_input(key="cluster-words").set_value(titles[other]).run()
    assert "60 rows selected" in texts(app)
    assert [row["title"] for row in listed(app)["rows"]] == [titles[other]]
    assert listed(app)["ticked"] == [ticked]  # the browser adds to them
    app.text_input(key="cluster-words").set_value("nosuchword").run()
    assert "No cluster has that" in texts(app)
    assert any(one.label == "Go there" for one in app.button)  # of the one that is ticked


@pytest.mark.parametrize(
    ("move", "ticks"),
    [
        ({"list": "a", "ticked": [3, 0, 3]}, [0, 3]),
        ({"list": "a", "ticked": []}, []),
        ({"list": "b", "ticked": [0]}, None),  # of clusters that were since edited
        ({"list": "a", "ticked": [4]}, None),
        ({"list": "a", "ticked": [-1]}, None),
        ({"list": "a", "ticked": [True]}, None),
        ({"list": "a", "ticked": ["0"]}, None),
        ({"list": "a", "ticked": "0"}, None),
        ({}, None),
    ],
)
def test_ticks_of_a_browser_are_taken_only_if_they_can_be(move, ticks):
    assert ticks_of(move, "a", 4) == ticks


def test_a_dropped_row_that_is_read_is_restored(app, mapped_root):
    project = Project.open(mapped_root)
    decide(project, 240, "drop", np.arange(5), "test")
    app.session_state["picked"] = 3
    panel(app, "Rows")
    assert not [b for b in app.button if b.key == "drop-row"]
    app.button(key="restore-row").click().run()
    assert np.flatnonzero(load_decisions(project, 240).dropped).tolist() == [0, 1, 2, 4]
    assert app.session_state["picked"] == 3 and app.button(key="drop-row")
    assert said(app) == "Restored row 3."


def test_the_card_of_a_cluster(app, mapped_root):
    app.session_state["cluster-card"] = True
    tick(app, 0)
    assert "Nearest clusters" in texts(app) and "Sources: " in texts(app)
    next(one for one in app.button if str(one.key).startswith("card-row-")).click().run()
    assert "**Row " in texts(app)


def test_an_example_on_the_card_of_a_cluster_says_where_it_is_cut(mapped_root, monkeypatch):
    page = Pool.page

    def longer(pool, rows):
        found = page(pool, rows)
        return found.assign(prompt=["*short*", "  ", *["words " * 40] * len(found)][: len(found)])

    monkeypatch.setattr(Pool, "page", longer)
    app = open_app(mapped_root.parent, monkeypatch, "map")
    app.session_state["cluster-card"] = True
    tick(app, 0)
    lines = [one.label for one in app.button if str(one.key).startswith("card-row-")]
    assert lines == ["\\*short\\*", "(empty)", "words " * 17 + "words…"]


def test_what_is_not_found_within_a_selection_leaves_no_row_selected(app):
    search(app, "Words", "galaxy")
    before = app.query_params["sel"]
    app.checkbox(key="find-within").check().run()
    search(app, "Condition", "row > 1000")
    assert "Nothing selected" in texts(app)
    assert "None of the 60 selected rows meets “row > 1000”." in texts(app)
    app.query_params["sel"] = before  # as the browser's Back does
    app.session_state["travelled"] = True
    app.run()
    assert "60 rows selected" in texts(app) and "None of the" not in texts(app)
    search(app, "Condition", "row > 2000")
    assert "No kept row meets “row > 2000”." in texts(app)


def test_within_the_selection_is_off_when_nothing_is_selected(app, mapped_root):
    within = app.checkbox(key="find-within")
    assert within.disabled and not within.value
    search(app, "Words", "galaxy")
    app.checkbox(key="find-within").check().run()
    assert app.checkbox(key="find-within").value
    app.button(key="clear-selection").click().run()
    within = app.checkbox(key="find-within")
    assert within.disabled and not within.value
    search(app, "Words", "galaxy")
    within = app.checkbox(key="find-within")
    assert not within.disabled and not within.value
    within.check().run()
    decide(Project.open(mapped_root), 240, "drop", np.arange(60, 120), "another window")
    app.run()  # all that was selected is dropped
    assert "Nothing selected" in texts(app) and not app.checkbox(key="find-within").value


def test_the_row_that_is_read_is_dropped_and_gives_way_to_the_next(app, mapped_root):
    app.session_state["picked"] = 20
    panel(app, "Rows")
    app.button(key="pin-row").click().run()
    app.button(key="drop-row").click().run()
    state = load_decisions(Project.open(mapped_root), 240)
    assert np.flatnonzero(state.dropped).tolist() == [20] and not state.pinned.any()
    assert "**Row 21**" in texts(app)


def test_clusters_are_sorted_by_how_much_of_them_is_selected_or_chosen(mapped_root, monkeypatch):
    monkeypatch.setattr("pages.ui.cluster_list._FEW", 1)
    project = Project.open(mapped_root)
    app = open_app(mapped_root.parent, monkeypatch, "map")
    assert "By last run" not in app.selectbox(key="cluster-by").options
    select(project, method="tsds-uniform", target="cooking", budget=12, name="r")
    labels, sizes = load_clusters(project).labels, np.array(load_clusters(project).sizes)
    search(app, "Words", "galaxy")
    found = find_rows(project, "galaxy").rows
    for by, rows in (("Selected", found), ("Last run", load_run(project, "r").rows)):
        app.selectbox(key="cluster-by").set_value(by).run()
        share = 100 * np.bincount(labels[rows], minlength=4) / sizes
        shown = {row["number"]: row["values"][1] for row in listed(app)["rows"]}
        np.testing.assert_allclose([shown[one] for one in range(4)], share)
        assert list(shown.values()) == sorted(shown.values(), reverse=True)
        assert listed(app)["by"] == 1  # a click on its head turns it round


def test_clusters_that_are_alike_are_sorted_by_size(mapped_root, monkeypatch):
    monkeypatch.setattr("pages.ui.cluster_list._FEW", 1)
    split_cluster(Project.open(mapped_root), 1, k=3)
    app = open_app(mapped_root.parent, monkeypatch, "map")
    app.selectbox(key="cluster-by").set_value("Kept").run()
    sizes, kept = zip(*(row["values"] for row in listed(app)["rows"]), strict=True)
    assert set(kept) == {100} and list(sizes) == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("part", "whole", "digits", "told"),
    [
        (1379, 1379, 0, "100"),
        (1376, 1379, 0, "99.8"),
        (99_999, 100_000, 1, "99.9"),
        (57, 100, 0, "57"),
        (57, 100, 1, "57.0"),
        (3, 1379, 0, "0.2"),
        (1, 100_000, 1, "0.1"),
        (0, 1379, 1, "0"),
    ],
)
def test_a_share_is_all_or_nothing_only_if_it_is(part, whole, digits, told):
    assert percent(100 * part / whole, digits) == told


def test_the_list_and_the_card_do_not_round_a_share_up_to_all(mapped_root, monkeypatch):
    decide(Project.open(mapped_root), 240, "drop", np.arange(1), "test")
    monkeypatch.setattr("pages.ui.cluster_list._share", lambda *_: np.array([99.8, 100, 0.2, 0]))
    sources = {"one": 0.998, "another": 0.002}
    monkeypatch.setattr(
        "pages.ui.cluster_card.cluster_card",
        lambda *args, **options: replace(cluster_card(*args, **options), sources=sources),
    )
    app = open_app(mapped_root.parent, monkeypatch, "map")
    shown = {row["number"]: row["texts"][1] for row in listed(app)["rows"]}
    assert shown == {0: "99.8", 1: "100", 2: "0.2", 3: "0"}
    app.session_state["cluster-card"] = True
    tick(app, 0)
    assert "Sources: one 99.8%" in texts(app)


@pytest.mark.parametrize("by", ["Kept", "Length", "Alike", "Duplicates"])
def test_clusters_are_sorted_by_what_is_asked_for(mapped_root, monkeypatch, by):
    monkeypatch.setattr("pages.ui.cluster_list._FEW", 1)
    project = Project.open(mapped_root)
    decide(project, 240, "drop", np.arange(30), "test")
    app = open_app(mapped_root.parent, monkeypatch, "map")
    app.selectbox(key="cluster-by").set_value(by).run()
    stats = cluster_stats(project)
    values = {
        "Kept": 100 * stats.kept / stats.rows,
        "Length": stats.median_length,
        "Alike": stats.mean_cosine,
        "Duplicates": 100 * stats.duplicates,
    }[by]
    shown = [row["values"][1] for row in listed(app)["rows"]]
    np.testing.assert_allclose(shown, np.sort(values)[::-1])
