"""Histograms whose bars filter, by hand: a click and a drag select, and a reload shows the same."""

import re

import numpy as np
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
