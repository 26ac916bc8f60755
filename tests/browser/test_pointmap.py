"""What is seen of the map component: points, titles, legend, pictures."""

import io

import numpy as np
import pytest
from apps import planted
from driver import ROOT, MapOnPage, echo, wait_echo, wait_idle
from PIL import Image
from pointmaps import N, isolated_point, pixels

from core.mapsections import golden_stride


def test_first_frame_by_webgl_with_all_points_and_a_name_for_those_who_cannot_see(page, chart):
    assert chart.data("renderer") == "webgl"
    assert int(chart.data("points")) == N
    assert chart.view()[2] == pytest.approx(1, abs=1e-3)
    label = f"Map of {N:,} rows in 12 clusters."
    assert chart.root.locator(".points").get_attribute("aria-label") == label
    assert chart.stage.get_attribute("aria-label").startswith(label)
    assert echo(page)["events"] == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_points_are_on_the_picture_in_both_themes(page, chart, theme):
    page.emulate_media(color_scheme=theme)
    if theme == "dark":
        page.wait_for_timeout(800)
    picture = pixels(chart)
    page_color = np.array([255, 255, 255] if theme == "light" else [15, 19, 26])
    painted = (np.abs(picture - page_color).max(-1) > 40).mean()
    assert 0.005 < painted < 0.5
    # Many hues, not one: saturated pixels of at least four of six sectors of the colour wheel.
    red, green, blue = (picture[..., channel].astype(float) for channel in range(3))
    hue = np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)) % 360
    vivid = picture.max(-1) - picture.min(-1) > 80
    assert len(np.unique(hue[vivid] // 60)) >= 4


def test_it_follows_the_theme_and_keeps_the_view(page, chart):
    page.mouse.move(*chart.at(0.3, 0.4))
    page.mouse.wheel(0, -500)
    chart.settle()
    view, uploads = chart.view(), chart.data("uploads")
    assert np.median(pixels(chart)) > 240
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(800)
    assert np.median(pixels(chart)) < 40
    assert (chart.view(), chart.data("uploads")) == (view, uploads)


def test_titles_are_hidden_and_shown_by_key_and_button(page, chart):
    titles = chart.root.locator(".title.shown")
    title = titles.first
    box = title.bounding_box()
    button = chart.root.locator('[data-act="titles"]')
    chart.stage.focus()
    page.keyboard.press("t")
    title.wait_for(state="hidden")
    assert button.get_attribute("aria-pressed") == "true"
    over = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*over)
    chart.settle()
    assert chart.root.locator(".title.under").count() == 0  # nobody clicks what is not seen
    button.click()
    title.wait_for()
    page.mouse.move(*over)
    chart.root.locator(".title.under").wait_for()
    assert button.get_attribute("aria-pressed") == "false"


def test_titles_do_not_overlap_and_more_appear_as_one_zooms_in(open_page, map_url):
    page = open_page(f"{map_url}/?clusters=120")
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
        counts.append(shown() * chart.view()[2] ** 2)  # for the area of the whole map
    assert counts[0] >= 10
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


NOT_WHOLE = """root => {
  const map = root.getBoundingClientRect();
  const over = [...root.querySelectorAll(".toolbar, .legend, .caption")];
  const boxes = over.map((node) => node.getBoundingClientRect()).filter((box) => box.width);
  return [...root.querySelectorAll(".title.shown")].filter((title) => {
    const { left, top, right, bottom } = title.getBoundingClientRect();
    return left < map.left || top < map.top || right > map.right || bottom > map.bottom ||
      boxes.some((box) => left < box.right && right > box.left && top < box.bottom &&
        bottom > box.top);
  }).map((title) => title.textContent);
}"""


def test_titles_are_whole_and_under_nothing_wherever_the_map_is_moved(open_page, map_url):
    page = open_page(f"{map_url}/?clusters=120", width=700, height=600)
    page.get_by_text("source", exact=True).click()  # whose legend lies over the map
    chart = MapOnPage(page).ready()
    chart.root.locator(".legend .entry").first.wait_for()

    def check():
        page.wait_for_timeout(250)
        titles = chart.root.evaluate(SHOWN)
        assert len(titles) > 1 and chart.root.evaluate(NOT_WHOLE) == []
        return {title["text"]: title["box"] for title in titles}

    check()
    page.mouse.move(*chart.at(0.5, 0.5))
    for _ in range(2):
        page.mouse.wheel(0, -300)
    chart.settle()
    seen = check()
    moved = 0
    for way in ((0.14, 0.1), (-0.3, -0.1), (0.1, -0.16), (0.05, 0.3)):
        chart.drag((0.5, 0.5), (0.5 + way[0], 0.5 + way[1]))
        chart.settle()
        now = check()
        width, height = (chart.stage.bounding_box()[side] for side in ("width", "height"))
        shift = (way[0] * width, way[1] * height)
        # One at the edge stays in sight as long as what it names is there.
        moved += sum(
            abs(now[text][0] - box[0] - shift[0]) > 3 or abs(now[text][1] - box[1] - shift[1]) > 3
            for text, box in seen.items()
            if text in now
        )
        seen = now
    assert moved


SHOWN = """root => [...root.querySelectorAll(".title.shown")].map((title) => {
  const { left, top, right, bottom } = title.getBoundingClientRect();
  return { text: title.textContent, coarse: title.classList.contains("coarse"),
           box: [left, top, right, bottom] };
})"""


def test_coarse_titles_far_away_fine_ones_closer_and_never_both(open_page, map_url):
    page = open_page(f"{map_url}/?clusters=240&groups=9")
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
    # For the area of the whole map.
    assert len(near) * chart.view()[2] ** 2 > len(far)
    assert near and not any(title["coarse"] for title in near)
    chart.act("fit")
    chart.root.locator(".title.coarse.shown").first.wait_for()
    assert page.evaluate("levels") == ["coarse", "fine", "coarse"]
    chart.settle()
    left, top, right, bottom = far[0]["box"]
    page.mouse.click((left + right) / 2, (top + bottom) / 2)
    _, labels, _ = planted.world(N, 240)
    group = int(far[0]["text"].split()[1])
    wait_echo(page, events=1, kind="group", selected=int((labels % 9 == group).sum()))


def test_the_legend_names_the_categories_and_counts_every_row(page, chart):
    assert chart.root.locator(".legend").is_hidden()
    page.get_by_text("source", exact=True).click()
    chart.root.locator(".legend .entry").first.wait_for()
    counts = chart.root.locator(".legend .count").all_inner_texts()
    assert len(counts) == 12
    assert sum(int(count.replace(",", "")) for count in counts) == N


def test_lit_rows_are_on_top_with_their_legend_and_targets(page, chart):
    before = pixels(chart)
    page.get_by_text("run", exact=True).click()
    chart.root.locator(".legend", has_text="chosen").wait_for()
    assert "targets" in chart.root.locator(".legend").inner_text()
    page.wait_for_timeout(200)
    after = pixels(chart)[:-160, :-260]
    vivid = after.max(-1) - after.min(-1) > 90
    orange = vivid & (after[..., 0] > after[..., 1]) & (after[..., 1] > after[..., 2])
    assert orange.sum() > 100
    # What is not lit is grey: apart from titles and outlines, only the accent has a hue.
    assert (vivid & ~orange).mean() < 0.2 * (before.max(-1) - before.min(-1) > 90).mean()


def test_the_open_row_has_a_ring(page, chart, open_page, map_url):
    (x, y), row = isolated_point(chart)
    assert chart.root.locator(".ink").is_hidden()
    beside = open_page(f"{map_url}/?opened={row}")
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


def test_a_saved_picture_is_what_is_seen(open_page, map_url, tmp_path):
    page = open_page(map_url, theme="dark", device_scale_factor=2, width=800, height=500)
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


def test_a_fixed_height_and_a_sharp_picture_on_a_dense_screen(open_page, map_url):
    page = open_page(f"{map_url}/?height=450", device_scale_factor=2)
    chart = MapOnPage(page).ready()
    assert chart.stage.bounding_box()["height"] == pytest.approx(450, abs=1)
    size = chart.root.locator(".points").evaluate("canvas => [canvas.width, canvas.clientWidth]")
    assert size[0] == 2 * size[1]
