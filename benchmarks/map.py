"""The map in a real browser: time to interact, lasso to answer, frame rate, memory, bytes.

    .venv/bin/python -m benchmarks.map [POINTS …]

Prints one row of a Markdown table for each number of points. Chromium draws by software GL;
`open` counts from the request to the first drawn frame with the page answering; `lasso` from
letting the mouse go to the server's count on the page.
"""

import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import CDPSession, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))

from driver import MapOnPage, Server, echo, launch, serving, wait_idle

APP = Path(__file__).parents[1] / "tests" / "browser" / "apps" / "map_app.py"
OPENINGS = 3
LASSOS = 50
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


def heap_mb(cdp: CDPSession) -> float:
    """JavaScript heap and the arrays outside it, after a collection."""
    for _ in range(3):
        cdp.send("HeapProfiler.collectGarbage")
    used = cdp.send("Runtime.getHeapUsage")
    return float(used["usedSize"] + used.get("backingStorageSize", 0)) / 2**20


def lasso(page: Page, chart: MapOnPage, shift: float) -> float:
    """Draw one loop; seconds from letting go to the server's answer on the page."""
    before = echo(page)["events"]
    page.mouse.move(*chart.at(LOOP[0][0] + shift, LOOP[0][1]))
    page.mouse.down()
    for x, y in LOOP[1:]:
        page.mouse.move(*chart.at(x + shift, y), steps=8)
    begun = time.perf_counter()
    page.mouse.up()
    page.wait_for_function(
        """before => JSON.parse(document.querySelector("output[data-echo]").dataset.echo).events
                     > before""",
        arg=before,
        polling=5,
    )
    seconds = time.perf_counter() - begun
    wait_idle(page)
    return seconds


def measure(server: Server, points: int) -> str:
    """One row of the table."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        opened = []
        for number in range(OPENINGS + 1):
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            cdp = page.context.new_cdp_session(page)
            cdp.send("Network.enable")
            received: list[int] = []
            cdp.on(
                "Network.webSocketFrameReceived",
                lambda frame, into=received: into.append(len(frame["response"]["payloadData"])),
            )
            begun = time.perf_counter()
            page.goto(server.url)
            chart = MapOnPage(page).ready(120_000)
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done()))")
            # The first opening also builds the data; it is not counted.
            if number:
                opened.append(time.perf_counter() - begun)
            wait_idle(page)
            if number < OPENINGS:
                page.close()
        # The protocol reports binary frames in base64.
        down = sum(received) * 3 / 4
        frames = page.evaluate(FRAMES)
        chart.act("fit")
        chart.tool("lasso")
        times = [lasso(page, chart, 0.001 * number) for number in range(5)]
        heap, resident = heap_mb(cdp), server.resident_mb()
        times += [lasso(page, chart, 0.001 * number) for number in range(LASSOS)]
        more_heap = heap_mb(cdp) - heap
        more_resident = server.resident_mb() - resident
        browser.close()
    times.sort()
    return (
        f"| {points:,} | {down / 2**20:.2f} MB | {statistics.median(opened):.2f} s "
        f"| {statistics.median(times):.2f} s ({times[int(len(times) * 0.95)]:.2f} s) "
        f"| {frames:.0f} | {more_heap:+.1f} MB | {more_resident:+.1f} MB |"
    )


def main() -> None:
    """Measure each size named on the command line."""
    sizes = [int(size) for size in sys.argv[1:]] or [109_387]
    print("| points | down | open | lasso, median (p95) | frames/s while zooming ", end="")
    print(f"| browser after {LASSOS} lassos | server |")
    print("|---|---|---|---|---|---|---|")
    for points in sizes:
        with serving(APP, env={"MAP_POINTS": str(points), "MAP_CLUSTERS": "64"}) as server:
            print(measure(server, points), flush=True)


if __name__ == "__main__":
    main()
