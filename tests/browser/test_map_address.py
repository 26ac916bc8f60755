"""The Map page's address and keys, in a real browser."""

import numpy as np
import pytest
from driver import APP, ROOT, MapOnPage, wait_idle
from playwright.sync_api import expect

from core.decisions import decide
from core.project import Project

SAYS_VIEW = "location.search.includes('view=')"


@pytest.fixture
def visit(serve, open_page, mapped_root):
    """Open the Map page of the planted project, with more in its address."""
    server = serve(APP, env={"WINNOW_PROJECTS": str(mapped_root.parent)})
    return lambda more="": open_page(f"{server.url}/map?project=planted{more}")


def test_the_view_is_in_the_address_whatever_else_is_written_there(visit):
    page = visit()
    drawn = MapOnPage(page).ready()
    home = drawn.view()
    assert not page.evaluate(SAYS_VIEW)
    page.mouse.move(*drawn.at(0.4, 0.4))
    page.mouse.wheel(0, -500)
    page.wait_for_function(SAYS_VIEW)
    view, said = drawn.view(), page.evaluate("location.search.match(/view=[^&]*/)[0]")
    # The server writes an address of its own, and knows no view.
    page.get_by_text("Source", exact=True).click()
    page.wait_for_function("location.search.includes('color=Source')")
    page.wait_for_function(f"location.search.includes('{said}')")
    assert drawn.view() == view
    page.reload()
    wait_idle(page)
    drawn.ready()
    expect(page.get_by_role("radio", name="Source")).to_be_checked()
    assert drawn.view() == pytest.approx(view, abs=2e-3)
    # A link that was sent.
    other = visit(f"&{said}")
    assert MapOnPage(other).ready().view() == pytest.approx(view, abs=2e-3)
    page.bring_to_front()
    drawn.act("fit")
    page.wait_for_function(f"!{SAYS_VIEW}")
    assert drawn.view() == pytest.approx(home, abs=1e-4)


def test_a_damaged_view_is_ignored_and_taken_away(visit):
    page = visit("&view=%3Cb%3E_1_2")
    drawn = MapOnPage(page).ready()
    page.wait_for_function(f"!{SAYS_VIEW}")
    assert drawn.view()[2] == pytest.approx(1, abs=1e-3)
    script = (ROOT / "assets" / "pointmap" / "address.js").read_text().replace("export ", "")

    def read(said):
        code = f"{script}; return Address.read();"
        return page.evaluate(
            "([code, search]) => new Function('location', code)({ search })", [code, said]
        )

    assert read("?a=1&view=0.25_-0.5_12.5") == {"x": 0.25, "y": -0.5, "zoom": 12.5}
    for said in ("", "0.5", "0.5_0.5", "0.5_0.5_0", "9_9_9", "NaN_0_2", "0.5_0.5_1e9", "1_1_1_1"):
        assert read(f"?view={said}") is None, said


def test_undo_by_keyboard_in_a_field_takes_back_no_decision(visit, mapped_root):
    project = Project.open(mapped_root)
    for rows in (np.arange(10), np.arange(10, 15)):
        decide(project, 240, "drop", rows, "a test")
    page = visit()
    MapOnPage(page).ready()
    expect(page.get_by_text("kept 225 of 240")).to_be_visible()
    field = page.get_by_placeholder('A word, or "a phrase"')
    field.click()
    page.keyboard.type("galaxy")
    expect(field).to_have_value("galaxy")
    page.keyboard.press("Control+z")
    expect(field).not_to_have_value("galaxy")
    page.get_by_text("kept 225 of 240").click()
    page.keyboard.press("Control+z")
    # One of the two decisions, not both.
    expect(page.get_by_text("kept 230 of 240")).to_be_visible()
    # Its key is known once its button is there.
    expect(page.get_by_role("button", name="Redo Shortcut")).to_be_enabled()
    wait_idle(page)
    page.keyboard.press("Control+Shift+z")
    expect(page.get_by_text("kept 225 of 240")).to_be_visible()


