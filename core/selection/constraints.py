"""What every selection must obey, whatever the rule: limits of groups, unlike rows, SemDeDup.

A limit is written the same in commands, Python, recipes and pages: ``COLUMN[:GROUP]=RANGE``, with
a range of ``A..B``, ``A..``, ``..B`` or ``N``, such as ``source:alpaca=..500`` (at most 500 rows of
this source) or ``cluster=20..`` (at least 20 of each cluster, also where a column is called so).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.selection.base import Strata
from core.selection.parameters import MAX_COSINE, SEMDEDUP

_RANGE = re.compile(r"(\d{1,9})?(?:(\.\.)(\d{1,9})?)?")
_NAMED = 8  # groups in a message
CLUSTER = "cluster"  # groups rows by their cluster, also where a column is called so


@dataclass(frozen=True)
class Limit:
    """Fewest and most chosen rows of one group of a column, or of each where `group` is None."""

    column: str
    group: str | None
    fewest: int
    most: int | None

    @classmethod
    def parse(cls, text: str) -> "Limit":
        """Read a limit; InputError where it is none, or its range is empty."""
        place, equals, span = text.rpartition("=")
        column, colon, group = place.partition(":")
        match = _RANGE.fullmatch(span.strip())
        low, dots, high = match.groups() if match else (None, None, None)
        if not (equals and column.strip() and (group or not colon) and (low or high)):
            raise InputError(
                "A limit is COLUMN=A..B or COLUMN:GROUP=A..B, such as source:alpaca=..500 or "
                f"cluster=20.., not {text[:60]!r}.",
                option="limit",
            )
        fewest = int(low or 0)
        most = (int(high) if high else None) if dots else fewest
        if most is not None and most < fewest:
            raise InputError(
                f"The limit {text!r} asks for more rows than it allows; write the smaller number "
                "first.",
                option="limit",
            )
        return cls(column.strip(), group if colon else None, fewest, most)


@dataclass(frozen=True)
class GroupLimits:
    """The limits of one column.

    Attributes
    ----------
    groups : which group each pool row is of.
    low, high : float64 ndarray of shape (groups,)
        Fewest and most chosen rows; infinite where there is no most.
    """

    groups: Strata
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def name(self, group: int) -> str:
        """A group, for a message."""
        return f"{self.groups.by} {self.groups.names[group]}"


@dataclass(frozen=True)
class Constraints:
    """What the chosen rows must obey beside the budget, the drops and the pins.

    Attributes
    ----------
    limits : one for each column that has limits, by its name.
    max_cosine : no two chosen rows have a cosine above it, but for two pinned ones; None: no cap.
    semdedup : within a cluster, rows above this cosine to a kept one are no candidates; None: all
        are.
    """

    limits: tuple[GroupLimits, ...] = ()
    max_cosine: float | None = None
    semdedup: float | None = None

    @property
    def words(self) -> str:
        """What a choice is checked for, as the subject of a sentence."""
        cap = "the near-duplicate cap" if self.max_cosine is not None else ""
        return " and ".join(filter(None, ["the limits" if self.limits else "", cap]))


def make_constraints(
    groups: Callable[[str], Strata],
    limits: Iterable[str] = (),
    max_cosine: float | None = None,
    semdedup: float | None = None,
) -> Constraints | None:
    """Check constraints as people write them; None where there are none.

    A limit of one group takes the place of one of each group of its column; of several of the same
    group the strictest counts. So their order has no meaning.

    Parameters
    ----------
    groups : gives the groups of a column, an InputError where there is no such column.
    limits : texts as described above.
    max_cosine, semdedup : between 0 and 1.

    Raises
    ------
    InputError
        A value out of range, a text that is no limit, an unknown column or group, or limits of
        one group that contradict each other.
    """
    max_cosine, semdedup = MAX_COSINE.check(max_cosine), SEMDEDUP.check(semdedup)
    parsed = [Limit.parse(text) for text in limits]
    columns = sorted({limit.column for limit in parsed})
    made = tuple(
        _of_column(groups(column), [limit for limit in parsed if limit.column == column])
        for column in columns
    )
    if not made and max_cosine is None and semdedup is None:
        return None
    return Constraints(made, max_cosine, semdedup)


def _of_column(groups: Strata, limits: list[Limit]) -> GroupLimits:
    # Groups in the order of their names: what comes out must not depend on where rows stand.
    order = sorted(range(len(groups.names)), key=lambda group: _natural(groups.names[group]))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    names = tuple(groups.names[group] for group in order)
    low, high = np.zeros(len(names)), np.full(len(names), np.inf)
    known = {name: number for number, name in enumerate(names)}
    own: dict[int, list[Limit]] = {}
    for limit in limits:
        if limit.group is None:
            low = np.maximum(low, limit.fewest)
            high = np.minimum(high, np.inf if limit.most is None else limit.most)
        elif limit.group in known:
            own.setdefault(known[limit.group], []).append(limit)
        else:
            some = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
            raise InputError(
                f"There is no {groups.by} {limit.group!r} to limit; there are {some}.",
                option="limit",
            )
    for group, given in own.items():
        low[group] = max(limit.fewest for limit in given)
        high[group] = min(np.inf if limit.most is None else limit.most for limit in given)
    made = GroupLimits(Strata(groups.by, place[groups.codes], names), low, high)
    bad = np.flatnonzero(low > high)
    if len(bad):
        raise InputError(
            f"{made.name(bad[0])} is to give at least {low[bad[0]]:,.0f} rows and at most "
            f"{high[bad[0]]:,.0f}; mend one of its limits.",
            option="limit",
        )
    return made


def _natural(name: str) -> tuple[int, int, str]:
    """Sort numbers by value and before names."""
    return (0, int(name), "") if name.isascii() and name.isdigit() else (1, 0, name)


def cluster_groups(labels: NDArray[np.integer]) -> Strata:
    """Clusters as groups that can have limits; each is named by its number."""
    numbers, codes = np.unique(np.asarray(labels), return_inverse=True)
    return Strata(CLUSTER, codes, tuple(map(str, numbers.tolist())))
