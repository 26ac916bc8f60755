"""Why rows were chosen, told by the texts of target examples."""

import re
from collections.abc import Sequence

_NAMED = 2  # examples named by their text
# What a run says of a row (`core.selection.reasons`), where it names targets by number.
_PULLED = re.compile(r"pulled by targets? (\d+(?:, \d+)*)(?: and (\d+) more)?;")
_CLUSTER = re.compile(r"^((?:round \d+: )?(?:uniform draw in |choice [\d,]+; )?)cluster \d+ \(")
_FILLS = re.compile(r"fills the budget; nearest target (\d+) ")


def told_by_text(reasons: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Reasons of a stored run with the texts of its target examples, already short."""

    def told(reason: str) -> str:
        if found := _PULLED.match(reason):
            named = [int(number) for number in found[1].split(", ")]
            return pulled_by(named, len(named) + int(found[2] or 0), texts)
        if found := _FILLS.match(reason):
            return fills(int(found[1]), texts)
        return reason

    return [told(reason) for reason in reasons]


def told_beside_titles(reasons: Sequence[str]) -> list[str]:
    """Reasons of a rule that goes by clusters, for a table that has the titles of these."""
    return [_CLUSTER.sub(r"\1its cluster (", reason) for reason in reasons]


def pulled_by(named: Sequence[int], count: int, texts: Sequence[str]) -> str:
    """Say which examples pulled a row: the first of `count` by their text."""
    first = "; ".join(f"“{texts[one]}”" for one in named[:_NAMED])
    more = f" and {count - _NAMED:,} more" if count > _NAMED else ""
    return f"pulled by {first}{more}"


def fills(nearest: int, texts: Sequence[str]) -> str:
    """Say that a row fills the budget, and which example is nearest to it."""
    return f"fills the budget; nearest example “{texts[nearest]}”"
