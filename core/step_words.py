"""How a selection came about, in words, for the log of decisions."""

from collections.abc import Sequence

from core.errors import InputError
from core.facets import label_of
from core.view_link import Kind, Step, step_filter

LONGEST = 120  # characters of all steps together
SEARCH = "search by"  # how words for a search begin

_FIXED: dict[Kind, str] = {"lasso": "map lasso", "rows": "rows by number"}


def step_in_words(kind: Kind, value: str, titles: Sequence[str] = ()) -> str:
    """One way in which rows were selected; kind and value are those of a `core.view_link.Step`.

    Parameters
    ----------
    titles : of the clusters.

    Raises
    ------
    InputError
        The value is that of no such step.
    """
    if kind in _FIXED:
        return _FIXED[kind]
    if kind == "clusters":
        numbers = [int(one) for one in value.partition(":")[2].split(",") if one.isdecimal()]
        named = [titles[one] for one in numbers if one < len(titles)]
        return f"cluster{'s' * (len(named) != 1)} {', '.join(named)}"
    if kind == "like":
        return f"like row {_number(value):,}"
    if kind == "entry":
        return f"entry {_number(value)} of the log"
    rule = step_filter(Step("replace", kind, value))
    if rule is not None:
        return f"filter on {label_of(rule.column)}"
    return f"{SEARCH} {kind} for {value!r}"


def in_words(steps: Sequence[Step], titles: Sequence[str]) -> str:
    """All steps of a selection, at most `LONGEST` characters."""
    told = dict.fromkeys(step_in_words(step.kind, step.value, titles) for step in steps)
    return " and ".join(told)[:LONGEST]


def _number(value: str) -> int:
    if not (value.isascii() and value.isdecimal()):
        raise InputError("The selection in the address cannot be read; select the rows again.")
    return int(value)
