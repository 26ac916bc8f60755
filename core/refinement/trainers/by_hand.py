"""Trainers that train nothing themselves."""

from dataclasses import dataclass
from pathlib import Path

from core.progress import Progress
from core.refinement.base import RoundWork, TrainReport, WaitingError
from core.refinement.round_file import write_round

_ROWS = "rows.jsonl"  # in a round's folder: what a person works from


@dataclass(frozen=True)
class NoTrainer:
    """Leaves no model: for scores that need none."""

    def train(self, work: RoundWork, *, progress: Progress) -> TrainReport:
        """Return a report of nothing."""
        del work, progress
        return TrainReport()


@dataclass(frozen=True)
class ManualTrainer:
    """Writes the round's rows and waits for what a model that was trained elsewhere says."""

    def train(self, work: RoundWork, *, progress: Progress) -> TrainReport:
        """Return a report of nothing once there are generations; `WaitingError` before."""
        del progress
        if work.generations:
            return TrainReport()
        file = rows_file(work)
        raise WaitingError(
            f"Train on {file}, then bring scores or generations of its {len(work.rows):,} rows "
            "with `refine score`.",
            file=file,
        )


def rows_file(work: RoundWork) -> Path:
    """The rows of the round as a file for a person, written when it is first asked for."""
    file = work.folder / _ROWS
    if not file.exists():
        write_round(work, file)
    return file
