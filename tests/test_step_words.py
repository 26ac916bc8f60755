"""How a selection came about, in words."""

import pytest

from core.errors import InputError
from core.facets import AnyOf, Between
from core.step_words import LONGEST, in_words, step_in_words
from core.view_link import Step, filter_step

TITLES = ["cooking", "galaxies", "law"]


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("lasso", "AAAA", "map lasso"),
        ("rows", "1,2", "rows by number"),
        ("clusters", "made:2", "cluster law"),
        ("clusters", "made:0,2,9", "clusters cooking, law"),
        ("words", "a pie", "search by words for 'a pie'"),
        ("condition", "row < 3", "search by condition for 'row < 3'"),
        ("like", "1234", "like row 1,234"),
        ("entry", "7", "entry 7 of the log"),
    ],
)
def test_a_step_in_words(kind, value, words):
    assert step_in_words(kind, value, TITLES) == words


def test_all_steps_each_once_and_no_more_than_fit():
    steps = [
        filter_step(Between("length", 3, 9)),
        filter_step(AnyOf("source", ("x",)), "within"),
        Step("add", "lasso", "AAAA"),
        Step("add", "lasso", "BBBB"),
    ]
    told = in_words(steps, TITLES)
    assert told == "filter on Length, characters and filter on Source and map lasso"
    assert in_words([], TITLES) == ""
    assert len(in_words([Step("replace", "words", "x" * 500)], TITLES)) == LONGEST


@pytest.mark.parametrize("kind", ["like", "entry"])
def test_what_is_no_number_is_refused(kind):
    with pytest.raises(InputError):
        step_in_words(kind, "none", TITLES)
