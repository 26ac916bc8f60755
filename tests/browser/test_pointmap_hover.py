"""What the pointer tells when it rests on a point of the map."""

from driver import echo, wait_echo, wait_idle
from pointmaps import isolated_point


def test_hovering_a_point_names_it_and_is_no_gesture(page, chart):
    where, row = isolated_point(chart)
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
    where, row = isolated_point(chart)
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
    (x, y), _ = isolated_point(chart)
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
