"""Fixtures that drive a real browser. Every test in this folder is marked `browser`."""

import contextlib
import sys
from pathlib import Path

import driver
import pytest
from playwright.sync_api import Error, expect, sync_playwright
from pointmaps import MAP_APP

# A page that opens beside other work on two cores may take longer than the 5 s it is given else.
expect.set_options(timeout=30_000)
_WHY = 6000  # characters


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # On a busy machine a frame or a click is missed now and then. The summary counts what
            # was run again; what fails twice fails.
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_runtest_logreport(report):
    """Say why a test is run again: it would be forgotten else."""
    if report.outcome == "rerun":
        why = report.longreprtext[-_WHY:]
        print(f"{report.nodeid} is run again:\n{why}", file=sys.__stderr__, flush=True)


@pytest.fixture(scope="session")
def browser():
    """A Chromium for the whole session."""
    with sync_playwright() as playwright:
        chromium = driver.launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def serve():
    """Start apps by `serve(script, env=…)`; they end with the module. Returns a Server."""
    with contextlib.ExitStack() as stack:
        running = {}

        def start(script, *, env=None, args=()):
            known = (str(script), tuple(sorted((env or {}).items())), tuple(args))
            if known not in running:
                running[known] = stack.enter_context(driver.serving(script, env=env, args=args))
            return running[known]

        yield start


@pytest.fixture(scope="module")
def _contexts(browser):
    """One context for each set of options: pages of the same one share the browser's cache."""
    with contextlib.ExitStack() as stack:
        known = {}

        def context(**options):
            name = repr(sorted(options.items()))
            if name not in known:
                known[name] = browser.new_context(**options)
                stack.callback(known[name].close)
            return known[name]

        yield context


@pytest.fixture
def open_page(_contexts):
    """Open an address by `open_page(url, theme="dark", …)` and wait until the app is idle.

    Every page is a new session of the app. The test fails at its end if a page threw an error
    that nobody caught.
    """
    pages, errors = [], []

    def start(url, *, theme="light", width=1400, height=900, script=None, idle=True, **options):
        size = {"width": width, "height": height}
        page = _contexts(viewport=size, color_scheme=theme, **options).new_page()
        pages.append(page)
        if script:
            page.add_init_script(script)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        page.wait_for_selector('[data-testid="stApp"]')
        if idle:
            driver.wait_idle(page)
        return page

    yield start
    for page in pages:
        page.close()
    assert not errors, errors


@pytest.fixture
def wait_idle():
    """The function that waits until no script of a page runs."""
    return driver.wait_idle


# --- the map component alone ---------------------------------------------------------------------

SIZE = {"width": 1400, "height": 900}


@pytest.fixture(scope="session")
def map_url():
    """Address of the app that is only the map."""
    with driver.serving(MAP_APP) as server:
        yield server.url


@pytest.fixture(scope="session")
def _kept_page(browser, map_url):
    """Gives the one page on which map after map is shown: opening one costs seconds."""
    kept = []

    def fresh():
        if kept:
            with contextlib.suppress(Error):
                return _begin_again(kept[-1])
            kept.pop().close()
        kept.append(browser.new_page(viewport=SIZE, color_scheme="light"))
        kept[-1].goto(map_url)
        driver.wait_idle(kept[-1])
        return kept[-1]

    yield fresh
    for page in kept:
        page.close()


def _begin_again(page):
    page.mouse.move(0, 0)
    page.set_viewport_size(SIZE)
    page.emulate_media(color_scheme="light")
    # Tool and view are remembered, the view in the address too.
    chart = driver.MapOnPage(page)
    chart.tool("pan")
    chart.act("fit")
    chart.settle()
    chart.root.evaluate("root => { root.dataset.old = true; }")
    age = driver.echo(page)["age"]
    page.get_by_role("button", name="Begin again").click(timeout=5_000)
    driver.wait_echo(page, 5_000, age=age + 1)
    page.locator(".pointmap[data-old]").wait_for(state="detached", timeout=5_000)
    driver.wait_idle(page)
    return page


@pytest.fixture
def page(_kept_page):
    """A page with a map as it is when it was just opened; for what needs no options."""
    page, errors = _kept_page(), []

    def note(error):
        errors.append(str(error))

    page.on("pageerror", note)
    yield page
    page.remove_listener("pageerror", note)
    assert not errors, errors


@pytest.fixture
def chart(page):
    """The map on that page."""
    return driver.MapOnPage(page).ready()
