"""A refinement on disk: its plan, its finished rounds, and the round at work.

``refinements/<name>/`` holds ``plan.json``, ``quality.npy`` where kMQ needs it, ``hand.json`` with
what was re-weighted by hand since the last draw, ``round-01/`` … and, while a round is at work,
``pending/``; what is in these folders, `core.refinement.round_store` says. A round is finished
once ``pending`` has been renamed.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.errors import InputError, command
from core.project import Project, atomic_folder, write_json
from core.refinement.draw import Draw
from core.refinement.names import FOLDER, refinement_names
from core.refinement.plan import Plan
from core.refinement.round_store import DrawNotes, Hand, Round
from core.values import plain

_PENDING = "pending"


@dataclass(frozen=True)
class Refinement:
    """A refinement of a project. Use `open_refinement`."""

    project: Project
    plan: Plan
    folder: Path

    @property
    def name(self) -> str:
        """Its name, which is that of its run, too."""
        return self.plan.name

    def rounds(self) -> list[Round]:
        """The finished rounds, in order."""
        found: list[Round] = []
        while (folder := self._folder(len(found) + 1)).is_dir():
            found.append(Round(folder))
        return found

    @property
    def folders(self) -> set[str]:
        """The names of the folders of its rounds, the one at work among them."""
        return {path.name for path in self.folder.iterdir() if path.is_dir()}

    @property
    def pending(self) -> Round | None:
        """The round at work, if there is one."""
        folder = self.folder / _PENDING
        return Round(folder) if folder.is_dir() else None

    def begin(
        self,
        drawn: DrawNotes,
        draw: Draw,
        labels: NDArray[np.int32],
        clusters: dict[str, NDArray[Any]],
    ) -> Round:
        """Keep the draw of a round, which is at work from now on.

        Parameters
        ----------
        labels : cluster of each pool row.
        clusters : the columns of `Round.clusters`.
        """
        _sweep(self.folder)
        with atomic_folder(self.folder / _PENDING) as folder:
            table = {
                "row": draw.rows,
                "cluster": labels[draw.rows],
                "probability": draw.probabilities,
                "why": pa.array(draw.why, pa.string()),
            }
            pq.write_table(pa.table(table), folder / "rows.parquet")
            pq.write_table(pa.table(clusters), folder / "clusters.parquet")
            (folder / "work").mkdir()
            write_json(folder / "draw.json", plain(asdict(drawn)))
        return Round(self.folder / _PENDING)

    def finish(self, pending: Round) -> Round:
        """Make the round at work a finished one; the rename is all that it takes."""
        pending.keep_waiting(None)
        _sweep(pending.folder)
        finished = self._folder(pending.number)
        pending.folder.rename(finished)
        return Round(finished)

    def remove_after(self, number: int) -> None:
        """Remove the round at work and those after `number`, the last first."""
        if self.pending:
            remove_folder(self.folder / _PENDING)
        for one in reversed(self.rounds()[number:]):
            remove_folder(one.folder)
        self.forget_hand()

    def hand(self, number: int) -> tuple[Hand, ...]:
        """What a person changed of the weights for the draw of this round."""
        try:
            stored = json.loads((self.folder / "hand.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return ()
        if stored["round"] != number:  # of a round that has been drawn
            return ()
        return tuple(Hand(**one) for one in stored["changes"])

    def keep_hand(self, number: int, hand: tuple[Hand, ...]) -> None:
        """Write it."""
        changes = [asdict(one) for one in hand]
        write_json(self.folder / "hand.json", {"round": number, "changes": changes})

    def forget_hand(self) -> None:
        """Remove it: the next draw has the weights that the scores gave."""
        (self.folder / "hand.json").unlink(missing_ok=True)

    @property
    def quality(self) -> NDArray[np.float64] | None:
        """Quality of each pool row as it was at the start, float64, for kMQ."""
        path = self.folder / "quality.npy"
        if not path.exists():
            return None
        quality: NDArray[np.float64] = np.load(path, allow_pickle=False)
        return quality

    def _folder(self, number: int) -> Path:
        return self.folder / f"round-{number:02}"


def create_refinement(
    project: Project, plan: Plan, quality: NDArray[np.float64] | None
) -> Refinement:
    """Keep a plan, as a refinement without rounds."""
    path = project.artefact(FOLDER, plan.name)
    with atomic_folder(path) as folder:
        write_json(folder / "plan.json", plain(asdict(plan)))
        if quality is not None:
            np.save(folder / "quality.npy", quality)
    return Refinement(project, plan, path)


def copy_refinement(source: Refinement, plan: Plan, number: int) -> Refinement:
    """Keep a plan as a refinement that has the first rounds of another one."""
    path = source.project.artefact(FOLDER, plan.name)
    with atomic_folder(path) as folder:
        write_json(folder / "plan.json", plain(asdict(plan)))
        if (source.folder / "quality.npy").exists():
            shutil.copy2(source.folder / "quality.npy", folder)
        for one in source.rounds()[:number]:
            # Nobody writes to a finished round, so that its models need not be there twice.
            shutil.copytree(one.folder, folder / one.folder.name, copy_function=_link)
    return Refinement(source.project, plan, path)


def open_refinement(project: Project, name: str) -> Refinement:
    """Open a refinement.

    Raises
    ------
    InputError
        There is none of this name, or its plan cannot be read.
    """
    known = refinement_names(project)
    if name not in known:
        has = ", ".join(known) or f"none yet, {command('refine', 'start', '--help')}"
        raise InputError(f"No refinement {name!r} in {project.name}; there are: {has}.")
    folder = project.artefact(FOLDER, name)
    try:
        stored = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        return Refinement(project, Plan.read(stored), folder)
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder / 'plan.json'} cannot be read; delete the refinement.") from None


def remove_folder(folder: Path) -> None:
    """Remove a folder so that a kill leaves all of it, or nothing under its name."""
    gone = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what a kill left of a write in this folder; to be called by the one writer."""
    for left in (*folder.glob(".*.part"), *folder.glob(".*.old")):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one that knows no links
        shutil.copy2(source, target)
