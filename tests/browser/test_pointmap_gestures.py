"""Gestures on the map component, by mouse, touch and keyboard."""

import numpy as np
import pytest
from driver import ROOT, MapOnPage, echo, wait_echo, wait_idle
from playwright.sync_api import expect
from pointmaps import ALL, LEFT, SHADOW, N, isolated_point


def test_lasso_replaces_adds_and_takes_away(page, chart):
    chart.tool("lasso")
    chart.drag(*ALL)
    said = wait_echo(page, selected=N)
    assert said["kind"] == "lasso"
    assert 3 <= said["vertices"] <= 256
    chart.drag(*LEFT)
    left = wait_echo(page, events=2)["selected"]
    assert 0 < left < N
    chart.drag(*ALL, hold="Shift")
    wait_echo(page, events=3, selected=N, op="add")
    chart.drag(*LEFT, hold="Alt")
    wait_echo(page, events=4, selected=N - left, op="subtract")


def test_a_loop_is_thinned_to_few_vertices_and_keeps_its_shape(page, chart):
    script = (ROOT / "assets" / "pointmap" / "polygon.js").read_text().replace("export ", "")
    rng = np.random.default_rng(0)
    turn = np.linspace(0, 2 * np.pi, 2000)
    circle = np.stack([300 + 200 * np.cos(turn), 300 + 200 * np.sin(turn)], 1)
    smooth, scribble = (
        np.array(page.evaluate(f"path => {{ {script}; return thin(path, 256); }}", path.tolist()))
        for path in (circle, rng.uniform(0, 900, (3000, 2)))
    )
    assert 12 < len(smooth) < 80
    assert np.abs(np.linalg.norm(smooth - 300, axis=1) - 200).max() < 1e-6
    assert len(scribble) == 256
    assert np.ptp(scribble, axis=0).min() > 800


def test_a_loop_without_area_is_told(page, chart):
    chart.tool("lasso")
    chart.drag((0.2, 0.5), (0.4, 0.5), (0.6, 0.5))
    expect(chart.root.locator(".tip")).to_contain_text("Nothing lies within a line")
    assert "events" not in echo(page) or not echo(page)["events"]
    page.mouse.move(*chart.at(0.02, 0.9))
    expect(chart.root.locator(".tip")).to_be_hidden()


def test_box(page, chart):
    chart.tool("box")
    chart.drag((0.02, 0.058), (0.98, 0.98))
    said = wait_echo(page, selected=N)
    assert (said["kind"], said["vertices"]) == ("box", 4)


def test_holding_shift_draws_a_lasso_while_the_tool_is_pan(page, chart):
    before = chart.view()
    chart.drag(*ALL, hold="Shift")
    assert wait_echo(page, selected=N)["op"] == "add"
    assert chart.view() == before


def test_escape_stops_a_loop_and_clears_a_selection(page, chart):
    chart.tool("lasso")
    page.mouse.move(*chart.at(0.2, 0.2))
    page.mouse.down()
    for place in [(0.8, 0.2), (0.8, 0.8), (0.2, 0.8)]:
        page.mouse.move(*chart.at(*place), steps=4)
    page.keyboard.press("Escape")
    page.mouse.up()
    chart.drag(*ALL)
    wait_echo(page, events=1, selected=N)
    page.keyboard.press("Escape")
    wait_echo(page, events=2, selected=0, kind="clear")
    # Nothing is left to clear: no message.
    page.keyboard.press("Escape")
    page.wait_for_timeout(300)
    assert echo(page)["events"] == 2


def test_a_click_on_a_point_picks_its_row_and_one_on_nothing_does_not(page, chart):
    chart.tool("lasso")
    page.mouse.click(*chart.at(0.004, 0.99))
    where, row = isolated_point(chart)
    page.mouse.click(*where)
    assert wait_echo(page, events=1, kind="row")["row"] == row


def test_a_click_on_a_title_selects_its_cluster_and_goes_there(page, chart):
    title = chart.root.locator(".title.shown").first
    box = title.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    said = wait_echo(page, events=1, kind="cluster")
    assert 0 < said["selected"] < N
    chart.settle()
    assert chart.view()[2] > 1.2


def test_pan_zoom_and_fit_by_mouse_and_buttons_send_nothing(page, chart):
    home = chart.view()
    chart.drag((0.4, 0.5), (0.6, 0.6))
    chart.settle()
    moved = chart.view()
    assert moved[0] < home[0] and moved[1] > home[1]
    page.mouse.move(*chart.at(0.25, 0.5))
    page.mouse.wheel(0, -400)
    chart.settle()
    assert chart.view()[2] > 1.3
    chart.act("in")
    chart.settle()
    closer = chart.view()[2]
    chart.act("out")
    chart.act("out")
    chart.settle()
    assert chart.view()[2] < closer
    chart.act("fit")
    chart.settle()
    assert chart.view() == pytest.approx(home, abs=1e-4)
    assert echo(page)["events"] == 0


