"""A Streamlit server and a Chromium for tests and benchmarks, both without a network."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright

ROOT = Path(__file__).parents[2]
APP = ROOT / "app.py"

# WebGL in software, so that it also works on a machine without a graphics card. Not so the layers
# of a page: put together in software of their own, they take a fifth of the time.
SOFTWARE_GL = [
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-gpu-compositing",
]
OFFLINE = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-quic",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
START_S = 60


@dataclass(frozen=True)
class Server:
    """A running app: where it answers, and its process."""

    url: str
    process: subprocess.Popen[bytes]

    def resident_mb(self) -> float:
        """Memory of the server process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


def free_port() -> int:
    """A free port; tests that run side by side look for theirs in different places."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for port in range(20_000 + 1_000 * worker + os.getpid() % 900, 60_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")


@contextlib.contextmanager
def serving(
    script: Path, *, env: Mapping[str, str] | None = None, args: Sequence[str] = ()
) -> Iterator[Server]:
    """Run `script` by Streamlit on a free port until the block is left.

    The server and whatever it started (jobs included) end with the block.
    """
    port = free_port()
    # The app itself as `make app` serves it.
    module = ["pages.ui.serve"] if script == APP else ["streamlit", "run", str(script)]
    command = [sys.executable, "-m", *module, "--server.port", str(port)]
    command += ["--server.headless", "true", *args]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                    break
            except (urllib.error.URLError, OSError):
                if process.poll() is not None or time.monotonic() > end:
                    process.kill()
                    said = process.communicate()[0].decode(errors="replace")
                    raise RuntimeError(f"{script.name} did not start:\n{said}") from None
                time.sleep(0.1)
        yield Server(url, process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout:
            process.stdout.close()


def launch(playwright: Playwright) -> Browser:
    """Start Chromium: the one that CHROMIUM names, the system's, or Playwright's own."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    return playwright.chromium.launch(executable_path=path, args=[*SOFTWARE_GL, *OFFLINE])


def wait_idle(page: Page, timeout: float = 30_000) -> None:
    """Wait until no script of the page runs."""
    page.wait_for_selector(
        '[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=timeout
    )


class MapOnPage:
    """The map component of a page, driven by mouse and keyboard."""

    def __init__(self, page: Page, nth: int = 0) -> None:
        self.page = page
        self.root = page.locator(".pointmap").nth(nth)
        self.stage = self.root.locator(".stage")

    def ready(self, timeout: float = 30_000) -> "MapOnPage":
        """Wait for the first drawn frame."""
        self.page.wait_for_selector(".pointmap[data-frames]", timeout=timeout)
        return self

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Page position of a place given in shares of the map's width and height."""
        box = self.stage.bounding_box()
        assert box is not None
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def view(self) -> tuple[float, float, float]:
        """Centre in the unit square, and zoom."""
        x, y, zoom = (float(part) for part in self.data("view").split())
        return x, y, zoom

    def data(self, name: str) -> str:
        value = self.root.get_attribute(f"data-{name}")
        assert value is not None
        return value

    def drag(self, *places: tuple[float, float], hold: str | None = None, steps: int = 3) -> None:
        """Drag through places given in shares of the map."""
        self.page.mouse.move(*self.at(*places[0]))
        if hold:
            self.page.keyboard.down(hold)
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.at(*place), steps=steps)
        self.page.mouse.up()
        if hold:
            self.page.keyboard.up(hold)

    def tool(self, name: str) -> None:
        self.root.locator(f'button[data-tool="{name}"]').click()

    def act(self, name: str) -> None:
        self.root.locator(f'button[data-act="{name}"]').click()

    def settle(self) -> None:
        """Wait until the view is at rest: what was asked for is drawn, and no motion goes on."""
        before = ""
        while before != (now := self._drawn_view()):
            before = now
            self.page.wait_for_timeout(120)

    def _drawn_view(self) -> str:
        """The view after every frame that was asked for by now, however slow the machine."""
        self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        return self.data("view")


def echo(page: Page) -> dict[str, object]:
    """What the map app of `apps/map_app.py` says the server knows."""
    text = page.locator("output[data-echo]").get_attribute("data-echo")
    assert text is not None
    said: dict[str, object] = json.loads(text)
    return said


def wait_echo(page: Page, timeout: float = 20_000, **expected: object) -> dict[str, object]:
    """Wait until the server's echo has these values."""
    page.wait_for_function(
        """expected => {
            const node = document.querySelector("output[data-echo]");
            const said = node && JSON.parse(node.dataset.echo);
            return said && Object.entries(expected).every(([k, v]) => said[k] === v);
        }""",
        arg=expected,
        timeout=timeout,
    )
    return echo(page)
