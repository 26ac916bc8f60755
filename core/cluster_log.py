"""What was done to clusters since k-means found them: one entry, checked when it is made."""

import unicodedata
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from core.errors import InputError
from core.values import check_seed

ACTIONS = ("rename", "split", "merge")
TITLE_CHARS = 80
_JOINERS = "\u200c\u200d"  # Persian and emoji need them; other invisible characters only mislead


@dataclass(frozen=True)
class ClusterEdit:
    """One edit; its numbers are those that the clusters had before it.

    Attributes
    ----------
    action : one of `ACTIONS`.
    clusters : the one that is renamed or split, or those that are merged, ascending.
    title : of the renamed cluster, or of the merged one; None for the words of its rows.
    parts, seed : of a split alone.

    Raises
    ------
    InputError
        The action is unknown, or what it needs is missing or cannot be used.
    """

    action: str
    clusters: tuple[int, ...]
    title: str | None = None
    parts: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            known = ", ".join(ACTIONS)
            raise InputError(f"Unknown edit of clusters {self.action!r}; use one of {known}.")
        numbers = tuple(sorted({_whole(number, "A cluster") for number in self.clusters}))
        object.__setattr__(self, "clusters", numbers)
        if self.action == "merge":
            if len(numbers) < 2:
                raise InputError("Give at least two different clusters to merge.", option="merge")
        elif len(numbers) != 1:
            raise InputError(f"Give one cluster to {self.action}.", option=self.action)
        if self.action == "rename" or self.title is not None:
            object.__setattr__(self, "title", check_title(self.title))
        if self.action == "split":
            parts = _whole(self.parts, "The number of parts")
            if parts < 2:
                raise InputError(f"A cluster is split into 2 parts or more, not {parts}.")
            check_seed(self.seed)  # type: ignore[arg-type]
            object.__setattr__(self, "parts", parts)
            object.__setattr__(self, "seed", int(self.seed or 0))
        unused = {"rename": ("parts", "seed"), "split": ("title",), "merge": ("parts", "seed")}
        for name in unused[self.action]:
            if getattr(self, name) is not None:
                raise InputError(f"To {self.action} clusters takes no {name}; leave it out.")

    @classmethod
    def read(cls, stored: dict[str, Any]) -> "ClusterEdit":
        """Make an entry of what `as_dict` gave; other keys are an error.

        Raises
        ------
        InputError
            As for the entry itself.
        """
        unknown = sorted(set(stored) - {field.name for field in fields(cls)})
        if unknown or not {"action", "clusters"} <= set(stored):
            raise InputError(
                "An edit of clusters has action, clusters and, as needed, title, parts and seed; "
                f"this one has {', '.join(map(str, stored))}."
            )
        return cls(**{**stored, "clusters": tuple(stored["clusters"])})

    def as_dict(self) -> dict[str, Any]:
        """Return what there is of it, for JSON, YAML and fingerprints."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        found["clusters"] = list(self.clusters)
        return {key: value for key, value in found.items() if value is not None}

    @property
    def added(self) -> int:
        """How many clusters there are more after it."""
        if self.action == "split":
            return int(self.parts or 1) - 1
        return 1 - len(self.clusters)  # none for a rename

    @property
    def sentence(self) -> str:
        """The edit, for a person."""
        numbers = ", ".join(map(str, self.clusters))
        if self.action == "rename":
            return f"cluster {numbers} renamed to {self.title}"
        if self.action == "split":
            return f"cluster {numbers} split into {self.parts}"
        return f"clusters {numbers} merged"


def check_title(title: Any) -> str:
    """Return a title without blanks around it.

    Raises
    ------
    InputError
        It is no text, empty, longer than 80 characters, of several lines, or has characters that
        cannot be seen.
    """
    if not isinstance(title, str):
        raise InputError(f"A title must be text, not {title!r}.")
    found = unicodedata.normalize("NFC", title).strip()
    kinds = [unicodedata.category(ch) for ch in found]
    hidden = [
        ch
        for ch, kind in zip(found, kinds, strict=True)
        if kind in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and ch not in _JOINERS
    ]
    if hidden:
        raise InputError(
            f"A title is one line of characters that can be seen; it has U+{ord(hidden[0]):04X}."
        )
    if not any(kind[0] in "LNPS" for kind in kinds):
        raise InputError("The title is empty; write 1 to 80 characters.")
    if len(found) > TITLE_CHARS:
        raise InputError(f"The title has {len(found)} characters; {TITLE_CHARS} is the most.")
    return found


def _whole(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise InputError(f"{what} is a whole number of 0 or more, not {str(value)[:40]!r}.")
    return int(value)
