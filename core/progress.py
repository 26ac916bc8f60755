"""How a long stage reports where it is."""

from typing import Protocol


class Progress(Protocol):
    """Called by a stage from time to time; cheap enough to call once a batch."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Report `done` of `total` units (`total` is 0 while unknown) of `what`, a short phrase."""


def silent(done: int, total: int, what: str) -> None:
    """Report nothing."""
