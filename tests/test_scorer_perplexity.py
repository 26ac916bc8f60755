"""Losses and perplexity scores of a tiny real model, against losses computed row by row."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from refining import diverge, make_work, save_tiny_causal, save_tiny_gpt2, silent
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.errors import InputError
from core.refinement.chat import encode
from core.refinement.generate import generate
from core.refinement.models import load_model, opened
from core.refinement.registry import SCORERS, Place

CHATML = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny_causal(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return save_tiny_causal(tmp_path_factory.mktemp("models") / "other", seed=9)


def make(measure="ratio", **options):
    kind = SCORERS["perplexity"]
    given = {"measure": measure, "max_tokens": 128, "new_tokens": 12, "device": "cpu"} | options
    return kind.make(kind.resolve(given), Place(np.zeros(1, np.int32), None))


def loss_by_hand(folder, prompt, answer):
    """Mean −log p of the answer's tokens, one row at a time, no padding."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForCausalLM.from_pretrained(folder).eval()
    before = [1, *tokenizer(f"User:\n{prompt}\n\nAssistant:\n")["input_ids"]]
    after = tokenizer(answer)["input_ids"] + [2]
    with torch.no_grad():
        logits = network(torch.tensor([before + after])).logits[0].double()
    steps = torch.log_softmax(logits, -1)
    return -np.mean([float(steps[len(before) + at - 1, token]) for at, token in enumerate(after)])


def test_the_loss_is_that_of_the_answer_alone(tmp_path, tiny):
    work = make_work(tmp_path, chosen=[0, 1, 30, 47])
    values = make("loss").score(work, tiny, progress=silent).values
    expected = [loss_by_hand(tiny, r.prompt, r.answer) for r in work.records]
    np.testing.assert_allclose(values, expected, atol=1e-4)


def test_the_ratio_is_the_papers(tmp_path, tiny):
    work = make_work(tmp_path, chosen=[0, 1, 30])
    said = {0: "The city is Rome, of course.", 1: "no", 30: work.records[2].answer}
    values = make().score(replace(work, generations=said), tiny, progress=silent).values
    perplexities = [
        [np.exp(loss_by_hand(tiny, r.prompt, answer)) for answer in (r.answer, said[row])]
        for row, r in zip([0, 1, 30], work.records, strict=True)
    ]
    expected = [-np.log(generated / gold) for gold, generated in perplexities]
    np.testing.assert_allclose(values, expected, atol=1e-4)
    assert values[2] == 0


def test_what_the_model_says_is_its_likeliest_and_kept(tmp_path, tiny):
    work = make_work(tmp_path, chosen=[0, 5, 47])
    make().score(work, tiny, progress=silent)
    kept = list(work.folder.glob("generations-*.json"))
    assert len(kept) == 1
    model = load_model(tiny, "cpu")
    prompts = encode(model.tokenizer, work.records, 128, [None] * 3).rows
    together = generate(model, [p.prompt for p in prompts], 12, progress=silent)
    for prompt, said in zip(prompts, together, strict=True):
        ids = torch.tensor([prompt.prompt])
        for _ in range(12):
            with torch.no_grad():
                token = model.network(ids).logits[0, -1].argmax()
            ids = torch.cat([ids, token.view(1, 1)], 1)
            if int(token) == 2:
                break
        alone = model.tokenizer.decode(ids[0, len(prompt.prompt) :], skip_special_tokens=True)
        assert said == alone.strip()


def test_the_reduction_is_between_two_models(tmp_path, tiny, other):
    work = make_work(tmp_path, chosen=[0, 1, 30])
    before, after = (make("loss").score(work, m, progress=silent).values for m in (other, tiny))
    second = replace(work, previous=other)
    values = make("loss-reduction").score(second, tiny, progress=silent).values
    np.testing.assert_allclose(values, before - after, atol=1e-6)
    first = make("loss-reduction").score(work, tiny, progress=silent).values
    vocabulary = load_model(tiny, "cpu").vocabulary
    np.testing.assert_allclose(first, np.log(vocabulary) - after, atol=1e-6)


