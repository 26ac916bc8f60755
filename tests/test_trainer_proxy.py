"""The proxy trainer: real training of a tiny transformer."""

import json
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from refining import make_work, silent

import core.refinement.training as training
from core.errors import InputError
from core.refinement.chat import encode
from core.refinement.likelihood import answer_losses
from core.refinement.models import load_model
from core.refinement.registry import TRAINERS, Place

SMALL = {
    "epochs": 4,
    "learning_rate": 3e-3,
    "width": 64,
    "layers": 2,
    "vocabulary": 400,
    "max_tokens": 64,
    "device": "cpu",
}


def make(tmp_path, **options):
    kind = TRAINERS["proxy"]
    return kind.make(kind.resolve(SMALL | options), Place(np.zeros(1, np.int32), tmp_path / "kept"))


def digest(folder):
    names = ("model.safetensors", "tokenizer.json", "config.json")
    return [sha256((folder / name).read_bytes()).hexdigest() for name in names]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("proxy")
    work, seen = make_work(tmp_path, chosen=np.arange(0, 48, 2)), []

    def look(done, total, what):
        curve = work.folder / training.LOSSES
        if what == "training" and curve.exists():
            seen.append(json.loads(curve.read_text())["losses"])

    return work, make(tmp_path).train(work, progress=look), seen


def test_it_learns_what_it_was_given(trained):
    work, report, seen = trained
    steps = [step for step, _ in report.losses]
    assert steps == sorted(set(steps))
    assert steps[-1] == 4 * 3  # epochs × ⌈24 / 8⌉
    assert report.losses[-1][1] < report.losses[0][1] - 1
    model = load_model(report.model, "cpu")
    others = list(work.pool.records(np.arange(1, 48, 2)))
    known, unknown = (
        answer_losses(model, encode(model.tokenizer, r, 64).rows, progress=silent).mean()
        for r in (work.records, others)
    )
    assert known < unknown - 0.5
    assert not (work.folder / "checkpoint").exists()
    # Who watched saw the curve grow; it is in the report now.
    assert [len(one) for one in seen] == list(range(1, len(report.losses) + 1))
    assert [tuple(pair) for pair in seen[-1]] == list(report.losses)
    assert not (work.folder / training.LOSSES).exists()


def test_the_same_work_gives_the_same_bytes(trained, tmp_path):
    work, report, _ = trained
    (tmp_path / "again").mkdir()
    again = make(tmp_path).train(replace(work, folder=tmp_path / "again"), progress=silent)
    assert digest(again.model) == digest(report.model)
    assert again.losses == report.losses
    (tmp_path / "other").mkdir()
    other = make(tmp_path, epochs=1).train(
        replace(work, folder=tmp_path / "other", seed=6), progress=silent
    )
    assert digest(other.model) != digest(report.model)


@pytest.mark.parametrize("at", [0, 5, 12])
def test_a_killed_training_goes_on_to_the_same_bytes(trained, tmp_path, monkeypatch, at):
    work, report, _ = trained
    monkeypatch.setattr(training, "_CHECKPOINT_SECONDS", 0.0)
    began = []

    def killing(done, total, what):
        if what == "training":
            began.append(done)
            if done == at and len(began) == at + 1:
                raise KeyboardInterrupt

    here = replace(work, folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path).train(here, progress=killing)
    assert not (tmp_path / "model").exists()
    began.clear()
    again = make(tmp_path).train(here, progress=lambda d, t, w: began.append((w, d)))
    first = next(done for what, done in began if what == "training")
    assert first == at
    assert digest(again.model) == digest(report.model)
    assert again.losses == report.losses


def test_a_round_goes_on_from_the_model_before(trained, tmp_path):
    work, report, _ = trained
    rest = np.arange(1, 48, 2)
    second = replace(
        work,
        number=2,
        rows=rest,
        records=list(work.pool.records(rest)),
        folder=tmp_path,
        previous=report.model,
    )
    went_on = make(tmp_path).train(second, progress=silent)
    assert digest(went_on.model)[1] == digest(report.model)[1]  # the tokenizer
    assert digest(went_on.model)[0] != digest(report.model)[0]
    assert went_on.losses[0][1] < report.losses[0][1] - 0.2  # the form of an answer is known


def test_rows_without_an_answer_cannot_be_trained_on(tmp_path):
    work = make_work(tmp_path)
    questions = [replace(record, turns=record.turns[:1]) for record in work.records]
    with pytest.raises(InputError, match="No row of this round has an answer"):
        make(tmp_path).train(replace(work, records=questions), progress=silent)


def test_long_rows_are_cut_and_said(tmp_path):
    rows = [{"instruction": "word " * 300, "output": "answer " * 300}]
    rows += [{"instruction": f"short {i}", "output": "yes"} for i in range(7)]
    report = make(tmp_path, epochs=1).train(make_work(tmp_path, rows), progress=silent)
    assert report.notes == ("1 row was longer than 64 tokens and cut.",)


def test_a_learning_rate_too_high_is_said(tmp_path):
    work = make_work(tmp_path)
    trainer = replace(make(tmp_path), learning_rate=float("inf"))
    with pytest.raises(InputError, match="loss is no number any more at step 2; lower"):
        trainer.train(work, progress=silent)
    assert not (work.folder / "model").exists()


def test_unknown_options_are_refused():
    with pytest.raises(InputError, match="has no parameter 'depth'; leave it out"):
        TRAINERS["proxy"].resolve({"depth": 3})
    with pytest.raises(InputError, match="Epochs must be between 1 and 100, got 0"):
        TRAINERS["proxy"].resolve({"epochs": 0})


@pytest.mark.parametrize(("width", "nearest"), [(65, 64), (100, 64), (200, 192)])
def test_a_width_that_heads_cannot_share_is_refused_before_any_round(tmp_path, width, nearest):
    said = f"Width must be a multiple of 64, got {width}; take {nearest}."
    with pytest.raises(InputError, match=said) as caught:
        make(tmp_path, width=width)
    assert caught.value.option == "width"
