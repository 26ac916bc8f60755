"""The map in a real browser: time, bytes and memory.

    .venv/bin/python -m benchmarks.map_bench [POINTS …]

Prints a Markdown table, a row as soon as it is measured. Chromium draws by software GL, on the
machine that also serves. `paint` counts from the request to the first drawn frame with the page
answering, and from the browser's load event; `lasso` from letting the mouse go to the server's
count on the page; `re-colour` from the click to a drawn frame in the other colours, once all
points of the last are there. `over arrays` is what the server grew by since it served a map of
1,000 points, less the points and labels themselves.

The same points by `st.plotly_chart` (scattergl) follow, without colours, frames and memory.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from playwright.sync_api import TimeoutError as NoAnswer

from tests.browser.driver import MapOnPage, Server, echo, launch, serving, wait_idle

ROOT = Path(__file__).parents[1]
PLOTLY = ROOT / "benchmarks" / "plotly_app.py"
MAP = ROOT / "tests" / "browser" / "apps" / "map_app.py"
SMALL = 1_000
LASSOS = 20  # timed
MORE = 80  # before memory is looked at again
PATIENCE = 180_000  # ms
GIVEN_UP = 60_000  # ms for a lasso of Plotly's
ROW_BYTES = 8 + 8  # of a point: two float32, and an int64 label
MIB = 2**20
LOOP = [(0.35, 0.35), (0.65, 0.3), (0.7, 0.6), (0.5, 0.75), (0.3, 0.6), (0.35, 0.35)]

FRAMES = """async () => {
  const stage = document.querySelector("[data-testid=stBidiComponentIsolated]")
    .shadowRoot.querySelector(".stage");
  const root = stage.parentElement;
  const { width, height, left, top } = stage.getBoundingClientRect();
  const turn = (deltaY) => stage.dispatchEvent(new WheelEvent("wheel", {
    deltaY, clientX: left + width / 2, clientY: top + height / 2, bubbles: true, cancelable: true,
  }));
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await frame();
  const begun = performance.now(), first = Number(root.dataset.frames);
  for (let i = 0; i < 60; i++) { turn(i % 20 < 10 ? -60 : 60); await frame(); }
  const canvas = root.querySelector(".points");
  canvas.getContext("webgl2")?.readPixels(0, 0, 1, 1, 6408, 5121, new Uint8Array(4));
  return (Number(root.dataset.frames) - first) / (performance.now() - begun) * 1000;
}"""
TWO_FRAMES = (
    "() => new Promise((d) => requestAnimationFrame(() => requestAnimationFrame(() => d())))"
)
ANSWERED = """before => JSON.parse(document.querySelector("output[data-echo]").dataset.echo).events
                      > before"""
DRAWN = """n => document.querySelector("[data-testid=stBidiComponentIsolated]")
                .shadowRoot.querySelector(".pointmap").dataset.drawn === n"""
COLUMNS = (
    "points", "paint (from load)", "lasso, median (95 %)", "re-colour", "down, B a point",
    "up a lasso", "frames/s", "server over arrays", "after 100 lassos", "browser then",
)  # fmt: skip


@dataclass
class Traffic:
    """Bytes over the page's WebSocket."""

    down: float = 0
    up: float = 0

    def listen(self, cdp: CDPSession) -> None:
        """Count the frames of a page from now on; text is counted by character."""
        cdp.send("Network.enable")

        def size(frame: dict) -> float:
            response = frame["response"]
            # The protocol reports binary frames in base64.
            return len(response["payloadData"]) * (3 / 4 if response["opcode"] == 2 else 1)

        def received(frame: dict) -> None:
            self.down += size(frame)

        def sent(frame: dict) -> None:
            self.up += size(frame)

        cdp.on("Network.webSocketFrameReceived", received)
        cdp.on("Network.webSocketFrameSent", sent)


def heap_mb(cdp: CDPSession) -> float:
    """JavaScript heap and the arrays outside it, after a collection."""
    for _ in range(3):
        cdp.send("HeapProfiler.collectGarbage")
    used = cdp.send("Runtime.getHeapUsage")
    return float(used["usedSize"] + used.get("backingStorageSize", 0)) / MIB


def lasso(
    page: Page, at: Callable[[float, float], tuple[float, float]], shift: float, steps: int = 4
) -> float:
    """Draw one loop; seconds from letting go to the server's answer on the page."""
    before = echo(page)["events"]
    page.mouse.move(*at(LOOP[0][0] + shift, LOOP[0][1]))
    page.mouse.down()
    for x, y in LOOP[1:]:
        page.mouse.move(*at(x + shift, y), steps=steps)
    begun = time.perf_counter()
    page.mouse.up()
    page.wait_for_function(ANSWERED, arg=before, polling=5, timeout=PATIENCE)
    seconds = time.perf_counter() - begun
    wait_idle(page, PATIENCE)
    return seconds


def spread(times: list[float]) -> str:
    """Median and 95th percentile."""
    ordered = sorted(times)
    worst = ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)]
    return f"{statistics.median(ordered):.2f} s ({worst:.2f} s)"