def test_rows_that_cannot_be_scored_and_long_ones_are_said(tmp_path, tiny):
    rows = [{"instruction": "w " * 300, "output": "a " * 300}, {"instruction": "b", "output": "c"}]
    work = make_work(tmp_path, rows)
    question = replace(work.records[1], turns=work.records[1].turns[:1])
    work = replace(work, records=[work.records[0], question])
    scores = make("loss").score(work, tiny, progress=silent)
    assert np.isnan(scores.values).tolist() == [False, True]
    assert scores.notes == (
        "1 row was longer than 128 tokens and cut.",
        "1 of 2 rows have no answer, and no score.",
    )


@pytest.mark.parametrize("measure", ["loss", "ratio", "loss-reduction"])
def test_a_model_that_diverged_is_said(tmp_path, measure):
    broken = diverge(save_tiny_causal(tmp_path / "broken"))
    work = make_work(tmp_path, chosen=[4, 5, 6])
    question = replace(work.records[0], turns=work.records[0].turns[:1])
    work = replace(work, records=[question, *work.records[1:]])
    said = r"The model gives no number for row 5 \(2 of 3 rows\); its weights are broken"
    with pytest.raises(InputError, match=said):
        make(measure).score(work, broken, progress=silent)


def test_a_model_before_that_diverged_is_said(tmp_path, tiny):
    broken = diverge(save_tiny_causal(tmp_path / "broken"))
    work = make_work(tmp_path, chosen=[4, 5], previous=broken)
    with pytest.raises(InputError, match="The model gives no number for row 4"):
        make("loss-reduction").score(work, tiny, progress=silent)


def test_a_text_row_of_one_token_has_no_loss(tmp_path, tiny):
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.bos_token = tokenizer.eos_token = None
    bare = shutil.copytree(tiny, tmp_path / "bare")
    tokenizer.save_pretrained(bare)
    work = make_work(tmp_path, [{"text": "e"}, {"text": "another one"}])
    values = make("loss").score(work, bare, progress=silent).values
    assert np.isnan(values).tolist() == [True, False]


def test_a_text_row_has_a_loss_and_no_ratio(tmp_path, tiny):
    work = make_work(tmp_path, [{"text": "only a text"}, {"text": "another one"}])
    assert np.isfinite(make("loss").score(work, tiny, progress=silent).values).all()
    assert np.isnan(make("ratio").score(work, tiny, progress=silent).values).all()


def test_no_model_no_perplexity(tmp_path):
    with pytest.raises(InputError, match="Perplexity needs a model and the trainer leaves none"):
        make().score(make_work(tmp_path), None, progress=silent)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "has no config.json"),
        (lambda f: (f / "model.safetensors").unlink(), "has no .safetensors weights"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 99), "is damaged; save or"),
        (lambda f: (f / "config.json").write_text("{}"), "cannot be loaded as a causal language"),
    ],
)
def test_models_that_cannot_be_used(tmp_path, tiny, spoil, message):
    folder = tmp_path / "spoilt"
    shutil.copytree(tiny, folder)
    spoil(folder)
    with pytest.raises(InputError, match=message):
        make().score(make_work(tmp_path, chosen=[0]), folder, progress=silent)


def test_a_model_larger_than_the_memory_is_refused(tmp_path, tiny, monkeypatch):
    monkeypatch.setattr("core.refinement.models.free_memory", lambda device: 1000)
    with pytest.raises(InputError, match=r"GiB on the cpu and 0\.0 GiB are free; take a smaller"):
        make().score(make_work(tmp_path, chosen=[0]), tiny, progress=silent)


