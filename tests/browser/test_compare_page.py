"""Comparing in a real browser: two maps with one camera, and a report in which nothing runs."""

import json
import time

import numpy as np
import pytest
from driver import APP, MapOnPage, wait_idle
from playwright.sync_api import expect

from core.compare import compare_runs
from core.project import Project
from core.report import render_report
from core.runs import select
from core.stages import run_stage

MINUTE = 60_000
_GLANCE_SECONDS = 1.2  # of pages.ui.strip
SCRIPT = "<script>window.hurt = 1</script>"
HOSTILE = f'{SCRIPT}<img src="http://127.0.0.1:9/" onerror="window.hurt = 1">'


@pytest.fixture
def project(mapped_root):
    project = Project.open(mapped_root)
    select(project, method="tsds-kde", budget=24, target="cooking", name="near")
    select(project, method="random", budget=24, name="plain")
    return project


def test_who_moves_one_map_moves_the_other_and_the_server_hears_nothing(serve, open_page, project):
    run_stage("compare", project.root, {"runs": ["near", "plain"]})
    server = serve(APP, env={"WINNOW_PROJECTS": str(project.root.parent)})
    page = open_page(f"{server.url}/compare?project=planted")
    page.locator(".pointmap[data-frames]").nth(1).wait_for()
    left, right = MapOnPage(page, 0), MapOnPage(page, 1)
    left.settle()
    sent, began = [], time.monotonic()
    page.on("websocket", lambda socket: sent.append("new socket"))
    page.evaluate(
        """() => { const send = WebSocket.prototype.send; window.messages = 0;
        WebSocket.prototype.send = function (...data) {
            window.messages += 1; return send.apply(this, data); }; }"""
    )

    def both_move(before):
        """Wait until both maps have left a view and agree on another one."""
        page.wait_for_function(
            """before => {
                const [left, right] = [...document.querySelectorAll(
                    "[data-testid=stBidiComponentIsolated]")].map(
                    (host) => host.shadowRoot.querySelector(".pointmap")).filter(
                    Boolean).map((map) => map.dataset.view);
                return left === right && left !== before;
            }""",
            arg=before,
        )
        left.settle()
        right.settle()
        assert left.data("view") == right.data("view")

    before = right.data("view")
    left.drag((0.5, 0.5), (0.7, 0.6))
    both_move(before)
    before = left.data("view")
    page.mouse.move(*right.at(0.4, 0.4))
    page.mouse.wheel(0, -600)
    both_move(before)
    assert left.view()[2] > 1.2
    before = right.data("view")
    left.act("fit")
    both_move(before)
    assert right.view()[2] == pytest.approx(1, abs=1e-3)
    # The strip looks for decisions of other windows now and then.
    glances = 1 + (time.monotonic() - began) / _GLANCE_SECONDS
    assert page.evaluate("window.messages") <= glances and not sent


def test_the_first_look_measures_and_the_report_is_downloaded(serve, open_page, project):
    server = serve(APP, env={"WINNOW_PROJECTS": str(project.root.parent)})
    page = open_page(f"{server.url}/compare?project=planted", theme="dark")
    expect(page.get_by_text("NovelSum ↑")).to_be_visible(timeout=MINUTE)
    wait_idle(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Report").click()
    assert waiting.value.suggested_filename == "near-plain.html"
    assert "Transport to the target" in waiting.value.path().read_text(encoding="utf-8")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_script_in_a_row_does_not_run_in_the_report(browser, tmp_path, theme):
    rows = [{"instruction": f"{HOSTILE} {i}", "output": "no", "source": HOSTILE} for i in range(40)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    np.save(tmp_path / "vectors.npy", np.random.default_rng(0).normal(size=(40, 6)))
    root = tmp_path / "hostile"
    run_stage("init", root, {"files": [str(tmp_path / "rows.jsonl")]})
    run_stage("embed", root, {"features": str(tmp_path / "vectors.npy")})
    run_stage("cluster", root, {"k": 3})
    run_stage("map", root, {})
    project = Project.open(root)
    select(project, method="random", budget=9, name="a")
    select(project, method="random", budget=9, seed=1, name="b")
    report = tmp_path / "report.html"
    report.write_text(render_report(project, compare_runs(project, ["a", "b"], seeds=1)), "utf-8")
    context = browser.new_context(color_scheme=theme, offline=True)
    page = context.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(report.as_uri())
    expect(page.get_by_role("heading", name="Rows that differ")).to_be_visible()
    expect(page.get_by_text(SCRIPT).first).to_be_visible()
    assert page.evaluate("window.hurt === undefined")
    assert asked == [report.as_uri()] and not said
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark == ("rgb(15, 19, 26)" if theme == "dark" else "rgb(255, 255, 255)")
    # Nothing is wider than a narrow window.
    page.set_viewport_size({"width": 420, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
