"""The commands of a refinement: their JSON, their sentences, their exit codes."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer

from core import cli
from core.clusters import require_clusters
from core.pool import Pool
from core.project import Project


def _scores(path, rows):
    path.write_text("row,score\n" + "".join(f"{row},{1 + row % 7}\n" for row in rows))
    return path


def _rows(file):
    return [json.loads(line)["row"] for line in Path(file).read_text().splitlines()]


def test_three_rounds_a_rollback_and_a_branch(winnow_json, mapped_root, tmp_path):
    made = winnow_json(
        *("refine", "start", mapped_root, "--rounds", 3, "--budget", 31, "--name", "r"),
        *("--within", "kmq", "--quality", "score", "--seed", 4, "--scorer", "import"),
    )
    assert (made["state"], made["round"], made["selected"]) == ("ready", 0, 0)
    assert made["weights"] == [0.25] * 4 and made["scores"] == [None] * 4
    for number in (1, 2, 3):
        waits = winnow_json("refine", "step", mapped_root, "--name", "r")
        assert (waits["state"], waits["round"]) == ("waiting", number - 1)
        assert str(len(_rows(waits["file"]))) in waits["waiting"]
        file = _scores(tmp_path / "s.csv", _rows(waits["file"]))
        made = winnow_json("refine", "score", mapped_root, "--name", "r", "--file", file)
        assert made["round"] == number and sum(made["weights"]) == pytest.approx(1)
        assert made["selected"] == [11, 21, 31][number - 1]
        assert all(one is None or 1 <= one <= 7 for one in made["scores"])
    assert made["state"] == "finished" and [one["rows"] for one in made["done"]] == [11, 10, 10]
    runs = winnow_json("runs", mapped_root)["runs"]
    assert (runs[0]["run"], runs[0]["method"], runs[0]["rows_sha256"]) == (
        *("r", "refine"),
        made["rows_sha256"],
    )
    out = winnow_json(
        *("export", mapped_root, "r", "--format", "jsonl", "--out", tmp_path / "out"),
        "--with-selection",
    )
    assert out["rows"] == 31
    recipe = winnow_json("replay", mapped_root / "runs" / "r" / "recipe.yaml")
    assert recipe["same"] and recipe["rows_sha256"] == made["rows_sha256"]

    branch = winnow_json("refine", "branch", mapped_root, "--name", "r", "--new", "b", "--round", 1)
    assert (branch["name"], branch["round"], branch["selected"]) == ("b", 1, 11)
    back = winnow_json("refine", "rollback", mapped_root, "--name", "r", "--round", 2)
    assert (back["round"], back["selected"], back["state"]) == (2, 21, "ready")
    changed = winnow_json(
        *("refine", "reweight", mapped_root, "--name", "r", "--clusters", "0,2-3"),
        *("--factor", 0),
    )
    assert changed["weights"] == [0, 1, 0, 0]
    assert winnow_json("refine", "status", mapped_root, "--name", "r") == changed
    listed = winnow_json("refine", "list", mapped_root)["refinements"]
    assert [one["name"] for one in listed] == ["b", "r"]
    assert winnow_json("refine", "delete", mapped_root, "--name", "b") == {"deleted": "b"}
    assert [one["run"] for one in winnow_json("runs", mapped_root)["runs"]] == ["r"]


def test_a_person_reads_what_comes_next(winnow, mapped_root):
    start = ("refine", "start", mapped_root, "--ratio", 0.1, "--name", "r", "--scorer", "import")
    said = winnow(*start, check=0).stdout
    assert "r: 0 of 3 rounds, 0 rows of 24." in said and "refine step" in said
    said = winnow("refine", "run", mapped_root, "--name", "r", check=0).stdout
    assert "rows.jsonl with `refine score`" in said
    lines = winnow("refine", "status", mapped_root, "--name", "r", check=0).stdout.splitlines()
    at = lines.index("Clusters with the most weight:") + 1
    assert lines[at].split() == ["cluster", "weight", "title"]
    titles = require_clusters(Project.open(mapped_root)).titles
    named = [line.split(maxsplit=2) for line in lines[at + 1 : at + 5]]
    assert {(int(number), title) for number, _, title in named} == {*enumerate(titles)}
    assert "waiting" in winnow("refine", "list", mapped_root, check=0).stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--budget", 500], "--budget: The budget of 500 rows is larger than the pool of 240"),
        (["--budget", 2], "--rounds: 2 rows cannot be drawn in 3 rounds"),
        (["--budget", 9, "--ratio", 0.1], "Give either --ratio or --budget"),
        (["--budget", 9, "--trainer", "magic"], "--trainer: There is no trainer 'magic'; use one"),
        (["--budget", 9, "--scorer", "magic"], "--scorer: There is no scorer 'magic'; use one"),
        (["--budget", 9, "--update", "magic"], "--update: Update of the weights must be one of"),
        (["--budget", 9, "--within", "kmq"], "kMQ goes by quality; give a column"),
        (["--budget", 9, "--trainer-option", "speed=3"], "No training has no parameter 'speed'"),
        (["--budget", 9, "--trainer-option", "speed"], "--trainer-option takes NAME=VALUE"),
        (["--budget", 9, "--seed", -1], "--seed: The seed must be"),
        (["--budget", 9, "--eta", 99], "--eta: Speed of the weights must be between"),
        (["--budget", 9, "--name", "a b"], "--name: 'a b' cannot name a run"),
    ],
)
def test_a_bad_start_is_one_sentence(winnow, mapped_root, options, sentence):
    named = [] if "--name" in options else ["--name", "r"]
    done = winnow("refine", "start", mapped_root, *named, *options, check=2)
    assert sentence in done.stderr and done.stderr.count("\n") == 1
    assert not (mapped_root / "refinements").exists()


def test_without_clusters_or_rows_nothing_starts(winnow, mapped_root):
    start = ("refine", "start", mapped_root, "--budget", 9, "--name", "r")
    everything = f"0-{Pool.open(Project.open(mapped_root)).rows - 1}"
    winnow("drop", mapped_root, "--rows", everything, check=0)
    assert "All rows are dropped" in winnow(*start, check=2).stderr
    winnow("undo", mapped_root, check=0)
    with Project.open(mapped_root).database() as db:
        db.execute("DELETE FROM pointers WHERE kind LIKE 'clusters:%'")
    assert "has no clusters yet; run `python" in winnow(*start, check=2).stderr


def test_names_do_not_clash(winnow, mapped_root):
    start = ("refine", "start", mapped_root, "--budget", 9, "--name")
    random = ("select", mapped_root, "--method", "random", "--budget", 9, "--name")
    winnow(*random, "x", check=0)
    assert "A run 'x' exists already" in winnow(*start, "x", check=2).stderr
    winnow(*start, "r", check=0)
    assert "A refinement 'r' exists already" in winnow(*start, "r", check=2).stderr
    assert "A refinement 'r' exists already" in winnow(*random, "r", check=2).stderr
    assert (
        "No refinement 'q'" in winnow("refine", "step", mapped_root, "--name", "q", check=2).stderr
    )


def test_every_option_has_a_line(winnow):
    app = typer.main.get_command(cli.app).commands["refine"]
    listed = winnow("refine", "--help", check=0).stdout
    assert "..." not in listed.partition("Commands:")[2]
    for name, command in app.commands.items():
        assert command.help, name
        for parameter in command.params:
            assert parameter.help, (name, parameter.name)
            assert parameter.metavar or parameter.is_flag, (name, parameter.name)


def test_kinds_are_listed(winnow_json):
    kinds = winnow_json("refine", "kinds")["kinds"]
    assert {("trainer", "manual"), ("scorer", "import")} <= {
        (one["kind"], one["id"]) for one in kinds
    }


def test_weights_have_a_number_for_each_cluster(winnow_json, mapped_root):
    made = winnow_json("refine", "start", mapped_root, "--budget", 9, "--name", "r")
    assert len(made["weights"]) == len(made["scores"]) == 4 and np.isfinite(made["weights"]).all()
