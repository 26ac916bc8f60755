"""Quality by a given model, against the same numbers worked out row by row."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import typer
from pools import build
from refining import diverge, make_work, question_rows, save_tiny_causal, silent
from transformers import AutoModelForCausalLM, AutoTokenizer

from core import cli
from core.clusters import require_clusters
from core.decisions import decide
from core.errors import InputError
from core.pool import Pool
from core.project import Project
from core.quality import read_scores
from core.refinement.model_quality import MEASURES
from core.refinement.models import load_model
from core.refinement.quality_file import write_quality
from core.refinement.registry import SCORERS
from core.refinement.steps import Ground
from core.workspace import Workspace


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny_causal(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def by_hand(tiny):
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    network = AutoModelForCausalLM.from_pretrained(tiny).eval()

    def log_probabilities(ids):
        with torch.no_grad():
            return torch.log_softmax(network(torch.tensor([ids])).logits[0].double(), -1)

    return tokenizer, log_probabilities


def _scored(measure, model, records, max_tokens):
    rows = np.arange(len(records))
    score = MEASURES[measure]
    return score(load_model(model, "cpu"), records, max_tokens, rows=rows, progress=silent)


def test_difficulty_is_the_ratio_of_two_losses(tmp_path, tiny, by_hand):
    tokenizer, log_probabilities = by_hand
    work = make_work(tmp_path, chosen=[0, 1, 30, 47])
    found = _scored("ifd", tiny, work.records, 256)
    for record, value in zip(work.records, found, strict=True):
        answer = tokenizer(record.answer)["input_ids"] + [2]
        prompt = [1, *tokenizer(f"User:\n{record.prompt}\n\nAssistant:\n")["input_ids"]]
        losses = []
        for before in (prompt, [1]):
            steps = log_probabilities(before + answer)
            losses.append(
                -np.mean(
                    [float(steps[len(before) + at - 1, answer[at]]) for at in range(1, len(answer))]
                )
            )
        ratio = losses[0] / losses[1]
        assert value == pytest.approx(ratio if ratio <= 1 else 0.0, abs=1e-4)


@pytest.mark.parametrize(
    ("measure", "end"), [("deita-complexity", "##Complexity: "), ("deita-quality", "##Quality: ")]
)
def test_marks_are_expected_over_six_tokens(tmp_path, tiny, by_hand, measure, end):
    tokenizer, log_probabilities = by_hand
    work = make_work(tmp_path, chosen=[0, 47])
    record = work.records[1]
    text = (
        f"You are a helpful assistant. Please identify the complexity score of the following user "
        f"query. \n##Query: {record.prompt}  \n##Complexity: "
        if "complexity" in measure
        else "You are a helpful assistant. Please identify the quality score of the Response "
        f"corresponding to the Question. \n #Question#:\n{record.prompt}\n#Response#:\n"
        f"{record.answer} \n##Quality: "
    )
    assert text.endswith(end)
    last = log_probabilities(tokenizer(text)["input_ids"])[-1]
    shares = torch.softmax(last[[tokenizer(str(k))["input_ids"][-1] for k in range(1, 7)]], 0)
    expected = sum(k * float(share) for k, share in enumerate(shares, 1))
    found = _scored(measure, tiny, work.records, 400)
    assert found[1] == pytest.approx(expected, abs=1e-5)
    assert ((found >= 1) & (found <= 6)).all()


def test_rows_without_what_is_scored_and_long_ones(tmp_path, tiny):
    work = make_work(tmp_path, [{"instruction": "w " * 900, "output": "a " * 900}, {"text": "t"}])
    for measure in MEASURES:
        found = _scored(measure, tiny, work.records, 200)
        assert np.isfinite(found).tolist() == [True, False]
    question = replace(work.records[0], turns=work.records[0].turns[:1])
    found = [bool(np.isfinite(_scored(measure, tiny, [question], 200))) for measure in MEASURES]
    assert found == [False, True, False]


@pytest.fixture
def project(mapped_root):
    return Project.open(mapped_root)


def test_the_file_is_one_that_quality_reads(project, tmp_path, tiny, winnow, winnow_json):
    decide(project, 240, "drop", np.arange(3, 240), "test")
    path = tmp_path / "new" / "ifd.parquet"
    told = []
    report = write_quality(
        project, measure="ifd", model=str(tiny), out=path, device="cpu",
        progress=lambda done, total, what: told.append((done, total)),
    )  # fmt: skip
    scores = read_scores(path, 240, np.arange(3))
    records = list(Pool.open(project).records(np.arange(3)))
    expected = _scored("ifd", tiny, records, 2048)
    np.testing.assert_allclose(scores[:3], expected, rtol=1e-6)
    assert np.isnan(scores[3:]).all() and max(told) == (3, 3)
    assert (report.rows, report.scored, report.unscored) == (3, 3, "")
    assert report.mean == pytest.approx(expected.mean()) and report.file == str(path)
    # By the command and the API, and into a selection.
    arguments = ("quality", project.root, "--measure", "ifd", "--model", tiny, "--device", "cpu")
    again = tmp_path / "again.parquet"
    values = winnow_json(*arguments, "--out", again)
    assert list(values) == [
        "measure", "model", "file", "rows", "scored", "unscored", "mean", "seconds",
    ]  # fmt: skip
    assert values["mean"] == pytest.approx(report.mean)
    said = winnow(*arguments, "--out", again, "--max-tokens", 64, "--overwrite", check=0).stdout
    assert "3 rows of 3 scored by ifd" in said and "select" in said
    made = Workspace(project).quality(
        measure="ifd", model=str(tiny), out=again, device="cpu", max_tokens=64, overwrite=True
    )
    assert made.mean == pytest.approx(float(read_scores(again, 240, np.arange(3))[:3].mean()))
    select = ("select", project.root, "--method", "kmq", "--budget", 2, "--quality-file", again)
    assert winnow_json(*select)["selected"] == 2


def test_scores_that_need_no_model_are_those_of_the_scorers(project, tmp_path, winnow_json):
    decide(project, 240, "drop", np.arange(9), "test")
    kept = np.arange(9, 240)
    place = Ground(project, Pool.open(project), require_clusters(project)).place
    for measure in ("soundness", "coherence"):
        path = tmp_path / f"{measure}.parquet"
        report = winnow_json("quality", project.root, "--measure", measure, "--out", path)
        scorer = SCORERS[measure].make({}, place)
        expected = scorer.all_rows(Pool.open(project), progress=silent)[kept]
        scored = np.isfinite(expected)
        assert (report["model"], report["scored"]) == (None, scored.sum())
        assert scored.sum() > 200
        found = read_scores(path, 240, kept[scored])[kept]
        np.testing.assert_array_equal(found[scored], expected[scored])
    with pytest.raises(InputError, match="ifd needs a model"):
        write_quality(project, measure="ifd", out=tmp_path / "s.parquet")


@pytest.mark.parametrize("measure", list(MEASURES))
def test_a_model_that_diverged_is_refused(project, tmp_path, measure):
    broken = diverge(save_tiny_causal(tmp_path / "broken"))
    decide(project, 240, "drop", np.arange(5), "test")
    decide(project, 240, "drop", np.arange(9, 240), "test")
    with pytest.raises(InputError, match=r"no number for row 5 \(4 of 4 rows\); its weights"):
        write_quality(project, measure=measure, model=str(broken), out=tmp_path / "s.parquet")
    assert not (tmp_path / "s.parquet").exists()


def test_rows_without_an_answer_are_named(tmp_path, tiny, winnow):
    build(tmp_path, [*question_rows(4), {"text": "Only words."}])
    root = tmp_path / "project"
    done = winnow(
        "quality", root, "--measure", "ifd", "--model", tiny, "--out", tmp_path / "s.parquet",
        check=0,
    )  # fmt: skip
    assert "4 rows of 5 scored by ifd" in done.stdout and "have no score: 4; drop" in done.stdout
    decide(Project.open(root), 5, "drop", np.arange(4), "test")
    with pytest.raises(InputError, match="No row can be scored by ifd: each lacks"):
        write_quality(
            Project.open(root), measure="ifd", model=str(tiny), out=tmp_path / "none.parquet"
        )
    assert not (tmp_path / "none.parquet").exists()


def test_what_cannot_be_scored_or_written_is_said_before_the_model_is_read(
    project, tmp_path, winnow, monkeypatch
):
    monkeypatch.setattr("core.refinement.quality_file.opened", None)
    (tmp_path / "taken.parquet").write_text("mine")
    (tmp_path / "folder.parquet").mkdir()
    good = {"--measure": "ifd", "--model": "m", "--out": tmp_path / "s.parquet"}
    for option, value, sentence in (
        (
            "--measure",
            "x",
            "--measure: There is no measure 'x'; use one of soundness, coherence, ifd",
        ),
        ("--measure", "soundness", "--model: soundness uses no model; leave it out"),
        ("--out", tmp_path / "s.csv", "--out: .* must end in .parquet"),
        ("--out", tmp_path / "taken.parquet", "--out: .* exists already; .* --overwrite"),
        ("--out", tmp_path / "folder.parquet", "--out: .* is a folder"),
        ("--out", tmp_path / "taken.parquet" / "s.parquet", "--out: .* is a file; choose another"),
        ("--device", "tpu", "--device: Device must be one of auto, cpu, cuda"),
        ("--max-tokens", 3, "--max-tokens: Tokens of a row must be between 16"),
    ):
        given = [str(part) for pair in {**good, option: value}.items() for part in pair]
        done = winnow("quality", project.root, *given, check=2)
        assert re.search(sentence, done.stderr) and done.stderr.count("\n") == 1, done.stderr
    decide(project, 240, "drop", np.arange(240), "test")
    with pytest.raises(InputError, match="All rows are dropped"):
        write_quality(project, measure="ifd", model="m", out=tmp_path / "s.parquet")
    assert (tmp_path / "taken.parquet").read_text() == "mine"


def test_a_model_that_is_not_there_is_one_sentence(project, tmp_path, winnow):
    out = ("--out", tmp_path / "s.parquet", "--model", tmp_path / "gone")
    done = winnow("quality", project.root, "--measure", "deita-quality", *out, check=2)
    assert done.stderr.startswith("--model: There is no model at") and done.stderr.count("\n") == 1


def test_all_measures_are_in_the_help():
    command = typer.main.get_command(cli.app).commands["quality"]
    (measure,) = [one for one in command.params if one.name == "measure"]
    assert set(MEASURES) <= set(re.split(r"[ ,.]+", measure.help))
