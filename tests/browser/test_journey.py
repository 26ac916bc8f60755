"""What a person does: from a first visit to an exported file, in a real browser."""

import json
import re
from pathlib import Path

import pytest
from driver import APP, MapOnPage, wait_idle
from playwright.sync_api import Page, expect

MINUTE = 60_000
# All of the map but its upper left corner, where the toolbar is.
AROUND_MOST = ((0.01, 0.13), (0.5, 0.13), (0.5, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99))


@pytest.fixture
def home(mapped_root):
    """A home folder with the planted project in it."""
    return mapped_root.parent


def visit(serve, open_page, home, path="", **options):
    server = serve(APP, env={"WINNOW_PROJECTS": str(home)})
    return open_page(f"{server.url}/{path}?project=planted", **options)


def go(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).first.click()
    wait_idle(page)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=re.compile(label)).click()
    page.get_by_role("option", name=re.compile(option)).first.click()
    wait_idle(page)


def test_from_a_first_visit_to_an_exported_file(serve, open_page, planted_files, tmp_path):
    home = tmp_path / "home"
    server = serve(APP, env={"WINNOW_PROJECTS": str(home)})
    page = open_page(server.url)
    expect(page.get_by_text("A new pool")).to_be_visible()
    page.locator('input[type="file"]').first.set_input_files(planted_files / "pool.jsonl")
    page.get_by_text("pool.jsonl").first.wait_for()
    wait_idle(page)
    expect(page.get_by_text("Read as alpaca")).to_be_visible()
    page.get_by_role("button", name="Read the rows").click()
    build = page.get_by_role("button", name="Build the map")
    expect(build).to_be_enabled(timeout=MINUTE)
    page.get_by_text("Static", exact=True).click()
    wait_idle(page)
    build.click()
    expect(page.get_by_role("link", name="Open the map")).to_be_visible(timeout=3 * MINUTE)
    go(page, "Map")
    MapOnPage(page).ready()
    go(page, "Select")
    choose(page, "Method", "^Random$")
    expect(page.get_by_text("Where the rows come from")).to_be_visible(timeout=MINUTE)
    page.get_by_role("button", name="Save run").click()
    expect(page.get_by_text("Saved as random-1")).to_be_visible(timeout=MINUTE)
    go(page, "Export")
    choose(page, "Format", "OpenAI")
    page.get_by_role("button", name="Write the files").click()
    download = page.get_by_role("button", name="Download as a ZIP")
    expect(download).to_be_visible(timeout=MINUTE)
    with page.expect_download() as waiting:
        download.click()
    assert waiting.value.suggested_filename.endswith(".zip")
    (written,) = home.glob("pool/exports/*/*.jsonl")
    rows = [json.loads(line) for line in written.read_text().splitlines()]
    assert len(rows) == 12 and all(row["messages"][-1]["role"] == "assistant" for row in rows)


def test_a_lasso_selects_drops_and_is_undone(serve, open_page, home):
    page = visit(serve, open_page, home)
    drawn = MapOnPage(page).ready()
    drawn.tool("lasso")
    selected = page.get_by_text(re.compile(r"^\d+ rows selected$"))
    drawn.drag(*AROUND_MOST)
    expect(selected).to_be_visible()
    most = selected.inner_text()
    drawn.drag((0.01, 0.13), (0.5, 0.13), (0.5, 0.99), (0.01, 0.99), (0.01, 0.14))
    expect(selected).not_to_have_text(most)
    count = int(selected.inner_text().split()[0])
    assert 0 < count < int(most.split()[0]) <= 240
    page.get_by_role("button", name=f"Drop {count}").click()
    expect(page.get_by_text(f"kept {240 - count} of 240")).to_be_visible()
    # Its key is known once its button is there.
    expect(page.get_by_role("button", name="Undo Shortcut")).to_be_enabled()
    page.keyboard.press("Control+z")
    expect(page.get_by_text("kept 240 of 240")).to_be_visible()


