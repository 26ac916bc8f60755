"""Sources with names as long as a text: in tables of the command line, legends and the pages."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.coloring import by_category
from core.ingest import init_pool
from core.told import abridged

LONG = "a data set called by its path, its revision and\nits split, " + "and more, " * 40 + "part 7"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    rows = [
        {"instruction": f"garlic {i}", "output": "b", "source": LONG if i % 3 else "short"}
        for i in range(60)
    ]
    (folder / "pool.jsonl").write_text("\n".join(map(json.dumps, rows)))
    init_pool(folder / "project", [folder / "pool.jsonl"], columns={"source": "source"})
    return folder / "project"


@given(st.text(max_size=80), st.integers(5, 60))
def test_a_short_name_says_how_the_long_one_begins_and_ends(name, limit):
    found, words = abridged(name, limit), " ".join(name.split())
    assert len(found) <= limit and "\n" not in found
    first, cut, last = found.partition("…")
    if len(words) <= limit:
        assert found == words
    else:
        assert cut and words.startswith(first) and words.endswith(last) and first + last


def test_tables_for_people_stay_narrow_and_json_has_the_whole_name(root, winnow, winnow_json):
    for command in (
        ["search", root, "garlic"],
        ["search", root, "--histogram", "source"],
        ["select", root, "--method", "stratified", "--budget", 6],
    ):
        lines = winnow(*command, check=0).stdout.splitlines()
        assert max(map(len, lines)) < 200 and any("part 7" in line for line in lines)
    assert winnow_json("search", root, "garlic")["found"][1]["source"] == LONG


def test_a_legend_names_it_in_a_line():
    coloring = by_category(np.array([0, 1, 1]), ["short", LONG], points=np.zeros((3, 2)))
    entry = coloring.legend["entries"][0]
    assert entry["count"] == 2 and len(entry["name"]) <= 100 and entry["name"].endswith("part 7")
    assert coloring.names == ("short", entry["name"])
