"""What was done is said at the foot of the window, in a real browser."""

import numpy as np
import pytest
from driver import APP, MapOnPage, wait_idle
from playwright.sync_api import expect

from core.decisions import decide, load_decisions
from core.project import Project

UNDER = """notice => {
  const box = notice.getBoundingClientRect();
  const nodes = [...document.querySelectorAll("button, input, [role=radio]")];
  return nodes.filter((node) => {
    const one = node.getBoundingClientRect();
    return one.width && one.left < box.right && one.right > box.left &&
      one.top < box.bottom && one.bottom > box.top;
  }).map((node) => node.outerHTML.slice(0, 80));
}"""


@pytest.fixture
def page(serve, open_page, mapped_root):
    server = serve(APP, env={"WINNOW_PROJECTS": str(mapped_root.parent)})
    page = open_page(f"{server.url}/map?project=planted&sel=%3Dr{','.join(map(str, range(40)))}")
    MapOnPage(page).ready()
    return page


def test_a_decision_is_told_beside_the_controls_and_taken_back_there(page, mapped_root):
    project, notice = Project.open(mapped_root), page.locator(".notice[aria-live]")
    page.get_by_role("button", name="Drop 40").click()
    expect(notice).to_contain_text("Dropped 40 rows.")
    assert notice.evaluate(UNDER) == []
    notice.get_by_role("button", name="Undo").click()
    expect(notice).to_contain_text("Taken back: dropped 40 rows.")
    assert not load_decisions(project, 240).dropped.any()
    wait_idle(page)
    page.get_by_text("kept 240 of 240").click()
    page.keyboard.press("Control+Shift+z")
    expect(notice).to_have_text("Put back: dropped 40 rows. Undo", use_inner_text=True)
    # What it could take back is not the last decision any more.
    decide(project, 240, "drop", np.arange(40, 50), "another window")
    expect(page.get_by_text("kept 190 of 240")).to_be_visible()
    expect(notice.locator(".act")).to_be_hidden()
    notice.get_by_role("button", name="Close").click()
    expect(notice).to_be_hidden()
    page.get_by_role("link", name="Pool").click()
    expect(page.get_by_text("Exact duplicates")).to_be_visible()
    wait_idle(page)
    expect(notice).to_be_hidden()


def test_a_notice_goes_by_itself_and_one_of_a_failure_stays(page):
    notice = page.locator(".notice[aria-live]")
    page.clock.install()
    page.get_by_role("button", name="Pin").click()
    expect(notice).to_contain_text("Pinned 40 rows.")
    page.clock.fast_forward(10_000)
    expect(notice).to_be_hidden()
    page.evaluate("location.search = '?project=planted&sel=nonsense'")
    expect(notice).to_contain_text("cannot be read")
    page.clock.fast_forward(100_000)
    expect(notice).to_be_visible()
