"""A stored run, exported and previewed."""

import json
import time
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.export import EXPORT_FORMATS, preview
from core.export.preview import _places
from core.ingest import init_pool
from core.project import Project
from core.runs import RunReport, export_run

ROWS = [{"instruction": f"Question {i}", "input": "", "output": f"Answer {i}"} for i in range(6)]
LONG = {"instruction": "x" * 5000, "input": "", "output": "y"}
CHAT = {
    "messages": [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi!"},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "Bye!"},
    ]
}
CHOSEN = np.array([1, 2, 5])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "in.json").write_text(json.dumps([*ROWS, LONG, CHAT]))
    init_pool(folder / "project", [folder / "in.json"])
    project = Project.open(folder / "project")
    run = project.artefact("runs", "mine")
    run.mkdir(parents=True)
    table = {
        "row": CHOSEN,
        "probability": [0.5, 1.0, 0.25],
        "cluster": np.array([3, -1, 0], np.int32),
        "why": ["drawn", "pinned", "drawn"],
    }
    pq.write_table(pa.table(table), run / "selection.parquet")
    (run / "recipe.yaml").write_text("winnow_recipe: 1\nproject: é\n", encoding="utf-8")
    report = RunReport("mine", "random", 3, 8, "", {}, (), {}, 0.1)
    with project.database() as db:
        db.execute(
            "INSERT INTO runs VALUES (?, ?, ?)", ("mine", time.time(), json.dumps(asdict(report)))
        )
    return project


def test_run_is_written_with_its_recipe(project, tmp_path):
    report = export_run(project, "mine", format="jsonl", out=tmp_path / "x.jsonl")
    found = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert found == [ROWS[row] for row in CHOSEN]
    assert (report.path, report.rows, report.dropped) == (str(tmp_path / "x.jsonl"), 3, 0)
    recipe = yaml.safe_load((tmp_path / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["project"] == "é"
    assert recipe["export"]["run"] == "mine"


def test_selection_columns_stand_beside_their_rows(project, tmp_path):
    out = tmp_path / "x.parquet"
    export_run(project, "mine", format="parquet", out=out, with_selection=True)
    table = pq.read_table(out)
    assert table["instruction"].to_pylist() == [ROWS[row]["instruction"] for row in CHOSEN]
    assert table["winnow_probability"].to_pylist() == [0.5, 1.0, 0.25]
    assert table["winnow_cluster"].to_pylist() == [3, -1, 0]
    assert table["winnow_reason"].to_pylist() == ["drawn", "pinned", "drawn"]


def test_unknown_run(project, tmp_path):
    with pytest.raises(InputError, match="No run 'other'"):
        export_run(project, "other", format="jsonl", out=tmp_path / "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format_id", EXPORT_FORMATS)
def test_preview_shows_the_rows_as_they_will_be(project, format_id):
    text = preview(project, CHOSEN, format_id, count=2).text
    assert "Question 1" in text
    assert "Answer 2" in text
    assert "Question 5" not in text


def test_preview_shows_the_files_of_a_folder(project):
    assert '"formatting"' not in preview(project, CHOSEN, "llama-factory", name="mine").text
    assert '"file_name": "mine.json"' in preview(project, CHOSEN, "llama-factory", name="mine").text
    assert '"formatting": "sharegpt"' in preview(project, np.arange(8), "llama-factory").text
    assert "type: chat_template" in preview(project, np.arange(8), "axolotl").text


def test_preview_is_short(project):
    text = preview(project, np.array([6]), "jsonl").text
    assert "4,600 more characters" in text
    assert len(text) < 1000


@settings(max_examples=50)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=15), st.booleans())
def test_preview_looks_at_every_large_source(sizes, mixed):
    sources = np.repeat(np.arange(len(sizes)), sizes)
    if mixed:
        sources = np.random.default_rng(0).permutation(sources)
    places = _places(sources)
    assert set(sources[places]) == set(range(len(sizes)))
    assert places[0] == 0 and len(places) == len(set(places)) <= 480
    assert places.min() >= 0 and places.max() < len(sources)


def test_preview_says_which_rows_do_not_fit(project):
    shown = preview(project, np.arange(8), "alpaca", count=1)
    assert shown.unfit.startswith("Row 7 has several turns (4), which Alpaca cannot hold (1 of 8")
    assert "Question 0" in shown.text
