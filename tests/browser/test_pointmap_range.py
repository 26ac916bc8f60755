"""A range brushed on the numeric legend of the map."""

import numpy as np
import pytest
from driver import MapOnPage, echo, wait_echo, wait_idle
from pointmaps import NO_WEBGL, N, pixels


def _vivid(page, chart):
    picture = pixels(chart)[:-160]
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
def test_a_range_on_the_legend_greys_the_rest_and_is_sent_once(open_page, map_url, script):
    page = open_page(map_url, script=script)
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


def test_a_range_by_keyboard_stays_when_the_server_marks_its_rows(page, chart):
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
    # What is read out is as round as what is shown.
    for handle, place in ((low, 0), (chart.root.locator(".handle").last, 1)):
        shown = chart.root.locator(".legend .ends span").nth(place).inner_text()
        value = float(handle.get_attribute("aria-valuenow"))
        assert value == float(shown.strip("≤≥ ").replace(",", ""))
    value = float(low.get_attribute("aria-valuenow"))
    assert said["low"] == pytest.approx(value, abs=0.5)
    assert 0 < said["selected"] < N
    # The handle keeps the focus: the next key goes on from here.
    page.keyboard.press("PageDown")
    page.keyboard.press("Enter")
    assert wait_echo(page, events=2)["selected"] > said["selected"]
    wait_idle(page)
    page.keyboard.press("Escape")
    wait_echo(page, events=3, kind="clear", selected=0)
    assert float(low.get_attribute("aria-valuenow")) == float(low.get_attribute("aria-valuemin"))
    high = chart.root.locator(".handle").last
    assert high.get_attribute("aria-valuenow") == high.get_attribute("aria-valuemax")
    assert len(high.get_attribute("aria-valuemax")) < 7