def test_back_and_forward_show_what_was_shown(visit):
    page = visit()
    drawn = MapOnPage(page).ready()
    before = page.evaluate("history.length")

    def count(shown):
        wait_idle(page)
        expect(page.get_by_text(shown).first).to_be_visible()
        wait_idle(page)

    drawn.tool("lasso")
    drawn.drag((0.02, 0.1), (0.98, 0.1), (0.98, 0.98), (0.02, 0.98), (0.02, 0.1))
    page.get_by_text("rows selected").wait_for()
    many = page.get_by_text("rows selected").inner_text()
    count(many)
    page.mouse.move(*drawn.at(0.5, 0.5))
    page.mouse.wheel(0, -500)
    page.wait_for_function(SAYS_VIEW)
    closer = drawn.view()
    page.get_by_text("Source", exact=True).click()
    page.wait_for_function("location.search.includes('color=Source')")
    wait_idle(page)
    page.get_by_role("button", name="close icon").click()
    count("Nothing selected")
    # One entry for each thing that was done, not for each part of the address.
    assert page.evaluate("history.length") == before + 3
    page.get_by_role("link", name="Pool").click()
    expect(page.get_by_text("Exact duplicates")).to_be_visible()
    wait_idle(page)

    page.go_back()
    count("Nothing selected")
    page.go_back()
    count(many)
    expect(page.get_by_role("radio", name="Source")).to_be_checked()
    page.go_back()
    page.wait_for_function("!location.search.includes('color=')")
    count(many)
    expect(page.get_by_role("radio", name="Cluster", exact=True)).to_be_checked()
    assert drawn.view() == pytest.approx(closer, abs=2e-3)
    page.go_back()
    count("Nothing selected")
    page.wait_for_function(f"!{SAYS_VIEW}")
    assert drawn.view()[2] == pytest.approx(1, abs=1e-3)
    page.go_forward()
    count(many)
    assert drawn.view() == pytest.approx(closer, abs=2e-3)


def test_back_leaves_a_page_whose_settings_were_changed(visit):
    page = visit()
    MapOnPage(page).ready()
    page.get_by_role("link", name="Select").click()
    page.wait_for_url("**/select?*")
    expect(page.get_by_role("button", name="Save run")).to_be_visible()
    wait_idle(page)
    length = page.evaluate("history.length")
    # The handle on the curve is a slider, too.
    page.get_by_role("slider", name="Selection ratio").press("ArrowRight")
    page.wait_for_function("location.search.includes('ratio=')")
    assert page.evaluate("history.length") == length
    page.go_back()
    MapOnPage(page).ready()
    assert "/map?" in page.url


def test_all_panels_can_be_reached_in_a_small_window(serve, open_page, mapped_root):
    server = serve(APP, env={"WINNOW_PROJECTS": str(mapped_root.parent)})
    page = open_page(f"{server.url}/map?project=planted&panel=History", width=1024, height=768)
    MapOnPage(page).ready()
    tabs = page.locator(".st-key-map-panel button")
    expect(tabs).to_have_count(5)
    for place in range(5):
        expect(tabs.nth(place)).to_be_in_viewport(ratio=1)


def test_the_map_stays_in_sight_beside_a_long_panel(serve, open_page, mapped_root):
    server = serve(APP, env={"WINNOW_PROJECTS": str(mapped_root.parent)})
    page = open_page(f"{server.url}/map?project=planted&panel=Filters", height=500)
    MapOnPage(page).ready()
    canvas = page.locator(".st-key-map-canvas")
    before = canvas.bounding_box()["y"]
    page.locator(".stMain").evaluate("main => main.scrollTo(0, 90)")
    page.wait_for_function("document.querySelector('.stMain').scrollTop === 90")
    assert before - 90 < canvas.bounding_box()["y"] == 60
