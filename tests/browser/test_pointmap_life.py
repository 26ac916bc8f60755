"""The map component over runs, colours, windows and lost contexts."""

import numpy as np
from driver import MapOnPage, echo, wait_echo, wait_idle
from pointmaps import ALL, LEFT, NO_WEBGL, SHADOW, N, pixels


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


def test_a_page_sends_the_map_to_a_place_once(open_page, map_url):
    page = open_page(f"{map_url}/?focus=0")
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


def test_a_lost_context_comes_back(page, chart):
    before = pixels(chart)
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
    after = pixels(chart)
    assert (np.abs(after - before).max(-1) > 40).mean() < 0.01
    chart.tool("lasso")
    chart.drag(*ALL)
    wait_echo(page, selected=N)


def test_leaving_and_coming_back_keeps_the_view_and_leaks_no_context(open_page, map_url):
    page = open_page(f"{map_url}/?toggle=1", width=700, height=500)
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


def test_two_windows_have_selections_of_their_own(page, chart, open_page, map_url):
    two = open_page(map_url)
    MapOnPage(two).ready()
    page.bring_to_front()
    chart.tool("lasso")
    chart.drag(*ALL)
    wait_echo(page, selected=N)
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

    draw(4)
    before = used()
    draw(10)
    assert used() - before < 2


def test_without_webgl_the_same_gestures_work(open_page, map_url):
    page = open_page(map_url, script=NO_WEBGL)
    chart = MapOnPage(page).ready()
    assert chart.data("renderer") == "canvas"
    painted = (np.abs(pixels(chart) - 255).max(-1) > 40).mean()
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
