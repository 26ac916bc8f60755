"""Fixtures that drive a real browser. Every test in this folder is marked `browser`."""

import contextlib
from pathlib import Path

import driver
import pytest
from playwright.sync_api import expect, sync_playwright

# A page that opens beside other work on two cores may take longer than the 5 s it is given else.
expect.set_options(timeout=30_000)


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # On a busy machine a frame or a click is missed now and then. The summary counts what
            # was run again; what fails twice fails.
            item.add_marker(pytest.mark.flaky(reruns=1))


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
