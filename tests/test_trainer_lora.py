"""LoRA on a tiny real model, through `peft`."""

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

pytest.importorskip("peft")

from refining import make_work, save_tiny_causal, silent

import core.refinement.training as training
from core.errors import InputError
from core.refinement.chat import encode
from core.refinement.likelihood import answer_losses
from core.refinement.models import load_model
from core.refinement.registry import SCORERS, TRAINERS, Place

PLACE = Place(np.zeros(1, np.int32), None)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny_causal(tmp_path_factory.mktemp("models") / "tiny")


def make(model, **options):
    given = {
        "model": str(model),
        "epochs": 3,
        "learning_rate": 0.02,
        "batch_rows": 8,
        "rank": 4,
        "alpha": 8,
        "dropout": 0.1,
        "max_tokens": 96,
        "device": "cpu",
    }
    kind = TRAINERS["lora"]
    return kind.make(kind.resolve(given | options), PLACE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny):
    work = make_work(tmp_path_factory.mktemp("lora"), chosen=np.arange(0, 48, 2))
    return work, make(tiny).train(work, progress=silent)


def adapter(folder):
    return sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()


def losses(model, work):
    loaded = load_model(model, "cpu")
    return answer_losses(
        loaded, encode(loaded.tokenizer, work.records, 96).rows, progress=silent
    ).mean()


def test_it_trains_an_adapter_and_leaves_the_model_as_it_is(trained, tiny):
    work, report = trained
    before = sha256((tiny / "model.safetensors").read_bytes()).hexdigest()
    assert report.losses[-1][0] == 9
    assert losses(report.model, work) < losses(tiny, work) - 0.2
    assert load_model(report.model, "cpu").base == str(tiny)
    assert not (report.model / "model.safetensors").exists()
    assert sha256((tiny / "model.safetensors").read_bytes()).hexdigest() == before


@pytest.mark.parametrize("at", [4, 9])
def test_a_killed_training_goes_on_to_the_same_bytes(trained, tiny, tmp_path, monkeypatch, at):
    work, report = trained
    monkeypatch.setattr(training, "_CHECKPOINT_SECONDS", 0.0)

    def kill(done, total, what):
        if what == "training" and done == at:
            raise KeyboardInterrupt

    here = replace(work, folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        make(tiny).train(here, progress=kill)
    steps = []
    again = make(tiny).train(
        here, progress=lambda done, total, what: steps.append(done) if what == "training" else None
    )
    assert steps[0] == at
    assert adapter(again.model) == adapter(report.model)
    assert again.losses == report.losses


def test_a_damaged_checkpoint_is_begun_anew(trained, tiny, tmp_path):
    work, report = trained
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "meta.json").write_text("{")
    again = make(tiny).train(replace(work, folder=tmp_path), progress=silent)
    assert adapter(again.model) == adapter(report.model)


def test_the_adapter_goes_on_and_is_scored(trained, tiny, tmp_path):
    work, report = trained
    rows = np.arange(1, 48, 2)
    second = replace(
        work,
        number=2,
        rows=rows,
        records=list(work.pool.records(rows)),
        folder=tmp_path,
        previous=report.model,
    )
    went_on = make(tiny).train(second, progress=silent)
    assert losses(went_on.model, second) < losses(report.model, second) - 0.1
    kind = SCORERS["perplexity"]
    scorer = kind.make(kind.resolve({"measure": "loss-reduction", "device": "cpu"}), PLACE)
    values = scorer.score(second, went_on.model, progress=silent).values
    assert values.mean() > 0.1
    first = scorer.score(work, report.model, progress=silent).values  # against the model below
    assert first.mean() == pytest.approx(losses(tiny, work) - losses(report.model, work), abs=1e-5)


def test_models_that_do_not_fit_each_other(trained, tiny, tmp_path):
    work, report = trained
    with pytest.raises(InputError, match="is an adapter; give the full model"):
        make(report.model).train(replace(work, folder=tmp_path), progress=silent)
    with pytest.raises(InputError, match="The round before left no adapter for"):
        make(tiny).train(replace(work, folder=tmp_path, previous=tiny), progress=silent)
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="does not name the model below"):
        load_model(tmp_path / "alone", "cpu")


def test_a_model_must_be_named():
    with pytest.raises(InputError, match="Model is missing; give a model's folder, or its name"):
        TRAINERS["lora"].resolve({})
