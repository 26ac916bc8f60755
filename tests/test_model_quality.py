"""Quality by a given model, against the same numbers worked out row by row."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from refining import make_work, save_tiny_causal, silent
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.errors import InputError
from core.quality import read_scores
from core.refinement.model_quality import MEASURES, write_quality
from core.refinement.models import load_model


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


def test_difficulty_is_the_ratio_of_two_losses(tmp_path, tiny, by_hand):
    tokenizer, log_probabilities = by_hand
    work = make_work(tmp_path, chosen=[0, 1, 30, 47])
    found = MEASURES["ifd"](load_model(tiny, "cpu"), work.records, 256, progress=silent)
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
    found = MEASURES[measure](load_model(tiny, "cpu"), work.records, 400, progress=silent)
    assert found[1] == pytest.approx(expected, abs=1e-5)
    assert ((found >= 1) & (found <= 6)).all()


def test_rows_without_what_is_scored_and_long_ones(tmp_path, tiny):
    work = make_work(tmp_path, [{"instruction": "w " * 900, "output": "a " * 900}, {"text": "t"}])
    model = load_model(tiny, "cpu")
    for measure in MEASURES.values():
        found = measure(model, work.records, 200, progress=silent)
        assert np.isfinite(found).tolist() == [True, False]
    question = replace(work.records[0], turns=work.records[0].turns[:1])
    found = [
        bool(np.isfinite(m(model, [question], 200, progress=silent))) for m in MEASURES.values()
    ]
    assert found == [False, True, False]


def test_the_file_is_one_that_quality_reads(tmp_path, tiny):
    work = make_work(tmp_path)
    path, rows = tmp_path / "ifd.parquet", np.arange(0, 48, 2)
    told = []
    count = write_quality(
        work.pool, rows, "ifd", str(tiny), path, device="cpu",
        progress=lambda done, total, what: told.append((done, total)),
    )  # fmt: skip
    scores = read_scores(path, 48, rows)
    assert count == np.isfinite(scores).sum() == 24
    assert max(told) == (24, 24)
    with pytest.raises(InputError, match="There is no measure 'x'; use one of ifd, deita"):
        write_quality(work.pool, rows, "x", str(tiny), path)
    with pytest.raises(InputError, match=r"must end in \.parquet"):
        write_quality(work.pool, rows, "ifd", str(tiny), tmp_path / "s.csv")
