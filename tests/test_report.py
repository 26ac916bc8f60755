"""The report of a comparison: one file that says it all, in which nothing can run."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from core import cli
from core.compare import compare_runs
from core.errors import InputError
from core.metrics import METRICS
from core.pool import Pool
from core.project import Project, file_sha256
from core.report import render_report, report_place, write_report
from core.report_map import WIDTH, draw_rows, lay_ground
from core.runs import load_run, select
from core.selection import RULES
from core.stages import run_stage
from core.workspace import Workspace

HOSTILE = [
    '<script>window.hurt = 1</script><img src=x onerror="window.hurt = 1">',
    '"><svg onload=window.hurt=1>',
    "</title></style></table><b>{{ 7 * 191 }}</b>",
]


@pytest.fixture
def project(mapped_root):
    project = Project.open(mapped_root)
    select(project, method="tsds-kde", budget=24, target="cooking", name="near")
    select(project, method="random", budget=24, seed=3, name="plain")
    select(project, method="random", budget=12, seed=4, name="small")
    return project


class Reader(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_the_report_says_what_was_compared(project):
    found = compare_runs(project, ["near", "plain"], seeds=2)
    page = Reader(render_report(project, found))
    for words in (
        "NovelSum ↑", "Transport to the target, cooking ↓", "240 rows", RULES["tsds-kde"].label,
        file_sha256(load_run(project, "near").recipe_path),
        load_run(project, "plain").report.rows_sha256, "numpy " + np.__version__,
        f"{len(found.overlaps[0].shared)}", "In near, not in plain", "In plain, not in near",
    ):  # fmt: skip
        assert words in page.text, words
    titles = [attrs["title"] for tag, attrs in page.tags if tag == "abbr"]
    assert any("Mean novelty of a chosen row" in title for title in titles)
    assert sum(tag == "svg" and attrs.get("role") == "img" for tag, attrs in page.tags) == 2
    texts = set(Pool.open(project).page(found.overlaps[0].only_first)["prompt"])
    assert sum(text in page.text for text in texts) == 8
    assert "pulled by “" in page.text and "pulled by target" not in page.text
    assert "near: TSDS KNN-KDE (tsds-kde), like cooking, 24 rows." in page.text
    assert page.text.count(METRICS["target_knn"].definition) == 1


def test_the_report_says_what_a_run_had_to_obey(project, tmp_path):
    scores = tmp_path / "scores.csv"
    scores.write_text("row,score\n" + "".join(f"{row},{row}\n" for row in range(240)))
    bounds = {"limits": ["source:cooking=..3", "cluster=2.."], "max_cosine": 0.95, "semdedup": 0.97}
    select(project, method="deita", budget=20, name="bound", quality_file=scores, **bounds)
    text = Reader(render_report(project, compare_runs(project, ["bound"], seeds=1))).text
    for words in ("source:cooking=..3, cluster=2..", "max cosine0.95", "semdedup0.97"):
        assert words in text, words
    assert "quality filescores.csv" in text


def test_the_file_needs_nothing_but_itself(project):
    html = render_report(project, compare_runs(project, ["near", "plain", "small"], seeds=1))
    page = Reader(html)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "img", "iframe")]
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    addresses = [a for _, attrs in page.tags for a in (attrs.get("href"), attrs.get("src")) if a]
    assert set(addresses) == {"#ground"}
    (policy,) = (a["content"] for tag, a in page.tags if "http-equiv" in a)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert "http://" not in html and "https://" not in html and len(html) < 200_000


def test_one_run_is_set_beside_random_and_the_pool(project):
    page = Reader(render_report(project, compare_runs(project, ["near"], seeds=1)))
    assert "also in a random draw" in page.text and "the kept rows %" in page.text
    assert "Rows that differ" not in page.text and "Overlap" not in page.text


def test_markup_in_rows_sources_and_reasons_stays_text(tmp_path):
    rows = [
        {"instruction": f"{HOSTILE[i % 3]} {i}", "output": HOSTILE[0], "source": HOSTILE[i % 2]}
        for i in range(40)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    np.save(tmp_path / "vectors.npy", np.random.default_rng(0).normal(size=(40, 6)))
    root = tmp_path / "hostile"
    run_stage("init", root, {"files": [str(tmp_path / "rows.jsonl")]})
    run_stage("embed", root, {"features": str(tmp_path / "vectors.npy")})
    project = Project.open(root)
    select(project, method="random", budget=9, name="a")
    select(project, method="stratified", budget=9, seed=1, name="b")
    html = render_report(project, compare_runs(project, ["a", "b"], seeds=1))
    page = Reader(html)
    assert not {"script", "img", "b"} & {tag for tag, _ in page.tags}
    assert not [attrs for _, attrs in page.tags if "onload" in attrs or "onerror" in attrs]
    assert HOSTILE[0] in page.text and "{{ 7 * 191 }}" in page.text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "is a folder"),
        ("taken.html", "exists already; choose another name or add --overwrite"),
        ("taken.html/inside.html", "is a file; choose another place for inside.html"),
        ("report.pdf", "A report is an .html file, not report.pdf; give report.html"),
        ("", "path is empty"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused_before_any_work(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "taken.html").write_text("mine")
    with pytest.raises(InputError, match=message) as caught:
        report_place(tmp_path / name if name else "")
    assert caught.value.option == "html"
    assert (tmp_path / "taken.html").read_text() == "mine"


def test_the_suffix_is_added_and_a_file_replaced_when_asked(tmp_path, project):
    found = compare_runs(project, ["small"], seeds=1)
    place = report_place(tmp_path / "new" / "report")
    assert write_report(project, found, place) == tmp_path / "new" / "report.html"
    before = place.stat().st_ino
    write_report(project, found, report_place(place, overwrite=True))
    assert place.stat().st_ino != before and len(list(place.parent.iterdir())) == 1


def test_the_command_line_and_python_write_the_same_report(project, capfd, monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("core.report.time.strftime", lambda *_: "now")
    out = project.root / "by-command.html"
    arguments = ["--json", "compare", str(project.root), "near", "plain", "--html", str(out)]
    assert cli.main(arguments) == 0
    assert json.loads(capfd.readouterr().out)["html"] == str(out)
    Workspace(project).report("near", "plain", out=project.root / "by-python.html")
    assert out.read_text() == (project.root / "by-python.html").read_text()
    assert cli.main(arguments) == 2
    assert "--html: " in capfd.readouterr().err
    assert cli.main([*arguments, "--overwrite"]) == 0


def test_points_on_the_picture_are_where_they_are_on_the_map():
    points = np.array([[0, 0], [1, 0], [1, 0.5], [0.5, 0.25]], np.float32)
    places = np.array([[0.5, 0.25], [0.5, 0.26], [np.nan, np.nan]])
    ground = lay_ground(points, ["large", "small", "nowhere"], places, [9, 5, 7])
    assert ground.height == 510
    assert ground.points.tolist() == [[10, 500], [WIDTH - 10, 500], [WIDTH - 10, 10], [500, 255]]
    assert draw_rows(ground, np.array([0, 2])) == "M10 500h0M990 10h0"
    assert [label.text for label in ground.labels] == ["large"]


def test_a_large_pool_is_drawn_by_a_sample():
    points = np.random.default_rng(0).uniform(size=(60_000, 2)).astype(np.float32)
    ground = lay_ground(points, [], np.empty((0, 2)), [])
    assert len(re.findall("M", ground.path)) == 12_000
    assert len(ground.path) < 150_000 and len(draw_rows(ground, np.arange(50_000))) < 80_000
