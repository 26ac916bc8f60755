"""What a round at work has to show while it is trained and scored: its losses and its log."""

import os
from dataclasses import dataclass
from pathlib import Path

from core.feature_store import read_json
from core.project import Project
from core.refinement.store import open_refinement
from core.refinement.trainers.command import LOG
from core.refinement.training import LOSSES

_TAIL = 4_000  # bytes of a log that are shown


@dataclass(frozen=True)
class AtWork:
    """A round at work.

    Attributes
    ----------
    number : of the round.
    rows : how many it drew.
    losses : pairs of step, from 1, and training loss, as far as it came.
    log : the end of what the trainer's command printed; "" where there is none.
    """

    number: int
    rows: int
    losses: tuple[tuple[int, float], ...]
    log: str


def at_work(project: Project, name: str) -> AtWork | None:
    """Look at the round at work; None between rounds.

    Raises
    ------
    InputError
        There is no refinement of this name.
    """
    pending = open_refinement(project, name).pending
    if pending is None:
        return None
    report = pending.report
    if report is not None:
        losses = report.losses
    else:
        stored = read_json(pending.work / LOSSES) or {}
        losses = tuple((int(step), float(loss)) for step, loss in stored.get("losses", []))
    return AtWork(pending.number, len(pending.rows), losses, _tail(pending.work / LOG))


def finished_rounds(project: Project, name: str) -> int:
    """How many rounds of a refinement are finished; InputError where there is none of the name."""
    return len(open_refinement(project, name).rounds())


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL))
            return log.read().decode(errors="replace")
    except OSError:
        return ""
