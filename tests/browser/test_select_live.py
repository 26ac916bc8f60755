"""The Select page by hand: a key on a slider moves the numbers, the curve and the lit rows."""

import re

import pytest
from driver import APP, MapOnPage, wait_idle
from playwright.sync_api import expect

from core.project import Project
from core.runs import list_runs

MINUTE = 60_000


@pytest.fixture
def coordinates(mapped_root):
    """What the planted map's points are on the wire."""
    import json

    from core.coloring import by_number
    from core.layout import load_layout
    from core.mappack import PREAMBLE, pack
    from core.mapplaces import display_points

    points = display_points(load_layout(Project.open(mapped_root)))
    payload = pack(points, by_number(points[:, 0]))
    start = PREAMBLE.size + PREAMBLE.unpack_from(payload)[3]
    xy = json.loads(payload[PREAMBLE.size : start])["sections"][0]
    return payload[start + xy["offset"] :][: xy["bytes"]]


def test_a_slider_moves_the_selection_and_sends_no_coordinates(
    serve, open_page, mapped_root, coordinates
):
    # So that Streamlit keeps even this small map in the browser.
    env = {
        "WINNOW_PROJECTS": str(mapped_root.parent),
        "STREAMLIT_GLOBAL_MIN_CACHED_MESSAGE_SIZE": "100",
    }
    frames = []

    def received(frame):
        frames.append(frame.encode() if isinstance(frame, str) else frame)

    server = serve(APP, env=env)
    page = open_page(f"{server.url}/select?project=planted")
    page.on("websocket", lambda socket: socket.on("framereceived", received))
    page.reload()
    drawn = MapOnPage(page).ready()
    expect(page.get_by_role("button", name="Lasso")).to_be_hidden()  # this map is to be looked at
    reach = page.get_by_text(re.compile(r"reaches [\d,]+|[\d,]+ rows are in reach for"))
    expect(reach).to_be_visible(timeout=MINUTE)
    curve = page.locator(".tradeoff svg")
    expect(curve.locator("polyline")).to_have_count(3, timeout=MINUTE)
    wait_idle(page)
    assert any(coordinates in frame for frame in frames)

    before = reach.inner_text()
    uploads, view = drawn.data("uploads"), drawn.view()
    frames.clear()
    slider = page.get_by_role("slider", name=re.compile(r"^Diversity weight(?!,)"))
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(reach).not_to_have_text(before)
    wait_idle(page)
    expect(drawn.root).not_to_have_attribute("data-uploads", uploads)
    assert drawn.view() == view
    assert frames and not any(coordinates in frame for frame in frames)

    handle = page.get_by_role("slider", name=re.compile("on the trade-off curve"))
    assert handle.get_attribute("aria-valuenow") == slider.input_value()
    box = curve.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.5 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], middle, steps=4)
    page.mouse.up()
    dragged = float(handle.get_attribute("aria-valuenow"))
    assert 0.55 < dragged < 0.85
    expect(slider).to_have_value(f"{dragged:g}")
    page.wait_for_url(re.compile(f"diversity.weight={dragged:g}"))
    wait_idle(page)
    uploads = drawn.data("uploads")
    handle.press("Home")
    expect(slider).to_have_value("0")
    expect(drawn.root).not_to_have_attribute("data-uploads", uploads)
    assert not any(coordinates in frame for frame in frames)


def test_what_the_handle_shows_is_kept_and_saved(serve, open_page, mapped_root):
    server = serve(APP, env={"WINNOW_PROJECTS": str(mapped_root.parent)})
    page = open_page(f"{server.url}/select?project=planted")
    drawn = MapOnPage(page).ready()
    handle = page.get_by_role("slider", name=re.compile("on the trade-off curve"))
    expect(handle).to_be_visible(timeout=MINUTE)
    wait_idle(page)
    slider = page.get_by_role("slider", name=re.compile(r"^Diversity weight(?!,)"))
    # For longer than the page takes to look at other windows, of which each look says where the
    # slider stands by then: it only follows when the hand rests.
    for _ in range(14):
        handle.press("ArrowRight")
        page.wait_for_timeout(150)
    moved = handle.get_attribute("aria-valuenow")
    expect(slider).to_have_value(moved)
    wait_idle(page)
    assert handle.get_attribute("aria-valuenow") == moved

    # What the handle lit is what is saved, though the page has not followed.
    uploads = drawn.data("uploads")
    handle.press("PageUp")
    expect(drawn.root).not_to_have_attribute("data-uploads", uploads)
    expect(handle).to_have_attribute("aria-valuetext", re.compile("^(?!.*about)"))  # worked out
    page.get_by_role("button", name="Save run").click()
    expect(page.get_by_text(re.compile("^Saved as"))).to_be_visible()
    expect(page.get_by_role("button", name="Save run")).to_be_hidden()  # the saved run is shown
    (run,) = list_runs(Project.open(mapped_root))
    asked = float(handle.get_attribute("aria-valuenow"))
    assert asked == pytest.approx(float(moved) + 0.1)
    assert run.report.settings["diversity_weight"] == pytest.approx(asked)


def test_settings_outlive_another_page_and_a_reload(serve, open_page, mapped_root):
    server = serve(APP, env={"WINNOW_PROJECTS": str(mapped_root.parent)})
    page = open_page(f"{server.url}/select?project=planted&method=random")
    ratio = page.get_by_test_id("stSliderThumbValue").first
    page.get_by_role("slider", name=re.compile("Selection ratio")).press("ArrowRight")
    expect(ratio).to_have_text("5.1 %")
    page.wait_for_url(re.compile("ratio=0.051"))
    page.get_by_role("link", name="Export").click()
    expect(page.get_by_text("No run yet")).to_be_visible()
    wait_idle(page)
    page.get_by_role("link", name="Select", exact=True).click()
    expect(ratio).to_have_text("5.1 %")
    page.wait_for_url(re.compile("ratio=0.051"))
    page.reload()
    expect(ratio).to_have_text("5.1 %")


def test_a_row_stays_open_while_the_page_follows_the_handle(serve, open_page, mapped_root):
    server = serve(APP, env={"WINNOW_PROJECTS": str(mapped_root.parent)})
    page = open_page(f"{server.url}/select?project=planted")
    drawn = MapOnPage(page).ready()
    handle = page.get_by_role("slider", name=re.compile("on the trade-off curve"))
    expect(handle).to_be_visible(timeout=MINUTE)
    wait_idle(page)
    for x, y in [(x / 40, y / 30) for y in range(3, 27) for x in range(3, 37)]:
        page.mouse.move(*drawn.at(x, y))
        if drawn.stage.get_attribute("data-cursor") == "point":
            break
    handle.press("ArrowRight")
    moved = handle.get_attribute("aria-valuenow")
    page.mouse.click(*drawn.at(x, y))
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(re.compile(r"^row \d+$"))).to_be_visible()
    page.wait_for_url(re.compile(f"diversity.weight={moved}"))
    wait_idle(page)
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    wait_idle(page)
    handle.press("ArrowRight")
    expect(handle).not_to_have_attribute("aria-valuenow", moved)
    wait_idle(page)
    expect(dialog).to_be_hidden()
