"""How a long stage reports where it is."""

from typing import Protocol


class Progress(Protocol):
    """Called by a stage from time to time; cheap enough to call once a batch."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Report `done` of `total` units (`total` is 0 while unknown) of `what`, a short phrase."""


def silent(done: int, total: int, what: str) -> None:
    """Report nothing."""


_CLUSTER = {
    "choosing the number of clusters": 6,
    "finding clusters": 1,
    "assigning rows to clusters": 1,
    "naming clusters": 3,
}
_MAP = {
    "finding rough neighbours": 2,
    "finding neighbours": 4,
    "arranging the map": 6,
    "placing rows": 2,
    "measuring the map": 1,
}
_EMBED = {"encoding rows": 30}
# What the parts of a stage are called, in their order, and about how long each takes beside the
# others. A stage may leave some out.
PARTS: dict[str, dict[str, int]] = {
    "cluster": _CLUSTER,
    "map": _MAP,
    "upgrade": {**_EMBED, **_CLUSTER, **_MAP},
    "demo": {**_EMBED, "encoding the target set": 1, **_CLUSTER, **_MAP},
}
_OF_THE_REST = 0.9  # that a part takes where it is not known what follows


class StageShare:
    """The share of a stage that is done: over all its parts, never falling.

    Where the parts are not listed in `PARTS`, each that reports how far it is takes most of what
    is left.

    Parameters
    ----------
    stage : a name of `core.stages.STAGES`.
    """

    def __init__(self, stage: str) -> None:
        self._parts = PARTS.get(stage, {})
        self._what = ""
        self._begun = 0.0
        self.share = 0.0
        self.part = 0  # of `PARTS`, the one at work

    def __call__(self, done: int, total: int, what: str) -> float:
        """Take a stage's progress and return the share."""
        if what != self._what:
            self._what, self._begun = what, self.share
        within = min(1.0, done / total) if total else 0.0
        share = self._begun + _OF_THE_REST * within * (1 - self._begun)
        if self._parts:
            names = list(self._parts)
            if what not in names:
                return self.share
            self.part = names.index(what)
            before = sum(self._parts[name] for name in names[: self.part])
            share = (before + self._parts[what] * within) / sum(self._parts.values())
        self.share = max(self.share, share)
        return self.share
