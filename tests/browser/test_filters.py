"""Histograms whose bars filter, by hand: a click and a drag select, and a reload shows the same."""

import re

import numpy as np
import pytest
from driver import APP, MapOnPage, wait_idle
from playwright.sync_api import expect

from core.facets import AnyOf, Between, Facets
from core.project import Project
from core.search import find_rows


def test_bars_select_rows_and_a_reload_keeps_them(serve, open_page, mapped_root):
    project = Project.open(mapped_root)
    column = Facets(project).column("length")
    server = serve(APP, env={"WINNOW_PROJECTS": str(mapped_root.parent)})
    page = open_page(f"{server.url}/map?project=planted&panel=Filters")
    MapOnPage(page).ready()
    selected = page.get_by_text(re.compile(r"^\d+ rows selected$"))
    page.locator(".facets .value", has_text="astronomy").click()
    expect(selected).to_have_text("60 rows selected")
    # The histograms are drawn anew with the new counts: a drag must not begin before.
    expect(page.locator(".facets section.picked")).to_have_count(1)
    wait_idle(page)
    plot = page.locator('[data-column="length"] .plot')
    expect(plot).to_be_visible()
    box = plot.bounding_box()
    assert box is not None
    bars, wide = len(column.lows), box["width"]
    some = np.flatnonzero(column.counts(np.arange(240) // 60 == 1))  # bars with rows of astronomy
    first, last = int(some[1]), int(some[-1])
    page.mouse.move(box["x"] + (first + 0.5) * wide / bars, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + (last + 0.5) * wide / bars, box["y"] + 30, steps=3)
    page.mouse.up()
    rules = [
        AnyOf("source", ("astronomy",)),
        Between("length", float(column.lows[first]), float(column.highs[last])),
    ]
    count = len(find_rows(project, filters=rules).rows)
    assert 0 < count < 60
    expect(selected).to_have_text(f"{count} rows selected")
    wait_idle(page)
    page.reload()
    expect(selected).to_have_text(f"{count} rows selected")
    expect(page.locator(".facets section.picked")).to_have_count(2)
    page.get_by_role("button", name="Take this filter off: Source").click()
    expect(page.locator(".facets section.picked")).to_have_count(1)


def test_one_column_after_the_other_is_added(serve, open_page, mapped_root):
    server = serve(APP, env={"WINNOW_PROJECTS": str(mapped_root.parent)})
    page = open_page(f"{server.url}/map?project=planted&panel=Filters")
    for name, column in (("score", "score"), ("Turns", "turns")):
        page.get_by_role("combobox", name="Add a column").click()
        page.get_by_role("option", name=name, exact=True).click()
        expect(page.locator(f'.facets [data-column="{column}"]')).to_be_visible()
        expect(page.get_by_role("combobox", name="Add a column")).to_have_value("")


@pytest.mark.parametrize("count", [3, 120])
def test_bars_are_as_high_as_they_say(serve, open_page, mapped_root, count):
    project = Project.open(mapped_root)
    rows = np.arange(0, 240, 240 // count)[:count]
    column = Facets(project).column("length")
    total, left = (column.counts(np.isin(np.arange(240), some)) for some in (np.arange(240), rows))
    server = serve(APP, env={"WINNOW_PROJECTS": str(mapped_root.parent)})
    chosen = "=r" + ",".join(map(str, rows))
    page = open_page(f"{server.url}/map?project=planted&panel=Filters&sel={chosen}")
    facet = page.locator('[data-column="length"]')
    # The bars of the whole pool may stand there before those of the selection.
    expect(page.get_by_text(f"{count} rows selected", exact=True)).to_be_visible()
    wait_idle(page)
    expect(facet.locator(".bar")).to_have_count(len(total))
    grey, blue = (
        facet.locator(f".bar i:nth-child({place})").evaluate_all(
            "nodes => nodes.map((node) => node.getBoundingClientRect().height)"
        )
        for place in (1, 2)
    )
    note = facet.locator(".note")
    times = 1
    if left.max() < 0.2 * total.max():
        said = re.fullmatch(
            r"Blue bars enlarged ×(\d+), so that they can be seen", note.inner_text()
        )
        assert said
        times = int(said[1])
        assert times > 1 and left.max() * times <= total.max()
    else:
        expect(note).to_have_count(0)
    high = max(grey) / total.max()
    for drawn, true in ((grey, total), (blue, left * times)):
        wanted = np.where(true > 0, np.maximum(true * high, 2), 0)
        np.testing.assert_allclose(drawn, wanted, atol=0.1)
