"""The scorer that scores nothing itself."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import InputError
from core.progress import Progress
from core.refinement.base import RoundWork, Scores, WaitingError
from core.refinement.brought import OUT, left_by_command
from core.refinement.trainers.by_hand import rows_file


@dataclass(frozen=True)
class ImportScorer:
    """Takes the scores that a command left, or waits for a file of them.

    What somebody brings the loop keeps itself; it asks no scorer then.
    """

    def score(self, work: RoundWork, model: Path | None, *, progress: Progress) -> Scores:
        """Return what a command left; else write the round's rows and raise `WaitingError`."""
        del model, progress
        left = left_by_command(work).scores
        if left:
            missing = [row for row in work.rows.tolist() if row not in left]
            if missing:
                raise InputError(
                    f"{work.folder / OUT / 'scores.jsonl'} has no score for row {missing[0]}, "
                    f"{len(missing):,} in all; add what is missing and go on."
                )
            return Scores(np.array([left[row] for row in work.rows.tolist()], np.float64))
        file = rows_file(work)
        raise WaitingError(
            f"Bring scores of the {len(work.rows):,} rows of {file} with `refine score`: a table "
            "of row and score.",
            file=file,
        )
