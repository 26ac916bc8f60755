"""Words that are looked for: by the database, and as places in a text, against a plain rule."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ingest import init_pool
from core.pool import Pool
from core.project import Project
from core.word_search import places, terms

TEXTS = [
    "The cat sat.",
    "Cats and dogs",
    "concatenate, locate",
    "category theory",
    "a bob-cat; snake_cat_case",
    "wildcat",
    "caté and Émile, émigré",
    "使用Cat编程",
    "我的猫",
    "C++ and c# (print(x))",
    "the cat sat on the mat",
    "catsat the cat-sat",
    "100% of 2cat",
    "cat\nsat",
    "",
]


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    path = folder / "rows.jsonl"
    rows = [
        {"instruction": f"{number}#", "output": text + "#"} for number, text in enumerate(TEXTS)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    project = Project.create(folder / "project")
    init_pool(project.root, [path])
    return Pool.open(project)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("cat", [0, 1, 3, 4, 6, 7, 10, 11, 13]),
        ("CAT", [0, 1, 3, 4, 6, 7, 10, 11, 13]),
        ('"cat"', [0, 4, 7, 10, 11, 13]),
        ('"cat sat"', [0, 10]),
        ("*cat", [0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13]),
        ("cat sat", [0, 10, 11, 13]),
        ("ÉMI", [6]),
        ("猫", [8]),
        ('"猫"', [8]),
        ("c++", [9]),
        ("print(", [9]),
        ("+", [9]),
        ("100%", [12]),
        ("case", [4]),
    ],
)
def test_words_begin_and_phrases_are_whole(pool, asked, found):
    assert pool.search(asked).rows.tolist() == found
    marked = [
        row for row, text in enumerate(TEXTS) if all(places(text, [one]) for one in terms(asked))
    ]
    assert marked == found


LETTERS = "abAB é猫_-.1 "


@given(st.text(LETTERS, min_size=1, max_size=4).filter(str.strip), st.text(LETTERS, max_size=12))
def test_places_are_those_of_a_walk_through_the_text(asked, text):
    word = asked.split()[0]
    (term,) = terms(word)
    alike = set("abAB é1")
    wanted = {
        at
        for at in range(len(text))
        if text[at : at + len(word)].lower() == word.lower()
        and not (word[0] in alike - {" "} and at and text[at - 1] in alike - {" "})
    }
    covered = {at for start, stop in places(text, [term]) for at in range(start, stop)}
    # What overlaps an earlier find of the same word begins nothing of its own.
    starts = {m.start() for m in re.finditer(re.escape(word), text, re.I)} & wanted
    assert covered == {at + i for at in starts for i in range(len(word))}