def test_a_click_on_a_point_shows_its_row(serve, open_page, home):
    page = visit(serve, open_page, home)
    drawn = MapOnPage(page).ready()
    for x, y in [(x / 40, y / 30) for y in range(3, 27) for x in range(3, 37)]:
        page.mouse.move(*drawn.at(x, y))
        if drawn.stage.get_attribute("data-cursor") == "point":
            page.mouse.click(*drawn.at(x, y))
            break
    expect(page.get_by_text(re.compile(r"^Row \d+$"))).to_be_visible()
    expect(page.get_by_text("Assistant", exact=True)).to_be_visible()


def test_a_reload_in_the_middle_of_a_job_finds_it_again(serve, open_page, home, tmp_path):
    rows = [
        {"instruction": f"Question {i}? " + "word " * 120, "output": "because " * 60}
        for i in range(4_000)
    ]
    source = tmp_path / "slow.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)))
    from core.stages import run_stage

    run_stage("init", home / "slow", {"files": [str(source)]})
    server = serve(APP, env={"WINNOW_PROJECTS": str(home)})
    page = open_page(f"{server.url}/pool?project=slow")
    expect(page.get_by_role("dialog")).to_have_count(0)  # a new server knows its pages
    page.get_by_text("MiniLM", exact=True).click()
    wait_idle(page)
    page.get_by_role("button", name="Build the map").click()
    strip = page.get_by_text(re.compile("Embedding rows"))
    expect(strip).to_be_visible(timeout=MINUTE)
    page.reload()
    expect(strip).to_be_visible(timeout=MINUTE)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("what was finished is kept")).to_be_visible(timeout=MINUTE)
    expect(page.get_by_role("button", name="Resume")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_in_light_and_dark(serve, open_page, home, theme):
    from core.project import Project
    from core.runs import select

    select(Project.open(home / "planted"), method="random", budget=10, name="ten")
    page = visit(serve, open_page, home, theme=theme)
    for name, sign in [
        ("Pool", "Exact duplicates"),
        ("Map", "Clusters"),
        ("Select", "Where the rows come from"),
        ("Export", "The recipe"),
    ]:
        go(page, name)
        expect(page.get_by_text(sign).first).to_be_visible()
        assert page.locator('[data-testid="stException"]').count() == 0
    background = page.locator('[data-testid="stApp"]').evaluate(
        "node => getComputedStyle(node).backgroundColor"
    )
    shade = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
    assert shade > 200 if theme == "light" else shade < 50


@pytest.mark.parametrize("name", ["", "pool", "map", "select", "export"])
def test_the_first_address_that_a_new_server_gets_is_known(name, serve, open_page, home):
    page = visit(serve, open_page, home, name)
    expect(page.get_by_text("kept 240 of 240")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_markup_in_rows_is_shown_as_text(serve, open_page, tmp_path):
    row = {
        "instruction": '<img src=x onerror="window.bad=1"> **not bold** [x](javascript:bad)',
        "output": "<script>window.bad=1</script> $x^2$ :red[no]",
    }
    source = tmp_path / "markup.jsonl"
    source.write_text(json.dumps(row) + "\n")
    from core.stages import run_stage

    home = tmp_path / "home"
    run_stage("init", home / "markup", {"files": [str(source)]})
    server = serve(APP, env={"WINNOW_PROJECTS": str(home)})
    page = open_page(f"{server.url}/pool?project=markup")
    assert Path(home / "markup").is_dir()
    table = page.locator('[data-testid="stDataFrame"] canvas').first
    table.wait_for()
    box = table.bounding_box()
    dialog = page.get_by_role("dialog")
    for _ in range(40):  # the grid listens a moment after it is drawn
        page.mouse.click(box["x"] + 400, box["y"] + 52)
        page.wait_for_timeout(500)
        if dialog.count():
            break
    expect(dialog.get_by_text("**not bold**")).to_be_visible()
    expect(dialog.get_by_text("<script>window.bad=1</script>")).to_be_visible()
    assert page.evaluate("window.bad") is None
