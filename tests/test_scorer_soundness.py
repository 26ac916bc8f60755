"""Soundness: spoiled rows score lower, whatever way they were spoiled; the n-grams behind it."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refining import make_work, silent

from core.refinement.registry import DEFAULT_SCORER, SCORERS, Place
from core.refinement.scorers.ngrams import Ngrams, resemblance
from core.refinement.scorers.soundness import spoiled

TOPICS = ["bread", "planets", "football", "python", "violins", "taxes", "coral", "volcanoes"]
SAYS = [
    "People have written about {t} for ages. Most of them say that {t} matter.",
    "There is a lot to learn on {t}. Begin with a good book, then ask around.",
    "In short, {t} are what you make of them. Take your time with it.",
    "You can find {t} nearly everywhere. The best ones are never far away.",
]
ASKS = ["Tell me of {t}.", "What should I know on {t}?", "Why do {t} matter?", "Explain {t} to me."]


def rows_of(count):
    return [
        {
            "instruction": f"{ASKS[i // 8 % 4]} ({i})".format(t=TOPICS[i % 8]),
            "output": SAYS[i // 32 % 4].format(t=TOPICS[i % 8]),
        }
        for i in range(count)
    ]


def scored(tmp_path, rows):
    tmp_path.mkdir(exist_ok=True)
    kind = SCORERS[DEFAULT_SCORER]
    scorer = kind.make(kind.resolve({}), Place(np.zeros(1, np.int32), tmp_path / "kept"))
    return scorer.score(make_work(tmp_path, rows), None, progress=silent)


def test_the_default_scorer_puts_spoiled_rows_last(tmp_path):
    rows = rows_of(320)
    whole = np.ones(len(rows), bool)
    for at in range(0, 90, 3):  # not the ways of the copies, but their kinds
        whole[at : at + 3] = False
        rows[at]["output"] = rows[at + 1]["output"]
        rows[at + 1]["output"] = " ".join(w[::-1] for w in rows[at + 1]["output"].split())
        rows[at + 2]["output"] = " ".join(rows[at + 2]["output"].split()[:5])
    found = scored(tmp_path, rows)
    assert DEFAULT_SCORER == "soundness"
    assert found.notes == ()
    assert found.values.min() >= 0
    assert found.values.max() <= 1
    assert (found.values == found.values.max()).mean() >= 0.5  # of sound rows none is preferred
    for kind in range(3):
        bad = found.values[kind:90:3]
        assert (bad[:, None] < found.values[whole]).mean() > 0.8, kind


def test_answers_that_say_the_instruction_again_are_not_sound(tmp_path):
    rows = rows_of(320)
    echoes = np.arange(len(rows)) % 16 == 5
    for row in np.flatnonzero(echoes):
        rows[row]["output"] = rows[row]["instruction"].upper()
    found = scored(tmp_path, rows).values
    assert (found[echoes][:, None] < found[~echoes]).mean() > 0.95


def test_rows_without_an_answer_are_not_scored(tmp_path):
    texts = scored(tmp_path, [{"text": f"only text {i}"} for i in range(3)])
    assert np.isnan(texts.values).all()
    assert texts.notes == (
        "3 of 3 rows have no instruction, no answer or too few others to learn from, and were not "
        "scored.",
    )


def test_a_pool_that_is_too_small_to_learn_from_is_not_scored(tmp_path):
    few = scored(tmp_path, rows_of(20))
    assert np.isnan(few.values).all()
    assert "too few others" in few.notes[0]


def test_the_same_pool_gives_the_same_scores(tmp_path):
    first = scored(tmp_path / "a", rows_of(120))
    again = scored(tmp_path / "b", rows_of(120))
    np.testing.assert_array_equal(first.values, again.values)


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=12), st.integers(0, 9))
@settings(max_examples=60)
def test_copies_are_spoiled_in_turn(answers, seed):
    copies = spoiled(answers, np.random.default_rng(seed))
    assert copies == spoiled(answers, np.random.default_rng(seed))
    assert len(copies) == len(answers)
    for at, (answer, copy) in enumerate(zip(answers, copies, strict=True)):
        if at % 3 == 0:
            assert copy in answers
        elif at % 3 == 1:
            assert re.split(r"\S+", copy) == re.split(r"\S+", answer)
            assert [sorted(w) for w in copy.split()] == [sorted(w) for w in answer.split()]
        else:
            assert answer.startswith(copy)
            assert copy.strip()
            words = answer.split()
            assert len(words) == 1 or copy.split() == words[: len(copy.split())]


def test_a_text_is_familiar_by_its_trigrams_and_ends_as_others_do():
    ngrams = Ngrams()
    ngrams.add(["ask this"] * 30, ["Say it. Then stop."] * 30)
    known, other = ngrams.familiarity(["say IT.\n then", "zqx jwv"])
    assert known > other
    # By hand: the one trigram of prompt and answer is " a ", seen twice.
    ngrams = Ngrams()
    ngrams.add(["a"], ["a"])
    assert ngrams.familiarity(["a", "b"]) == pytest.approx(np.log([2.5 / 2.5, 0.5 / 2.5]))
    ngrams = Ngrams()
    ngrams.add(["x"], ["abcabc"])  # " abcabc ": " abc", "abca", "bcab", "cabc", "abc "
    rate = 1 / 5
    expected = [(1 + 20 * rate) / 21, (0 + 20 * rate) / 20]
    assert ngrams.ending(["zabc", "unseen"]) == pytest.approx(np.log(expected) - np.log(rate))


@given(st.lists(st.tuples(*[st.text("ab c\né", max_size=30)] * 2), min_size=1, max_size=6))
@settings(max_examples=60)
def test_resemblance_is_the_share_of_common_trigrams(pairs):
    def trigrams(text):
        padded = f" {' '.join(text.lower().split())} ".encode().ljust(3)
        return {padded[at : at + 3] for at in range(len(padded) - 2)}

    sets = [(trigrams(one), trigrams(other)) for one, other in pairs]
    expected = [len(one & other) / len(one | other) for one, other in sets]
    np.testing.assert_allclose(resemblance(*zip(*pairs, strict=True)), expected)


@given(st.lists(st.text(max_size=30), min_size=1, max_size=6))
@settings(max_examples=60)
def test_any_texts_can_be_asked_for(texts):
    ngrams = Ngrams()
    ngrams.add(texts, texts[::-1])
    assert np.isfinite(ngrams.familiarity(texts)).all()
    assert np.isfinite(ngrams.ending(texts)).all()
    with_more = ngrams.familiarity([*texts, "more"])[: len(texts)]
    np.testing.assert_allclose(ngrams.familiarity(texts), with_more)
