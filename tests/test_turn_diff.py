"""Rows set against each other turn by turn."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from core import turn_diff as module
from core.records import Record, Turn
from core.turn_diff import APART, row_diff

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "red", "fox", "ran"]), max_size=8).map(
    " ".join
)
TURNS = st.lists(st.tuples(st.sampled_from(["user", "assistant", "tool"]), WORDS), max_size=6)


def record(turns, system=""):
    said = [("system", system)] if system else []
    return Record("openai", tuple(Turn(role, text) for role, text in [*said, *turns]))


def dialogue(*texts, system=""):
    return record([(("user", "assistant")[at % 2], text) for at, text in enumerate(texts)], system)


@settings(max_examples=60)
@given(TURNS, TURNS, st.sampled_from(["", "be kind"]), st.sampled_from(["", "be kind", "be brief"]))
def test_turns_keep_their_order_and_pieces_give_both_back(first, second, system, other):
    one, two = record(first, system), record(second, other)
    diff = row_diff(one, two)
    for side, rec in ((0, one), (1, two)):
        told = [(t.roles[side], (t.first, t.second)[side]) for t in diff.turns if t.roles[side]]
        assert told == ([(turn.role, turn.said) for turn in rec.turns] or [("text", "")])
    for turn in diff.turns:
        assert 0 <= turn.differing <= turn.words
        if turn.pieces:
            assert "".join(p.text for p in turn.pieces if p.kind != "second") == turn.first
            assert "".join(p.text for p in turn.pieces if p.kind != "first") == turn.second
            assert turn.differing <= APART * turn.words and turn.roles[0] == turn.roles[1]
    assert 0 <= diff.differs <= 1
    if diff.differs > APART:
        assert not any(turn.pieces for turn in diff.turns if not turn.same)
    if one == two:
        assert diff.differs == 0 and all(turn.same for turn in diff.turns)


def test_turn_k_stands_beside_turn_k():
    diff = row_diff(
        dialogue("Find me a hotel in Paris please", "The Ritz has four stars", "Book it"),
        dialogue("Find me a hotel in Rome please", "There is nothing free at all now", "Book it"),
    )
    assert [(turn.first, turn.second) for turn in diff.turns[:1]] == [
        ("Find me a hotel in Paris please", "Find me a hotel in Rome please")
    ]
    assert [bool(turn.pieces) for turn in diff.turns] == [True, False, True]
    assert [turn.differing for turn in diff.turns] == [2, 12, 0]
    assert diff.turns[2].same and diff.differs == 14 / 30


def test_turns_that_only_one_has_do_not_shift_the_others():
    longer = dialogue(
        "Hello there", "Good day", "What is a star", "A ball of gas", system="Be kind"
    )
    diff = row_diff(longer, dialogue("What is a star", "A ball of hot gas"))
    assert [turn.roles for turn in diff.turns] == [
        ("system", ""), ("user", ""), ("assistant", ""), ("user", "user"),
        ("assistant", "assistant"),
    ]  # fmt: skip
    assert diff.turns[3].same and diff.turns[4].differing == 1
    other = row_diff(
        dialogue("Who are you", "A bot", system="Be kind"), dialogue("Who is he", "No")
    )
    assert [turn.roles for turn in other.turns] == [
        ("system", ""), ("user", "user"), ("assistant", "assistant"),
    ]  # fmt: skip


def test_the_same_words_in_another_order_are_read_side_by_side():
    diff = row_diff(
        dialogue("one two three four five six"), dialogue("six five four three two one")
    )
    assert not diff.turns[0].pieces and diff.turns[0].differing > 6


def test_texts_without_turns_are_compared_too():
    diff = row_diff(Record("text", body="a b c d"), Record("text", body="a b x d"))
    assert diff.turns[0].roles == ("text", "text") and diff.differs == 2 / 8
    empty = row_diff(Record("text", body=""), Record("text", body=""))
    assert empty.differs == 0 and empty.turns[0].same


def test_turns_that_turn_out_too_different_take_time_too(monkeypatch):
    calls, words = [], [f"w{n}" for n in range(60)]
    plain = module.word_diff
    monkeypatch.setattr(module, "word_diff", lambda *texts: calls.append(1) or plain(*texts))
    monkeypatch.setattr(module, "MOST", 300)
    told = [" ".join([*words, str(n)]) for n in range(20)]
    others = [" ".join([*words[::-1], str(n)]) for n in range(20)]
    diff = row_diff(dialogue(*told), dialogue(*others))
    assert not any(turn.pieces for turn in diff.turns)
    assert len(calls) == 2  # of 120 words and spaces each


def test_long_rows_take_no_longer_than_short_ones(monkeypatch):
    words = [f"w{n % 97}" for n in range(4_000)]
    texts = [" ".join(words[at:] + words[:at]) for at in range(12)]
    others = [" ".join(f"{word} x" if n % 9 == 0 else word for n, word in enumerate(text.split()))
              for text in texts]  # fmt: skip
    started = time.perf_counter()
    diff = row_diff(dialogue(*texts), dialogue(*others))
    assert not any(turn.pieces for turn in diff.turns)  # each is too long
    assert time.perf_counter() - started < 2
    monkeypatch.setattr(module, "MOST", 40)
    diff = row_diff(dialogue(*["a b c red d e f"] * 12), dialogue(*["x b c grey d e y"] * 12))
    assert [bool(turn.pieces) for turn in diff.turns] == [True] * 3 + [False] * 9
    # What both begin and end with costs nothing.
    long = " ".join(words)
    diff = row_diff(dialogue(f"{long} red {long}"), dialogue(f"{long} grey {long}"))
    assert diff.turns[0].differing == 2
