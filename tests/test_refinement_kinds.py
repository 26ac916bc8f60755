"""What trainers and scorers say of themselves, and the options that they take."""

import subprocess
import sys

import pytest

from core.errors import InputError
from core.refinement.parameters import Text
from core.refinement.registry import PRIVATE, SCORERS, TRAINERS, find_scorer, find_trainer

KINDS = [*TRAINERS.values(), *SCORERS.values()]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_each_describes_itself_and_takes_its_defaults(kind):
    assert kind.label
    assert kind.source
    assert kind.sentence.endswith(".")
    assert set(kind.needs) <= {"answers", "clusters", "model", "network"}
    names = [parameter.name for parameter in kind.parameters]
    assert len(set(names)) == len(names)
    must = {p.name: "x" for p in kind.parameters if isinstance(p, Text) and p.default is None}
    resolved = kind.resolve(must)
    assert list(resolved) == names
    assert kind.resolve(resolved) == resolved
    for name in must:
        with pytest.raises(InputError, match="is missing; give") as caught:
            kind.resolve({key: "x" for key in must if key != name})
        assert caught.value.option == name


@pytest.mark.parametrize("find", [find_trainer, find_scorer])
def test_unknown_names_are_refused_with_those_that_there_are(find):
    with pytest.raises(InputError, match=r"There is no (trainer|scorer) 'x'; use one of \w+, "):
        find("x")


@pytest.mark.parametrize("value", [7, "a\0b", ["x"]])
def test_a_text_must_be_text(value):
    with pytest.raises(InputError, match="Name must be a text"):
        Text("name", "Name").check(value)


def test_texts_are_trimmed_and_have_defaults():
    assert Text("name", "Name").check(" a b ") == "a b"
    assert Text("name", "Name", "d").check(None) == "d"
    assert Text("name", "Name", "").check(" ") == ""


def test_what_reaches_beyond_the_project_is_its_owners_alone():
    assert sorted(PRIVATE) == ["command", "judge", "lora", "reward"]


def test_listing_them_loads_no_heavy_package():
    code = (
        "import sys, core.refinement.registry; "
        "print([m for m in ('torch', 'transformers', 'peft') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
