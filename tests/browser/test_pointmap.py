"""The map component in a real browser: every gesture, both themes, with and without WebGL."""

import io
from pathlib import Path

import numpy as np
import pytest
from apps import planted
from driver import ROOT, MapOnPage, echo, wait_echo, wait_idle
from PIL import Image
from playwright.sync_api import expect

from core.mapsections import golden_stride

APP = Path(__file__).parent / "apps" / "map_app.py"
N = 3000
NO_WEBGL = """
const original = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith("webgl") ? null : original.call(this, kind, ...rest);
};
"""
ALL = [(0.01, 0.058), (0.99, 0.058), (0.99, 0.99), (0.01, 0.99), (0.01, 0.058)]
LEFT = [(0.01, 0.058), (0.5, 0.058), (0.5, 0.99), (0.01, 0.99), (0.01, 0.058)]
SHADOW = 'document.querySelector("[data-testid=stBidiComponentIsolated]").shadowRoot'


@pytest.fixture(scope="module")
def url(serve):
    return serve(APP).url


@pytest.fixture
def page(open_page, url):
    return open_page(url)


@pytest.fixture
def chart(page):
    return MapOnPage(page).ready()


def test_first_frame_by_webgl_with_all_points_and_a_name_for_those_who_cannot_see(page, chart):
    assert chart.data("renderer") == "webgl"
    assert int(chart.data("points")) == N
    assert chart.view()[2] == pytest.approx(1, abs=1e-3)
    label = f"Map of {N:,} rows in 12 clusters."
    assert chart.root.locator(".points").get_attribute("aria-label") == label
    assert chart.stage.get_attribute("aria-label").startswith(label)
    assert echo(page)["events"] == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_points_are_on_the_picture_in_both_themes(open_page, url, theme):
    page = open_page(url, theme=theme)
    chart = MapOnPage(page).ready()
    picture = _pixels(page, chart)
    page_color = np.array([255, 255, 255] if theme == "light" else [15, 19, 26])
    painted = (np.abs(picture - page_color).max(-1) > 40).mean()
    assert 0.005 < painted < 0.5
    # Many hues, not one: saturated pixels of at least four of six sectors of the colour wheel.
    red, green, blue = (picture[..., channel].astype(float) for channel in range(3))
    hue = np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)) % 360
    vivid = picture.max(-1) - picture.min(-1) > 80
    assert len(np.unique(hue[vivid] // 60)) >= 4


def _pixels(page, chart):
    return np.array(Image.open(io.BytesIO(chart.stage.screenshot())).convert("RGB"))[60:].astype(
        int
    )


def test_it_follows_the_theme_and_keeps_the_view(page, chart):
    page.mouse.move(*chart.at(0.3, 0.4))
    page.mouse.wheel(0, -500)
    chart.settle()
    view, uploads = chart.view(), chart.data("uploads")
    assert np.median(_pixels(page, chart)) > 240
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(800)
    assert np.median(_pixels(page, chart)) < 40
    assert (chart.view(), chart.data("uploads")) == (view, uploads)


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
    where, row = _an_isolated_point(chart)
    page.mouse.click(*where)
    assert wait_echo(page, events=1, kind="row")["row"] == row


def _an_isolated_point(chart):
    """Screen place of a row's point with no other near, found from the data, not the picture."""
    points = planted.world(N, 12)[0]
    box = chart.stage.bounding_box()
    low, span = points.min(0), np.ptp(points, axis=0).max()
    x, y, _ = chart.view()
    unit = (points - low) / span
    extent = np.ptp(points, axis=0) / span
    scale = min((box["width"] - 96) / extent[0], (box["height"] - 94) / extent[1])
    screen = np.stack(
        [(unit[:, 0] - x) * scale + box["width"] / 2, (y - unit[:, 1]) * scale + box["height"] / 2],
        1,
    )
    inside = ((screen > [20, 70]) & (screen < [box["width"] - 20, box["height"] - 60])).all(1)
    for row in np.flatnonzero(inside):
        away = np.linalg.norm(screen - screen[row], axis=1)
        away[row] = np.inf
        if away.min() > 30 and not chart.root.evaluate(_TITLE_AT, screen[row].tolist()):
            return (box["x"] + float(screen[row, 0]), box["y"] + float(screen[row, 1])), int(row)
    raise AssertionError("no isolated point")


_TITLE_AT = """(root, [x, y]) => {
  const box = root.getBoundingClientRect();
  return [...root.querySelectorAll(".title.shown")].some((title) => {
    const r = title.getBoundingClientRect();
    const [px, py] = [x + box.left, y + box.top];
    return px > r.left - 9 && px < r.right + 9 && py > r.top - 9 && py < r.bottom + 9;
  });
}"""


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
    where, row = _an_isolated_point(chart)
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


def test_pinch_zooms(open_page, url):
    page = open_page(url, has_touch=True)
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


def test_titles_do_not_overlap_and_more_appear_as_one_zooms_in(open_page, serve):
    page = open_page(serve(APP, env={"MAP_CLUSTERS": "120"}).url)
    chart = MapOnPage(page).ready()

    def shown():
        page.wait_for_timeout(300)
        boxes = chart.root.evaluate(
            """root => [...root.querySelectorAll(".title.shown")].map((title) => {
                const r = title.getBoundingClientRect();
                return [r.left, r.top, r.right, r.bottom];
            })"""
        )
        for number, (left, top, right, bottom) in enumerate(boxes):
            for other in boxes[:number]:
                apart = (
                    left >= other[2] or right <= other[0] or top >= other[3] or bottom <= other[1]
                )
                assert apart
        return len(boxes)

    counts = [shown()]
    for _ in range(3):
        chart.act("in")
        chart.settle()
        counts.append(shown())
    assert counts[0] >= 10
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


SHOWN = """root => [...root.querySelectorAll(".title.shown")].map((title) => {
  const { left, top, right, bottom } = title.getBoundingClientRect();
  return { text: title.textContent, coarse: title.classList.contains("coarse"),
           box: [left, top, right, bottom] };
})"""


def test_coarse_titles_far_away_fine_ones_closer_and_never_both(open_page, serve):
    page = open_page(serve(APP, env={"MAP_CLUSTERS": "240", "MAP_GROUPS": "9"}).url)
    chart = MapOnPage(page).ready()
    # Every frame on the way, not only what is seen at rest.
    chart.root.evaluate(
        """root => {
            globalThis.levels = [];
            new MutationObserver(() => {
                const shown = [...root.querySelectorAll(".title.shown")];
                const coarse = shown.filter((title) => title.classList.contains("coarse")).length;
                const level = !coarse ? "fine" : coarse === shown.length ? "coarse" : "both";
                if (levels.at(-1) !== level) levels.push(level);
            }).observe(root, { attributes: true, attributeFilter: ["data-view"] });
        }"""
    )
    chart.root.locator(".title.coarse.shown").first.wait_for()
    far = chart.root.evaluate(SHOWN)
    assert 3 < len(far) <= 9 and all(title["coarse"] for title in far)
    for number, one in enumerate(far):
        for other in far[:number]:
            (left, top, right, bottom), (x0, y0, x1, y1) = one["box"], other["box"]
            assert left >= x1 or right <= x0 or top >= y1 or bottom <= y0
    for _ in range(6):
        chart.act("in")
        chart.settle()
    near = chart.root.evaluate(SHOWN)
    assert len(near) > len(far) and not any(title["coarse"] for title in near)
    chart.act("fit")
    chart.root.locator(".title.coarse.shown").first.wait_for()
    assert page.evaluate("levels") == ["coarse", "fine", "coarse"]
    chart.settle()
    left, top, right, bottom = far[0]["box"]
    page.mouse.click((left + right) / 2, (top + bottom) / 2)
    _, labels, _ = planted.world(N, 240)
    group = int(far[0]["text"].split()[1])
    wait_echo(page, events=1, kind="group", selected=int((labels % 9 == group).sum()))


def test_a_rerun_keeps_the_view_and_uploads_nothing(page, chart):
    page.mouse.move(*chart.at(0.3, 0.4))
    page.mouse.wheel(0, -500)
    chart.settle()
    view, uploads = chart.view(), chart.data("uploads")
    page.get_by_role("button", name="Re-run").click()
    page.wait_for_timeout(500)
    wait_idle(page)
    assert chart.view() == view
    assert chart.data("uploads") == uploads


def test_a_new_colour_keeps_the_view_and_uploads_one_array(page, chart):
    page.mouse.move(*chart.at(0.3, 0.4))
    page.mouse.wheel(0, -500)
    chart.settle()
    view, uploads = chart.view(), int(chart.data("uploads"))
    page.get_by_text("length", exact=True).click()
    chart.root.locator(".legend .ramp").wait_for()
    assert chart.view() == view
    assert int(chart.data("uploads")) == uploads + 1
    assert "length" in chart.root.locator(".legend").inner_text()
    # What a map has already it needs no more from the messages of others.
    page.evaluate("winnowSections.clear()")
    page.get_by_text("run", exact=True).click()
    chart.root.locator(".legend", has_text="chosen").wait_for()


def test_the_legend_names_the_largest_categories_and_counts_the_rest(page, chart):
    assert chart.root.locator(".legend").is_hidden()
    page.get_by_text("source", exact=True).click()
    chart.root.locator(".legend .entry").first.wait_for()
    counts = chart.root.locator(".legend .count").all_inner_texts()
    assert len(counts) == 9
    assert sum(int(count.replace(",", "")) for count in counts) == N


def test_lit_rows_are_on_top_with_their_legend_and_targets(page, chart):
    before = _pixels(page, chart)
    page.get_by_text("run", exact=True).click()
    chart.root.locator(".legend", has_text="chosen").wait_for()
    assert "targets" in chart.root.locator(".legend").inner_text()
    page.wait_for_timeout(200)
    after = _pixels(page, chart)[:-160, :-260]
    vivid = after.max(-1) - after.min(-1) > 90
    orange = vivid & (after[..., 0] > after[..., 1]) & (after[..., 1] > after[..., 2])
    assert orange.sum() > 100
    # What is not lit is grey: apart from titles and outlines, only the accent has a hue.
    assert (vivid & ~orange).mean() < 0.2 * (before.max(-1) - before.min(-1) > 90).mean()


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


def test_hovering_a_point_names_it_and_is_no_gesture(page, chart):
    where, row = _an_isolated_point(chart)
    page.mouse.move(*where)
    tip = chart.root.locator(".tip")
    tip.wait_for()
    assert f"row {row:,}" in tip.inner_text()
    page.mouse.move(*chart.at(0.004, 0.99))
    tip.wait_for(state="hidden")
    assert echo(page)["events"] == 0


def _listen(page):
    """Count in the page what the map asks for; returns a function that reads it."""
    page.evaluate(
        "() => { globalThis.asks = [];"
        " addEventListener('winnow-asked', (event) => asks.push(event.detail)); }"
    )
    return lambda: page.evaluate("asks")


def test_resting_on_a_point_brings_its_first_line_and_runs_nothing_else(page, chart):
    where, row = _an_isolated_point(chart)
    asks, received = _listen(page), []
    cdp = page.context.new_cdp_session(page)
    cdp.send("Network.enable")
    cdp.on(
        "Network.webSocketFrameReceived",
        lambda frame: received.append(len(frame["response"]["payloadData"])),
    )
    before, uploads, view = echo(page), chart.data("uploads"), chart.view()
    page.mouse.move(*where)
    line = chart.root.locator(".tip .line")
    line.wait_for()
    said = line.inner_text()
    assert said.startswith(f"<b>row {row}</b> and so on")  # as text, not as HTML
    assert len(said) == 140 and said.endswith("…")
    wait_idle(page)
    assert [ask["row"] for ask in asks()] == [row]
    assert sum(received) < 20_000
    assert (echo(page), chart.data("uploads"), chart.view()) == (before, uploads, view)
    # Known texts are not asked for again, and what comes late for another row is dropped.
    page.mouse.move(*chart.at(0.004, 0.99))
    chart.root.locator(".tip").wait_for(state="hidden")
    page.mouse.move(*where)
    line.wait_for()
    page.evaluate(
        "detail => dispatchEvent(new CustomEvent('winnow-answered', { detail }))",
        {**asks()[0], "row": row + 1, "text": "late"},
    )
    page.wait_for_timeout(250)
    assert line.inner_text() == said
    page.get_by_role("button", name="Re-run").click()
    assert wait_echo(page, runs=before["runs"] + 1)["asked"] == [row]


def test_moving_fast_and_dragging_ask_for_nothing(page, chart):
    asks = _listen(page)
    (x, y), _ = _an_isolated_point(chart)
    chart.root.evaluate(
        """root => {
            const stage = root.querySelector(".stage");
            const { left, top, width, height } = stage.getBoundingClientRect();
            for (let i = 0; i <= 300; i++) stage.dispatchEvent(new PointerEvent("pointermove", {
                clientX: left + (0.2 + 0.002 * i) * width,
                clientY: top + (0.35 + 0.001 * i) * height,
            }));
            stage.dispatchEvent(new PointerEvent("pointerleave"));
        }"""
    )
    chart.tool("lasso")
    page.mouse.move(*chart.at(0.004, 0.99))
    page.mouse.down()
    page.mouse.move(x + 40, y + 40)
    page.mouse.move(x, y)
    page.wait_for_timeout(350)
    assert chart.root.locator(".tip").is_hidden()
    page.mouse.up()
    assert asks() == []


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


def test_a_saved_picture_is_what_is_seen(open_page, url, tmp_path):
    page = open_page(url, theme="dark", device_scale_factor=2, width=800, height=500)
    chart = MapOnPage(page).ready()
    page.get_by_text("source", exact=True).click()
    chart.root.locator(".legend .entry").first.wait_for()
    wait_idle(page)
    # On full screen no pixel of it lies between two of the screen's.
    chart.act("full")
    chart.root.locator('[data-act="full"][aria-pressed="true"]').wait_for()
    chart.settle()
    with page.expect_download() as saving:
        chart.act("save")
    page.mouse.move(5, 495)
    page.wait_for_timeout(300)
    seen = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    assert saving.value.suggested_filename == "3-000-rows-12-clusters.png"
    saving.value.save_as(tmp_path / "map.png")
    saved = Image.open(tmp_path / "map.png").convert("RGB")
    assert saved.size == seen.size == (1600, 1000)
    below = [np.asarray(image, float)[100:] for image in (seen, saved)]  # no toolbar
    # Letters may be off by a shade or a pixel: means of small squares tell what is missing.
    cell = 10
    down, across = (size // cell for size in below[0].shape[:2])
    shape = (down, cell, across, cell, 3)
    coarse = [part[: down * cell, : across * cell].reshape(shape).mean((1, 3)) for part in below]
    ink = np.abs(coarse[0] - np.median(coarse[0], (0, 1))).max(-1) > 40
    apart = np.abs(coarse[0] - coarse[1]).max(-1) > 40
    assert ink.sum() > 500
    assert apart.sum() < 0.02 * ink.sum()


def test_a_saved_picture_says_what_it_is_and_has_no_handles(page, chart, tmp_path):
    page.get_by_text("length", exact=True).click()
    handle = chart.root.locator(".handle").first
    handle.wait_for()
    wait_idle(page)
    with page.expect_download() as saving:
        chart.act("save")
    saving.value.save_as(tmp_path / "map.png")
    saved = np.asarray(Image.open(tmp_path / "map.png").convert("RGB"), int)
    at, around = handle.bounding_box(), chart.stage.bounding_box()
    left, top = round(at["x"] - around["x"]), round(at["y"] - around["y"])
    strip = saved[top + 1 : top + 3, left : left + 6]
    assert np.abs(strip - strip[0, 0]).max() < 12
    corner = saved[12:34, 12:150]
    assert (corner.max(-1) < 120).sum() > 100
    assert chart.root.locator(".heading").is_hidden()


def test_on_full_screen_it_says_how_many_are_selected_and_clears_them(page, chart):
    page.get_by_text("selection", exact=True).click()
    wait_idle(page)
    chip = chart.root.locator(".chip")
    chart.tool("lasso")
    chart.drag(*ALL)
    said = f"{wait_echo(page, events=1)['selected']:,} selected"
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
    assert chart.root.locator('[data-act="full"][aria-pressed="true"]').count() == 1


def test_the_open_row_has_a_ring(open_page, url):
    page = open_page(url)
    chart = MapOnPage(page).ready()
    (x, y), row = _an_isolated_point(chart)
    assert chart.root.locator(".ink").is_hidden()
    beside = open_page(f"{url}/?opened={row}")
    marked = MapOnPage(beside).ready()
    marked.root.locator(".ink").wait_for()
    middle = marked.root.evaluate(
        """root => {
            const { canvas } = root.querySelector(".ink").getContext("2d");
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            let [sum, across, down] = [0, 0, 0];
            for (let i = 3; i < data.length; i += 4) if (data[i] > 40) {
                const pixel = (i - 3) / 4;
                sum += 1; across += pixel % width; down += Math.floor(pixel / width);
            }
            return [across / sum, down / sum, sum];
        }"""
    )
    box = marked.stage.bounding_box()
    assert middle[:2] == pytest.approx([x - box["x"], y - box["y"]], abs=1.5)
    assert 100 < middle[2] < 600


@pytest.mark.parametrize("count", [1, 2, 7, 240, 1_000_000])
def test_the_place_of_a_row_is_the_inverse_of_the_stride(page, count):
    script = (ROOT / "assets" / "pointmap" / "opened.js").read_text().replace("export ", "")
    stride = golden_stride(count)
    rows = sorted({0, 1 % count, count // 2, count - 1})
    places = page.evaluate(
        f"([rows, header]) => {{ {script}; return rows.map((row) => placeOf(row, header)); }}",
        [rows, {"n": count, "stride": stride}],
    )
    assert [place * stride % count for place in places] == rows
    assert all(0 <= place < count for place in places)


def test_a_page_sends_the_map_to_a_place_once(open_page, url):
    page = open_page(f"{url}/?focus=0")
    chart = MapOnPage(page).ready()
    chart.settle()
    first = chart.view()
    assert first[2] > 1.2
    chart.act("fit")
    chart.settle()
    home = chart.view()
    page.get_by_role("button", name="Re-run").click()
    wait_echo(page, runs=2)
    chart.settle()
    assert chart.view() == home
    page.get_by_role("button", name="Go to 1").click()
    page.wait_for_function(
        f"Number({SHADOW}.querySelector('.pointmap').dataset.view.split(' ')[2]) > 1.2"
    )
    chart.settle()
    assert np.hypot(*np.subtract(chart.view()[:2], first[:2])) > 0.05


def _vivid(page, chart):
    picture = _pixels(page, chart)[:-160]
    return (picture.max(-1) - picture.min(-1) > 60).mean()


def _sweep(page, chart, start, stop, hold=None, drop=True):
    """Drag over the legend's scale, from and to shares of its width."""
    box = chart.root.locator(".brush").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], y)
    if hold:
        page.keyboard.down(hold)
    page.mouse.down()
    page.mouse.move(box["x"] + stop * box["width"], y, steps=4)
    page.wait_for_timeout(150)
    if drop:
        page.mouse.up()
    if hold:
        page.keyboard.up(hold)


LENGTHS = np.random.default_rng(1).gamma(2, 300, N)


@pytest.mark.parametrize("script", ["", NO_WEBGL], ids=["webgl", "canvas"])
def test_a_range_on_the_legend_greys_the_rest_and_is_sent_once(open_page, url, script):
    page = open_page(url, script=script)
    chart = MapOnPage(page).ready()
    page.get_by_text("length", exact=True).click()
    chart.root.locator(".legend .brush").wait_for()
    wait_idle(page)
    page.wait_for_timeout(200)
    before = _vivid(page, chart)
    _sweep(page, chart, 0.3, 0.6, drop=False)
    assert 0 < _vivid(page, chart) < 0.8 * before
    assert echo(page)["events"] == 0
    page.mouse.up()
    said = wait_echo(page, events=1, kind="range", op="replace")
    low, high = np.quantile(LENGTHS, [0.01, 0.99])
    assert low < said["low"] < said["high"] < high
    # Half a level of colour more at each end.
    half = (high / low) ** (0.5 / 254)
    inside = (said["low"] / half <= LENGTHS) & (said["high"] * half >= LENGTHS)
    assert abs(said["selected"] - inside.sum()) <= 1
    if script:
        return
    _sweep(page, chart, 0.8, 0.9, hold="Shift")
    more = wait_echo(page, events=2, op="add")["selected"]
    assert more > said["selected"]
    _sweep(page, chart, 0.8, 0.9, hold="Alt")
    assert wait_echo(page, events=3, op="subtract")["selected"] == said["selected"]


def test_a_range_by_keyboard_stays_when_the_server_marks_its_rows(open_page, url):
    page = open_page(url)
    chart = MapOnPage(page).ready()
    page.get_by_text("length", exact=True).click()
    page.get_by_text("selection", exact=True).click()
    low = chart.root.locator(".handle").first
    low.wait_for()
    wait_idle(page)
    low.focus()
    for key in ["PageUp", "PageUp", "ArrowRight", "ArrowLeft"]:
        page.keyboard.press(key)
    said = wait_echo(page, events=1, kind="range")
    wait_idle(page)
    value = float(low.get_attribute("aria-valuenow"))
    assert said["low"] == pytest.approx(value)
    assert 0 < said["selected"] < N
    # The handle keeps the focus: the next key goes on from here.
    page.keyboard.press("PageDown")
    page.keyboard.press("Enter")
    assert wait_echo(page, events=2)["selected"] > said["selected"]
    wait_idle(page)
    page.keyboard.press("Escape")
    wait_echo(page, events=3, kind="clear", selected=0)
    assert float(low.get_attribute("aria-valuenow")) == float(low.get_attribute("aria-valuemin"))


def test_it_fills_the_window_and_follows_its_size(page, chart):
    def gap():
        box = chart.stage.bounding_box()
        return page.viewport_size["height"] - box["y"] - box["height"], box["width"]

    space, width = gap()
    assert 0 <= space <= 60
    page.set_viewport_size({"width": 1000, "height": 700})
    page.wait_for_timeout(600)
    space, narrower = gap()
    assert 0 <= space <= 60
    assert narrower < width
    assert chart.view()[2] == pytest.approx(1, abs=1e-3)
    pixels = chart.root.locator(".points").evaluate("canvas => [canvas.width, canvas.clientWidth]")
    assert pixels[0] == pixels[1]


def test_a_fixed_height_and_a_sharp_picture_on_a_dense_screen(open_page, serve):
    page = open_page(serve(APP, env={"MAP_HEIGHT": "450"}).url, device_scale_factor=2)
    chart = MapOnPage(page).ready()
    assert chart.stage.bounding_box()["height"] == pytest.approx(450, abs=1)
    size = chart.root.locator(".points").evaluate("canvas => [canvas.width, canvas.clientWidth]")
    assert size[0] == 2 * size[1]


def test_without_webgl_the_same_gestures_work(open_page, url):
    page = open_page(url, script=NO_WEBGL)
    chart = MapOnPage(page).ready()
    assert chart.data("renderer") == "canvas"
    painted = (np.abs(_pixels(page, chart) - 255).max(-1) > 40).mean()
    assert 0.005 < painted < 0.5
    chart.tool("lasso")
    chart.drag(*ALL)
    wait_echo(page, selected=N)
    page.get_by_text("run", exact=True).click()
    chart.root.locator(".legend", has_text="chosen").wait_for()
    page.mouse.move(*chart.at(0.5, 0.5))
    page.mouse.wheel(0, -300)
    chart.settle()
    assert chart.view()[2] > 1.2


def test_a_lost_context_comes_back(page, chart):
    before = _pixels(page, chart)
    chart.root.evaluate(
        """root => {
            const gl = root.querySelector(".points").getContext("webgl2");
            const loss = gl.getExtension("WEBGL_lose_context");
            loss.loseContext();
            setTimeout(() => loss.restoreContext(), 200);
        }"""
    )
    page.wait_for_function(
        f"() => {SHADOW}.querySelector('.pointmap').dataset.context==='restored'"
    )
    page.wait_for_timeout(300)
    after = _pixels(page, chart)
    assert (np.abs(after - before).max(-1) > 40).mean() < 0.01
    chart.tool("lasso")
    chart.drag(*ALL)
    wait_echo(page, selected=N)


def test_leaving_and_coming_back_keeps_the_view_and_leaks_no_context(open_page, serve):
    page = open_page(serve(APP, env={"MAP_TOGGLE": "1"}).url)
    chart = MapOnPage(page).ready()
    page.mouse.move(*chart.at(0.3, 0.4))
    page.mouse.wheel(0, -500)
    chart.settle()
    view = chart.view()
    warnings = []
    page.on("console", lambda message: warnings.append(message.text))
    # Browsers drop the oldest of about sixteen contexts, with a warning.
    for _ in range(18):
        page.get_by_text("Show the map").click()
        page.locator(".pointmap").wait_for(state="detached")
        page.get_by_text("Show the map").click()
        chart.ready()
        wait_idle(page)
    assert chart.view() == view
    assert not [text for text in warnings if "context" in text.lower()]
    chart.tool("lasso")
    chart.drag(*ALL)
    wait_echo(page, events=1)


def test_two_windows_have_selections_of_their_own(open_page, url):
    one, two = open_page(url), open_page(url)
    chart = MapOnPage(one).ready()
    MapOnPage(two).ready()
    one.bring_to_front()
    chart.tool("lasso")
    chart.drag(*ALL)
    wait_echo(one, selected=N)
    assert echo(two)["selected"] == 0


def test_memory_does_not_grow_over_lassos(page, chart):
    chart.tool("lasso")
    cdp = page.context.new_cdp_session(page)

    def used():
        for _ in range(3):
            cdp.send("HeapProfiler.collectGarbage")
        sizes = cdp.send("Runtime.getHeapUsage")
        return (sizes["usedSize"] + sizes.get("backingStorageSize", 0)) / 2**20

    def draw(times):
        for _ in range(times):
            events = echo(page)["events"]
            chart.drag(*LEFT, steps=1)
            wait_echo(page, events=events + 1)

    draw(6)
    before = used()
    draw(14)
    assert used() - before < 2
