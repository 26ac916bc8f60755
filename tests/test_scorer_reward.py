"""The reward scorer with tiny real classifiers."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from refining import diverge, make_work, save_tiny_causal, save_tiny_reward, silent
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from core.errors import InputError
from core.refinement.registry import SCORERS, Place


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    return save_tiny_reward(tmp_path_factory.mktemp("models") / "judge")


def make(model, **options):
    kind = SCORERS["reward"]
    given = {"model": str(model), "max_tokens": 128, "new_tokens": 8, "device": "cpu"} | options
    return kind.make(kind.resolve(given), Place(np.zeros(1, np.int32), None))


def by_hand(folder, prompt, answer):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    text = f"<s>User:\n{prompt}\n\nAssistant:\n"
    ids = tokenizer(text)["input_ids"] + tokenizer(f"{answer}</s>")["input_ids"]
    with torch.no_grad():
        return float(network(torch.tensor([ids])).logits[0, 0])


def test_it_is_the_difference_of_rewards(tmp_path, judge):
    work = make_work(tmp_path, chosen=[0, 5, 47])
    said = {0: "yes", 5: "a rather long answer, longer than the others are", 47: "no no"}
    work = replace(work, generations=said)
    values = make(judge).score(work, None, progress=silent).values
    expected = [
        by_hand(judge, record.prompt, record.answer) - by_hand(judge, record.prompt, said[row])
        for row, record in zip([0, 5, 47], work.records, strict=True)
    ]
    np.testing.assert_allclose(values, expected, atol=1e-5)
    alone = make(judge, against="nothing").score(work, None, progress=silent).values
    np.testing.assert_allclose(
        alone, [by_hand(judge, r.prompt, r.answer) for r in work.records], atol=1e-5
    )


def test_the_rounds_model_answers_where_nobody_did(tmp_path, judge):
    model = save_tiny_causal(tmp_path / "tiny")
    work = make_work(tmp_path, chosen=[0, 5, 47])
    values = make(judge).score(work, model, progress=silent).values
    (kept,) = work.folder.glob("generations-*.json")
    said = json.loads(kept.read_text())
    for record, row, value in zip(work.records, [0, 5, 47], values, strict=True):
        expected = by_hand(judge, record.prompt, record.answer)
        expected -= by_hand(judge, record.prompt, said[str(row)])
        assert value == pytest.approx(expected, abs=1e-5)


def test_rows_without_an_answer_are_not_scored(tmp_path, judge):
    work = make_work(tmp_path, chosen=[0, 5])
    question = replace(work.records[1], turns=work.records[1].turns[:1])
    work = replace(work, records=[work.records[0], question])
    scores = make(judge, against="nothing").score(work, None, progress=silent)
    assert np.isnan(scores.values).tolist() == [False, True]
    assert scores.notes[0].startswith("1 of 2 rows have no answer")


def test_a_reward_model_that_diverged_is_said(tmp_path):
    broken = diverge(save_tiny_reward(tmp_path / "broken"))
    work = make_work(tmp_path, chosen=[4, 5])
    question = replace(work.records[0], turns=work.records[0].turns[:1])
    work = replace(work, records=[question, work.records[1]])
    with pytest.raises(InputError, match=r"The model gives no number for row 5 \(1 of 2 rows\)"):
        make(broken, against="nothing").score(work, None, progress=silent)


def test_two_outputs_are_refused(tmp_path):
    two = save_tiny_reward(tmp_path / "two", outputs=2)
    work = make_work(tmp_path, chosen=[0])
    with pytest.raises(InputError, match="gives 2 numbers for an answer and a reward model gives"):
        make(two, against="nothing").score(work, None, progress=silent)


def test_no_answers_to_compare_with(tmp_path, judge):
    with pytest.raises(InputError, match="no model whose answers could be compared; bring"):
        make(judge).score(make_work(tmp_path, chosen=[0]), None, progress=silent)