def test_scrolling_that_began_beside_the_map_does_not_zoom_it(page, chart):
    home = chart.view()
    chart.root.evaluate(
        """root => {
            const stage = root.querySelector(".stage");
            const turn = (on) => on.dispatchEvent(
                new WheelEvent("wheel", {deltaY: -300, bubbles: true, composed: true}));
            turn(document.body);
            turn(stage);
        }"""
    )
    chart.settle()
    assert chart.view() == home
    page.wait_for_timeout(300)
    page.mouse.move(*chart.at(0.5, 0.5))
    page.mouse.wheel(0, -300)
    chart.settle()
    assert chart.view()[2] > home[2]


def test_the_place_under_the_pointer_stays_while_zooming(page, chart):
    home = chart.view()
    where, row = isolated_point(chart)
    page.mouse.move(*where)
    for _ in range(6):
        page.mouse.wheel(0, -200)
    chart.settle()
    assert chart.view()[2] > 5
    page.mouse.move(where[0] + 1, where[1])
    chart.root.locator(".tip").wait_for()
    assert f"row {row:,}" in chart.root.locator(".tip").inner_text()
    for _ in range(6):
        page.mouse.wheel(0, 200)
    chart.settle()
    assert chart.view() == pytest.approx(home, abs=1e-3)


def test_pinch_zooms(open_page, map_url):
    page = open_page(map_url, has_touch=True)
    chart = MapOnPage(page).ready()
    cdp = page.context.new_cdp_session(page)

    def touch(kind, *places):
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", chart.at(0.45, 0.5))
    touch("touchStart", chart.at(0.45, 0.5), chart.at(0.55, 0.5))
    for step in range(1, 7):
        touch("touchMove", chart.at(0.45 - 0.03 * step, 0.5), chart.at(0.55 + 0.03 * step, 0.5))
    touch("touchEnd")
    chart.settle()
    assert chart.view()[2] > 2
    assert echo(page)["events"] == 0


def test_everything_by_keyboard(page, chart):
    home = chart.view()
    chart.stage.focus()
    page.keyboard.press("ArrowRight")
    chart.settle()
    assert chart.view()[0] > home[0]
    for _ in range(3):
        page.keyboard.press("+")
    chart.settle()
    assert chart.view()[2] > 2
    page.keyboard.press("-")
    page.keyboard.press("f")
    chart.settle()
    assert chart.view() == pytest.approx(home, abs=1e-4)
    for key, tool in [("l", "lasso"), ("b", "box"), ("p", "pan")]:
        page.keyboard.press(key)
        pressed = chart.root.locator('button[aria-pressed="true"]')
        assert pressed.get_attribute("data-tool") == tool
    page.keyboard.press("Tab")
    focused = page.evaluate(f"{SHADOW}.activeElement.getAttribute('aria-label')")
    assert focused.startswith("Pan")
    names = chart.root.locator("button").evaluate_all(
        "buttons => buttons.map((button) => button.getAttribute('aria-label'))"
    )
    assert all(names)


def test_the_outline_goes_once_the_server_has_marked_the_rows(page, chart):
    chart.tool("lasso")
    chart.drag(*LEFT)
    wait_echo(page, events=1)
    assert chart.root.locator(".ink").is_visible()
    page.get_by_text("selection", exact=True).click()
    chart.root.locator(".ink").wait_for(state="hidden")
    # Marked rows can be cleared from the map as well.
    chart.stage.focus()
    page.keyboard.press("Escape")
    wait_echo(page, events=2, selected=0)


def test_full_screen_by_button_and_key_and_escape_leaves_it(page, chart):
    window = {"x": 0, "y": 0, "width": 1400, "height": 900}

    def full(is_full):
        pressed = str(is_full).lower()
        chart.root.locator(f'[data-act="full"][aria-pressed="{pressed}"]').wait_for()
        chart.settle()
        canvas = chart.root.locator(".points").evaluate("canvas => [canvas.width, canvas.height]")
        box = chart.stage.bounding_box()
        assert canvas == [round(box["width"]), round(box["height"])]
        return box

    small = chart.stage.bounding_box()
    chart.act("full")
    assert full(True) == window
    chart.tool("lasso")
    chart.drag(*ALL)
    wait_echo(page, selected=N)
    page.keyboard.press("Escape")
    assert full(False) == small
    page.keyboard.press("m")
    assert full(True) == window
    page.keyboard.press("m")
    assert full(False) == small
    assert echo(page)["selected"] == N


def test_on_full_screen_it_says_how_many_are_selected_and_clears_them(page, chart):
    page.get_by_text("selection", exact=True).click()
    wait_idle(page)
    chip = chart.root.locator(".chip")
    chart.tool("lasso")
    chart.drag(*ALL)
    said = f"{wait_echo(page, events=1)['selected']:,} selectedDrop"
    wait_idle(page)
    expect(chip).to_be_hidden()  # the page says it
    chart.act("full")
    expect(chip).to_have_text(said)
    chart.act("clear")
    wait_echo(page, events=2, kind="clear", selected=0)
    expect(chip).to_be_hidden()
    chart.settle()
    chart.drag(*ALL)
    expect(chip).to_be_visible()
    page.keyboard.press("Delete")
    wait_echo(page, events=4, kind="clear", selected=0)
    chart.settle()
    chart.drag(*ALL)
    chart.act("drop")
    wait_echo(page, events=6, kind="drop", selected=0)
    expect(chip).to_be_hidden()
    assert chart.root.locator('[data-act="full"][aria-pressed="true"]').count() == 1
