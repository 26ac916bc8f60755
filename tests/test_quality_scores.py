"""Quality from a file of scores and by named heuristics."""

import json
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import InputError
from core.pool import Pool
from core.project import Project
from core.quality import HEURISTICS, quality_of, read_scores
from core.recipe import read_recipe
from core.replay import replay
from core.runs import load_run, select

SCORES = np.random.default_rng(3).uniform(0, 9, 240)


def write(path, rows, scores):
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"score": scores, "row": rows, "by": ["me"] * len(rows)}), path)
    elif path.suffix == ".jsonl":
        lines = [
            json.dumps({"row": int(r), "score": float(s)})
            for r, s in zip(rows, scores, strict=True)
        ]
        path.write_text("\n".join(lines))
    else:
        comma = "\t" if path.suffix == ".tsv" else ","
        lines = [f"{row}{comma}{score}" for row, score in zip(rows, scores, strict=True)]
        path.write_text("\n".join([f"row{comma}score", *lines]))
    return path


@pytest.mark.parametrize("name", ["s.csv", "s.tsv", "s.jsonl", "s.parquet"])
def test_scores_are_read_in_any_order(tmp_path, name):
    rows = np.random.default_rng(0).permutation(240)
    path = write(tmp_path / name, rows, SCORES[rows])
    np.testing.assert_allclose(read_scores(path, 240, np.arange(240)), SCORES)
    some = write(tmp_path / name, rows[:100], SCORES[rows[:100]])
    found = read_scores(some, 240, np.sort(rows[:50]))
    assert np.count_nonzero(np.isnan(found)) == 140


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("row,score\n0,1\n1,2\n", "has no score for row 2 and 1 others; add them or drop"),
        ("row,score\n0,1\n1,2\n2,x\n3,1\n", "Column 'score' of .* must hold numbers"),
        ("row,score\n0,1\n1,\n2,3\n3,4\n", "has no finite score for row 1"),
        ("row,score\n0,1\n1,2\n2,3\n3,4\n1,5\n", "has several scores for row 1"),
        ("row,score\n0,1\n1,2\n2,3\n4,4\n", "has a score for row 4; the pool has rows 0 to 3"),
        ("row,score\n0,1\n0.5,2\n", "has a score for row 0.5"),
        ("row,score\n-1,1\n", "has a score for row -1"),
        ("id,score\n0,1\n", "needs one column 'row'; it has id, score"),
        ("", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_scores(tmp_path / "s.csv", 4, np.arange(4))
    assert caught.value.option == "quality_file" and "\n" not in str(caught.value)


def test_no_file_of_scores(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        read_scores(tmp_path / "gone.csv", 4, np.arange(4))
    with pytest.raises(InputError, match=r"is no file of scores; give .csv, .tsv"):
        read_scores(tmp_path / "s.xlsx", 4, np.arange(4))


def test_a_run_by_a_file_is_replayed_and_a_changed_file_is_named(
    winnow_json, mapped_root, tmp_path
):
    path = write(tmp_path / "s.csv", np.arange(240), SCORES)
    report = winnow_json(
        "select", mapped_root, "--method", "deita", "--budget", 12, "--quality-file", path,
        "--duplicate-cosine", 1, "--name", "r",
    )  # fmt: skip
    assert report["selected"] == 12
    run = load_run(Project.open(mapped_root), "r")
    assert set(run.rows) == set(np.argsort(-SCORES)[:12])
    kept = read_recipe(run.recipe_path)["selection"]["quality_file"]
    assert kept["path"] == str(path) and len(kept["sha256"]) == 64
    assert replay(run.recipe_path).same
    path.write_text(path.read_text() + "\n")
    with pytest.raises(InputError, match=r"s\.csv is not the file that the recipe used"):
        replay(run.recipe_path)


def test_one_quality_at_a_time(mapped_root, tmp_path):
    project = Project.open(mapped_root)
    with pytest.raises(InputError, match="not both") as caught:
        select(project, method="kmq", budget=9, quality="score", quality_file="s.csv")
    assert caught.value.option == "quality"
    report = select(project, method="random", budget=9, quality_file=str(tmp_path / "gone.csv"))
    assert report.notes == ("Random uses no quality; it was left out.",)


def test_heuristics_are_what_they_say(mapped_root):
    project = Project.open(mapped_root)
    pool = Pool.open(project)
    page = pool.page(np.arange(240))
    texts = pool.texts(0, 240)
    np.testing.assert_allclose(
        quality_of(pool, "heuristic:length"), np.log(1 + page["n_chars"].to_numpy())
    )
    np.testing.assert_allclose(
        quality_of(pool, "heuristic:answer-length"), [np.log(1 + len(a)) for a in page["answer"]]
    )
    shares = [min(1, len(zlib.compress(text.encode())) / len(text.encode())) for text in texts]
    np.testing.assert_allclose(quality_of(pool, "heuristic:variety"), shares)
    for heuristic in HEURISTICS.values():
        assert heuristic.definition.endswith(".") and heuristic.label and heuristic.source
    with pytest.raises(InputError, match=r"no heuristic 'x'; use one of heuristic:length, heur"):
        quality_of(pool, "heuristic:x")
    select(project, method="kmq", budget=9, quality="heuristic:length", name="r")
    assert replay(load_run(project, "r").recipe_path).same
