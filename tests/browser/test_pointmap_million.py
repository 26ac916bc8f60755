"""A million points: drawn part by part, answered like few, and not drawn again for nothing."""

import io
from pathlib import Path

import numpy as np
import pytest
from driver import MapOnPage, echo, wait_echo
from PIL import Image

APP = Path(__file__).parent / "apps" / "map_app.py"
N = 1_000_000
LOOP = ((0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7), (0.3, 0.3))
SLOW = 120_000  # ms


def wait_for_all(page):
    """Wait until all points are on the canvas."""
    page.wait_for_function(
        """n => [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")].some(
            (host) => host.shadowRoot.querySelector(".pointmap")?.dataset.drawn === n)""",
        arg=str(N),
        timeout=SLOW,
    )


def picture(chart):
    return np.array(Image.open(io.BytesIO(chart.stage.screenshot())).convert("RGB")).astype(int)


@pytest.fixture
def page(open_page, serve):
    return open_page(serve(APP, env={"MAP_POINTS": str(N)}).url)


def test_a_million_points(page):
    chart = MapOnPage(page).ready(SLOW)
    first = int(chart.data("drawn"))
    wait_for_all(page)
    assert 0 < first <= N and chart.data("renderer") == "webgl"
    in_parts, frames = picture(chart), chart.data("frames")
    with page.expect_download():  # a saved picture has all points, drawn at once
        chart.act("save")
    assert int(chart.data("frames")) == int(frames) + 1
    assert (np.abs(picture(chart) - in_parts).max(-1) > 2).mean() < 0.001

    chart.tool("lasso")
    chart.drag(*LOOP)
    found = wait_echo(page, SLOW, events=1)["selected"]
    assert isinstance(found, int) and 0 < found < N

    page.get_by_text("run", exact=True).click()
    page.wait_for_function(
        "before => document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot"
        ".querySelector('.pointmap').dataset.frames > before",
        arg=int(frames) + 1,
        timeout=SLOW,
    )
    wait_for_all(page)
    frames, runs = chart.data("frames"), echo(page)["runs"]
    page.get_by_role("button", name="Re-run").click()
    wait_echo(page, SLOW, runs=runs + 1)
    chart.settle()
    assert chart.data("frames") == frames