def test_a_full_memory_is_said_and_the_model_put_away(tiny):
    full = pytest.raises(InputError, match="does not fit the memory with its batches; take a")
    with full, opened(tiny, "cpu") as model:
        raise MemoryError
    assert model.network is None


def test_a_row_is_cut_to_what_the_model_was_made_for(tmp_path):
    short = save_tiny_causal(tmp_path / "short", max_position_embeddings=32)
    work = make_work(tmp_path, [{"instruction": "why " * 50, "output": "so " * 50}])
    scores = make().score(work, short, progress=silent)
    assert scores.notes[0] == "1 row was longer than 32 tokens and cut."
    assert np.isfinite(scores.values).all()


@pytest.mark.parametrize("positions", [1, 2, 33])
@pytest.mark.parametrize("new_tokens", [16, 32, 33, 256])
def test_answers_end_where_the_positions_do(tmp_path, positions, new_tokens):
    with opened(save_tiny_gpt2(tmp_path / "gpt2", positions), "cpu") as model:
        room = min(new_tokens, positions - positions // 2)
        prompts = [list(range(5, 5 + length)) for length in (1, 9, 60)]
        said = generate(model, prompts, new_tokens, progress=silent)
        for prompt, text in zip(prompts, said, strict=True):
            ids = torch.tensor([prompt[-max(1, positions - room) :]])
            for _ in range(room):
                with torch.no_grad():
                    token = model.network(ids).logits[0, -1].argmax()
                ids = torch.cat([ids, token.view(1, 1)], 1)
                if int(token) == 2:
                    break
            new = ids[0, min(len(prompt), max(1, positions - room)) :]
            assert text == model.tokenizer.decode(new, skip_special_tokens=True).strip()


def test_a_model_of_few_positions_scores_with_the_defaults(tmp_path):
    work = make_work(tmp_path, chosen=[0, 5])
    short = save_tiny_gpt2(tmp_path / "gpt2", 128)
    scorer = make(max_tokens=1024, new_tokens=256)
    for _ in range(2):  # the second time from what was kept
        scores = scorer.score(work, short, progress=silent)
        assert np.isfinite(scores.values).all()
        said = "Answers of the model end at 64 tokens, half of what it was made for."
        assert scores.notes.count(said) == 1


def test_a_path_that_is_no_model_is_refused():
    with pytest.raises(InputError, match="There is no model at nowhere; give a folder"):
        load_model("nowhere")


def test_a_chat_template_is_used_and_its_end_counts(tmp_path, tiny):
    work = make_work(tmp_path, chosen=[0])
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.chat_template = CHATML
    example = encode(tokenizer, work.records, 512).rows[0]
    record = work.records[0]
    asked = f"<|user|>\n{record.prompt}</s>\n<|assistant|>\n"
    assert tokenizer.decode(example.prompt) == asked
    assert tokenizer.decode(example.answer) == record.answer + "</s>"


def test_a_template_that_refuses_a_row_is_left_for_it(tmp_path, tiny):
    work = make_work(tmp_path, chosen=[0])
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.chat_template = "{{ raise_exception('only for poems') }}"
    examples = encode(tokenizer, work.records, 512)
    assert tokenizer.decode(examples.rows[0].prompt).endswith("Assistant:\n")
    assert examples.notes(512) == (
        "1 row was written plainly: the chat template cannot hold them.",
    )


@pytest.mark.parametrize(("prompt", "answer"), [(40, 4), (4, 40), (40, 40), (9, 1), (0, 30)])
def test_a_long_row_keeps_its_question_and_the_beginning_of_its_answer(prompt, answer):
    from core.refinement.chat import Example, _shortened

    row = Example(list(range(prompt)), list(range(100, 100 + answer)))
    kept = _shortened(row, 10)
    assert len(kept) == min(10, prompt + answer)
    assert kept.answer == row.answer[: len(kept.answer)]
    assert kept.prompt == row.prompt[prompt - len(kept.prompt) :]
    assert len(kept.answer) >= min(answer, 5)
