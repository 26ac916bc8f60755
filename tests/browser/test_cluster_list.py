"""The cluster list of the map page, as a person ticks, sorts and walks it."""

import numpy as np
import pytest
from driver import APP, wait_idle
from playwright.sync_api import expect

from core.cluster_edits import merge_clusters, split_cluster
from core.clusters import load_clusters
from core.decisions import decide, load_decisions
from core.project import Project


@pytest.fixture
def split_root(mapped_root):
    """The project with clusters of many sizes, more than the list has room for."""
    project = Project.open(mapped_root)
    for number in range(4):
        split_cluster(project, number, k=4)
    return mapped_root


@pytest.fixture
def page(serve, open_page, mapped_root):
    server = serve(APP, env={"WINNOW_PROJECTS": str(mapped_root.parent)})
    page = open_page(f"{server.url}/map?project=planted")
    expect(page.locator(".clusters tbody tr").first).to_be_visible()
    wait_idle(page)
    return page


def test_ticks_select_rows_and_follow_what_is_selected(page, mapped_root):
    boxes = page.locator(".clusters tbody input")
    expect(boxes).to_have_count(4)
    boxes.nth(0).click()
    expect(page.get_by_text("60 rows selected")).to_be_visible()
    page.locator(".clusters tbody .title").nth(2).click(modifiers=["Shift"])
    expect(page.get_by_text("180 rows selected")).to_be_visible()
    assert page.locator(".clusters tbody tr.on").count() == 3
    page.get_by_role("button", name="Drop 180").click()
    expect(page.get_by_text("kept 60 of 240")).to_be_visible()
    (entry,) = load_decisions(Project.open(mapped_root), 240).log
    assert entry.origin.startswith("clusters ")
    # Its key is known once its button is there.
    expect(page.get_by_role("button", name="Undo Shortcut")).to_be_enabled()
    page.keyboard.press("Control+z")
    expect(page.get_by_text("kept 240 of 240")).to_be_visible()
    expect(page.get_by_text("180 rows selected")).to_be_visible()  # as before the drop
    boxes.nth(0).click()
    expect(page.get_by_text("120 rows selected")).to_be_visible()
    every = page.locator(".clusters thead input")
    assert every.evaluate("box => box.indeterminate")
    every.click()
    expect(page.get_by_text("240 rows selected")).to_be_visible()
    page.locator(".st-key-clear-selection button").first.click()
    expect(page.get_by_text("Nothing selected")).to_be_visible()
    expect(page.locator(".clusters tbody tr.on")).to_have_count(0)


def test_by_keyboard_alone_and_from_the_other_end(page):
    boxes = page.locator(".clusters tbody input")
    titles = page.locator(".clusters tbody .title").all_inner_texts()
    boxes.nth(0).focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    expect(boxes.nth(2)).to_be_checked()
    expect(boxes.nth(2)).to_be_focused()
    expect(page.get_by_text("60 rows selected")).to_be_visible()
    expect(boxes.nth(2)).to_be_focused()  # the page was drawn anew
    name = page.locator(".clusters thead .title button")
    name.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator(".clusters thead .title")).to_have_attribute("aria-sort", "descending")
    page.keyboard.press("Enter")
    expect(page.locator(".clusters tbody .title")).to_have_text(sorted(titles, key=str.lower))
    expect(page.locator(".clusters thead .title")).to_have_attribute("aria-sort", "ascending")
    ticked = page.locator(".clusters tbody tr.on .title")
    expect(ticked).to_have_text(titles[2])


def test_a_press_that_ends_on_another_line_ticks_nothing(page):
    lines = page.locator(".clusters tbody tr")
    lines.nth(0).hover()
    page.mouse.down()
    lines.nth(2).hover()
    page.mouse.up()
    lines.nth(1).click()
    expect(page.get_by_text("60 rows selected")).to_be_visible()
    expect(page.locator(".clusters tbody tr.on")).to_have_count(1)


def test_what_is_ticked_in_a_list_of_other_clusters_selects_nothing(page, mapped_root):
    lines = page.locator(".clusters tbody tr")
    lines.nth(0).hover()
    merge_clusters(Project.open(mapped_root), [0, 1])
    page.mouse.down()  # at once: in two seconds the page hears of it by itself
    page.mouse.up()
    expect(lines).to_have_count(3)
    expect(page.get_by_text("Nothing selected")).to_be_visible()
    expect(page.locator(".clusters tbody tr.on")).to_have_count(0)


def test_clusters_that_are_alike_are_listed_by_size_both_ways_round(split_root, page):
    project = Project.open(split_root)
    gone = np.flatnonzero(np.isin(load_clusters(project).labels, [0, 1, 2]))
    decide(project, 240, "drop", gone, "test")
    name = page.get_by_role("button", name="kept %")
    order = []
    for direction in ("descending", "ascending"):
        name.click()
        head = page.locator(".clusters thead th.value").last
        expect(head).to_have_attribute("aria-sort", direction)
        lines = [
            [float(cell) for cell in line.locator(".value").all_inner_texts()]
            for line in page.locator(".clusters tbody tr").all()
        ]
        order.append([(kept, size) for size, kept in lines])
    down, up = order
    assert {kept for kept, _ in down} == {0, 100} and len({size for _, size in down}) > 2
    assert down == sorted(down, reverse=True)
    assert up == sorted(up, key=lambda line: (line[0], -line[1]))


def test_what_is_ticked_elsewhere_is_scrolled_to(split_root, page):
    lines, box = page.locator(".clusters tbody tr"), page.locator(".clusters")
    lines.nth(12).click()
    lines.nth(14).click(modifiers=["Shift"])
    expect(page.get_by_text("the 3 that are ticked are selected")).to_be_visible()
    wait_idle(page)
    box.evaluate("box => { box.scrollTop = 0; }")
    lines.nth(2).click()  # in the list itself: it stays where it is
    expect(page.get_by_text("the 4 that are ticked are selected")).to_be_visible()
    lines.nth(2).click()
    expect(page.get_by_text("the 3 that are ticked are selected")).to_be_visible()
    wait_idle(page)
    assert box.evaluate("box => box.scrollTop") == 0
    page.locator(".st-key-clear-selection button").first.click()
    expect(page.get_by_text("Nothing selected")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("the 3 that are ticked are selected")).to_be_visible()
    for place in (12, 14):
        expect(lines.nth(place)).to_be_in_viewport(ratio=1)
    below = "([a, b]) => a.getBoundingClientRect().top - b.getBoundingClientRect().bottom"
    ends = [lines.nth(12).element_handle(), page.locator(".clusters thead tr").element_handle()]
    page.wait_for_function(f"ends => ({below})(ends) > -1", arg=ends)
    page.reload()  # the list is another one now
    expect(lines.nth(12)).to_be_in_viewport(ratio=1)


def test_the_title_is_in_sight_once_it_was_changed(page):
    page.locator(".clusters tbody tr").nth(1).click()
    page.get_by_role("button", name="Rename").click()
    title = page.get_by_test_id("stPopoverBody").get_by_label("Title")
    for name in ("My rows", "Our rows"):
        title.fill(name)
        title.press("Enter")
        expect(page.locator(".clusters tbody .title").nth(1)).to_have_text(name)
        expect(title).to_have_count(0)
        page.get_by_role("button", name="Rename").click()
        expect(title).to_have_value(name)