def opened(
    browser: Browser, server: Server, drawn: str, paints: list[tuple[float, float]]
) -> tuple[Page, CDPSession, Traffic]:
    """A page with something `drawn`; adds how long that took, from request and load event."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    cdp, traffic = page.context.new_cdp_session(page), Traffic()
    traffic.listen(cdp)
    begun = time.perf_counter()
    page.goto(server.url)
    loaded = time.perf_counter()
    page.wait_for_selector(drawn, timeout=PATIENCE)
    page.evaluate(TWO_FRAMES)
    now = time.perf_counter()
    paints.append((now - begun, now - loaded))
    return page, cdp, traffic


def resident_small() -> float:
    """Memory of a server that has served a small map."""
    with serving(MAP, env=_env(SMALL)) as server, sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page()
        page.goto(server.url)
        MapOnPage(page).ready()
        wait_idle(page)
        browser.close()
        return server.resident_mb()


def measure_map(server: Server, points: int, base: float) -> list[str]:
    """One row of the table for the map component."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        paints: list[tuple[float, float]] = []
        # The first opening also builds the data; it is not counted.
        for number in range(4):
            page, cdp, traffic = opened(browser, server, ".pointmap[data-frames]", paints)
            chart = MapOnPage(page)
            wait_idle(page, PATIENCE)
            if number < 3:
                page.close()
        down = traffic.down
        frames = page.evaluate(FRAMES)
        chart.act("fit")
        chart.tool("lasso")
        lasso(page, chart.at, 0)
        heap, before = heap_mb(cdp), traffic.up
        times = [lasso(page, chart.at, 0.001 * number) for number in range(LASSOS)]
        up = (traffic.up - before) / LASSOS
        resident = server.resident_mb()
        for number in range(MORE):
            lasso(page, chart.at, 0.0005 * number, steps=1)
        grown, heap_grown = server.resident_mb() - resident, heap_mb(cdp) - heap
        colored = []
        for number in range(4):
            page.wait_for_function(DRAWN, arg=str(points), timeout=PATIENCE)
            begun = time.perf_counter()
            uploads = chart.data("uploads")
            page.get_by_text(("length", "source")[number % 2], exact=True).click()
            page.wait_for_function(
                "uploads => document.querySelector('[data-testid=stBidiComponentIsolated]')"
                ".shadowRoot.querySelector('.pointmap').dataset.uploads !== uploads",
                arg=uploads,
                timeout=PATIENCE,
            )
            page.evaluate(TWO_FRAMES)
            colored.append(time.perf_counter() - begun)
            wait_idle(page, PATIENCE)
        browser.close()
    over = resident - base - points * ROW_BYTES / MIB
    return [
        f"{points:,}", _paint(paints), spread(times),
        # The first time of each colour it is also computed.
        f"{statistics.median(colored[2:]):.2f} s", f"{down / points:.1f}", f"{up:,.0f} B",
        f"{frames:.0f}", f"{over:,.0f} MB", f"{grown:+.1f} MB", f"{heap_grown:+.1f} MB",
    ]  # fmt: skip


def measure_plotly(server: Server, points: int) -> list[str]:
    """One row of the table for Plotly's chart."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        paints: list[tuple[float, float]] = []
        for _ in range(3):
            page, _, traffic = opened(browser, server, ".js-plotly-plot .nsewdrag", paints)
        wait_idle(page, PATIENCE)
        down, before = traffic.down, traffic.up
        box = page.locator(".js-plotly-plot .nsewdrag").bounding_box()
        assert box is not None
        for number, (x, y) in enumerate(LOOP):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
            if not number:
                page.mouse.down()
        begun = time.perf_counter()
        page.mouse.up()
        try:
            page.wait_for_selector(
                "output:not([data-selected='0'])", state="attached", timeout=GIVEN_UP
            )
            answered = f"{time.perf_counter() - begun:.1f} s"
        except NoAnswer:
            answered = f"none in {GIVEN_UP // 1000} s"
        up = traffic.up - before
        browser.close()
    return [
        f"{points:,} (Plotly)", _paint(paints), answered, "",
        f"{down / points:.1f}", f"{up:,.0f} B", *[""] * 4,
    ]  # fmt: skip


def _paint(paints: list[tuple[float, float]]) -> str:
    # The first opening also builds the data.
    typed, loaded = (statistics.median(times) for times in zip(*paints[1:], strict=True))
    return f"{typed:.2f} s ({loaded:.2f} s)"


def _env(points: int) -> dict[str, str]:
    return {"MAP_POINTS": str(points), "MAP_CLUSTERS": "64"}


def main() -> None:
    """Measure each size named on the command line."""
    sizes = [int(size) for size in sys.argv[1:]] or [1_000_000]
    print(f"| {' | '.join(COLUMNS)} |")
    print("|---" * len(COLUMNS) + "|", flush=True)
    base = resident_small()
    for points in sizes:
        with serving(MAP, env=_env(points)) as server:
            print(f"| {' | '.join(measure_map(server, points, base))} |", flush=True)
        with serving(PLOTLY, env=_env(points)) as server:
            print(f"| {' | '.join(measure_plotly(server, points))} |", flush=True)


if __name__ == "__main__":
    main()
