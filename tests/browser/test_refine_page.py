"""Refining in a real browser: three rounds, a cluster, back a round, a branch, then Compare."""

from driver import APP, wait_idle
from playwright.sync_api import expect

from core.project import Project
from core.refinement.history import history_of
from core.refinement.loop import status
from core.runs import load_run

MINUTE = 60_000


def test_three_rounds_a_cluster_a_way_back_and_a_branch(serve, open_page, mapped_root):
    project = Project.open(mapped_root)
    server = serve(APP, env={"WINNOW_PROJECTS": str(mapped_root.parent)})
    page = open_page(f"{server.url}/refine?project=planted")

    def press(name, inside=None):
        wait_idle(page)
        (inside or page).get_by_role("button", name=name, exact=True).last.click()

    def done(rounds):
        expect(page.get_by_text(f"{rounds} of 3 rounds")).to_be_visible(timeout=MINUTE)
        wait_idle(page)

    rows = page.get_by_role("spinbutton", name="Rows", exact=True)
    rows.fill("30")
    rows.press("Enter")
    expect(page.get_by_text("Draws 10 rows by the weights of 4 clusters")).to_be_visible()
    press("Start")
    done(0)
    press("Step")
    done(1)
    expect(page.get_by_text("What a round brought")).to_be_visible()
    press("Run all")
    done(3)
    assert status(project, "refined").selected == 30
    for text in ("now", "0 %", history_of(project, "refined").clusters.titles[0]):  # on the strip
        expect(page.locator(".stPlotlyChart").first).to_contain_text(text)

    # A cell of the strip opens its cluster: the last column is the lightest cluster.
    report = status(project, "refined")
    least = min(range(4), key=lambda number: report.weights[number])
    page.locator(".stPlotlyChart .scatterlayer").first.wait_for(state="attached")
    plot = page.locator(".stPlotlyChart .nsewdrag").first.bounding_box()
    page.mouse.click(plot["x"] + 0.9 * plot["width"], plot["y"] + 0.4 * plot["height"])
    expect(page.get_by_text(f"weight {report.weights[least]:.2%}")).to_be_visible()
    expect(page.get_by_text("Best", exact=True)).to_be_visible()

    # Back to the end of round 2; then its next round has half of a cluster's weight.
    press("Roll back")
    popover = page.get_by_test_id("stPopoverBody")
    expect(popover.get_by_role("combobox")).to_have_value("round 2")
    press("Roll back", popover)
    done(2)
    assert load_run(project, "refined").report.selected == 20
    page.keyboard.press("Escape")
    press("Halve")
    expect(page.get_by_text("By hand, for the next draw: × 0.5")).to_be_visible()

    press("Branch")
    popover = page.get_by_test_id("stPopoverBody")
    popover.get_by_role("textbox", name="Name").fill("other")
    popover.get_by_role("textbox", name="Name").press("Enter")
    press("Branch", popover)
    expect(page.get_by_text("other is a branch of refined")).to_be_visible(timeout=MINUTE)
    done(2)
    page.keyboard.press("Escape")
    page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Compare").click()
    expect(page.get_by_text("other · 20 rows").first).to_be_visible(timeout=MINUTE)
