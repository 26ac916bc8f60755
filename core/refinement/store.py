"""A refinement on disk: its plan, its finished rounds, and the round at work.

``refinements/<name>/`` holds ``plan.json``, ``quality.npy`` where kMQ needs it, ``hand.json`` with
what was re-weighted by hand since the last draw, ``round-01/`` … and, while a round is at work,
``pending/``. A round's folder holds what each of its stages left, every file written at once:

=================== ============================================================================
draw.json           number, seed, decisions as they were, rows that left the subset, notes
rows.parquet        row, cluster, probability, why
clusters.parquet    by cluster: standing (the weight), weight (that of the draw), candidates, quota
generations.parquet row, generation: what somebody brought
train.json          model, losses, notes
scores.json         scores in the order of the rows, notes
update.parquet      by cluster: count, mean, spread, score (shrunk), weight after the round
work/               what the trainer left
=================== ============================================================================

A round is finished once ``pending`` has been renamed. No file holds a time: the same rounds give
the same bytes.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.errors import InputError, command
from core.project import Project, atomic_file, atomic_folder, write_json
from core.refinement.base import Scores, TrainReport, WaitingError
from core.refinement.draw import Draw
from core.refinement.names import FOLDER, refinement_names
from core.refinement.plan import Plan
from core.values import plain

_PENDING = "pending"
_DAMAGED = "{} cannot be read; roll the refinement back to before it, or delete it."


@dataclass(frozen=True)
class Hand:
    """A change of weights by hand: these clusters (as ranges) times the factor."""

    clusters: str
    factor: float


@dataclass(frozen=True)
class DrawNotes:
    """What a round drew with, but for its tables.

    Attributes
    ----------
    entry : id of the last entry of the decision log, 0 before the first.
    dropped, pinned : all such rows of the pool then, as ranges.
    lost : rows of the subset that had been dropped, as ranges; they left it.
    hand : what a person changed of the weights since the draw before.
    """

    number: int
    seed: int
    entry: int
    dropped: str
    pinned: str
    lost: str
    hand: tuple[Hand, ...]
    support: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Round:
    """A round on disk, finished or at work; what is not there yet is None."""

    folder: Path

    @cached_property
    def drawn(self) -> DrawNotes:
        """What it drew with."""
        stored = self._json("draw.json")
        try:
            stored["hand"] = tuple(Hand(**one) for one in stored["hand"])
            stored["notes"] = tuple(stored["notes"])
            return DrawNotes(**stored)
        except (TypeError, KeyError):
            raise InputError(_DAMAGED.format(self.folder / "draw.json")) from None

    @property
    def number(self) -> int:
        """From 1."""
        return self.drawn.number

    @cached_property
    def table(self) -> pa.Table:
        """Columns row, cluster, probability and why; by row."""
        return self._parquet("rows.parquet")

    @property
    def rows(self) -> NDArray[np.int64]:
        """The rows that it brought, ascending."""
        rows: NDArray[np.int64] = self.table["row"].to_numpy()
        return rows

    @property
    def labels(self) -> NDArray[np.int32]:
        """Their clusters."""
        labels: NDArray[np.int32] = self.table["cluster"].to_numpy()
        return labels

    @cached_property
    def clusters(self) -> pa.Table:
        """Columns standing, weight, candidates and quota; by cluster."""
        return self._parquet("clusters.parquet")

    @property
    def weights(self) -> NDArray[np.float64]:
        """The weights that it drew with; 0 for a cluster that had no candidates."""
        weights: NDArray[np.float64] = self.clusters["weight"].to_numpy()
        return weights

    @property
    def report(self) -> TrainReport | None:
        """What the trainer did."""
        if not (self.folder / "train.json").exists():
            return None
        stored = self._json("train.json")
        model = stored["model"]
        return TrainReport(
            None if model is None else self.folder / model,  # an absolute path stays one
            tuple((int(step), float(loss)) for step, loss in stored["losses"]),
            tuple(stored["notes"]),
        )

    @property
    def scores(self) -> Scores | None:
        """What the scorer found."""
        if not (self.folder / "scores.json").exists():
            return None
        stored = self._json("scores.json")
        values = np.array([np.nan if one is None else one for one in stored["scores"]], np.float64)
        return Scores(values, tuple(stored["notes"]))

    @property
    def generations(self) -> dict[int, str]:
        """What somebody brought, by row."""
        if not (self.folder / "generations.parquet").exists():
            return {}
        table = self._parquet("generations.parquet")
        return dict(zip(table["row"].to_pylist(), table["generation"].to_pylist(), strict=True))

    @property
    def update(self) -> pa.Table | None:
        """Columns count, mean, spread, score and weight (after the round); by cluster."""
        if not (self.folder / "update.parquet").exists():
            return None
        return self._parquet("update.parquet")

    @property
    def waiting(self) -> WaitingError | None:
        """What it waits for, if it does."""
        if not (self.folder / "waiting.json").exists():
            return None
        stored = self._json("waiting.json")
        file = stored["file"]
        return WaitingError(stored["sentence"], file=self.folder / file if file else None)

    @property
    def work(self) -> Path:
        """Where its trainer works."""
        return self.folder / "work"

    def keep_report(self, report: TrainReport) -> None:
        """Write what the trainer did; a model inside the folder is found when that is renamed."""
        model = report.model
        if model is not None:
            model = model.absolute()
            if model.is_relative_to(self.folder):
                model = model.relative_to(self.folder)
        stored = {"model": model, "losses": report.losses, "notes": report.notes}
        write_json(self.folder / "train.json", plain(stored))

    def keep_scores(self, scores: Scores) -> None:
        """Write what the scorer found."""
        values = [None if np.isnan(one) else one for one in scores.values.tolist()]
        write_json(self.folder / "scores.json", {"scores": values, "notes": list(scores.notes)})

    def keep_generations(self, said: Mapping[int, str]) -> None:
        """Write what somebody brought."""
        table = {"row": list(said), "generation": list(said.values())}
        _write_table(self.folder / "generations.parquet", pa.table(table))

    def keep_update(self, columns: dict[str, NDArray[Any]]) -> None:
        """Write what became of the weights."""
        _write_table(self.folder / "update.parquet", pa.table(columns))

    def keep_waiting(self, waiting: WaitingError | None) -> None:
        """Write what it waits for, or that it waits no more."""
        path = self.folder / "waiting.json"
        if waiting is None:
            path.unlink(missing_ok=True)
            return
        file = waiting.file
        if file is not None and file.is_relative_to(self.folder):
            file = file.relative_to(self.folder)
        write_json(path, {"sentence": str(waiting), "file": str(file) if file else None})

    def _json(self, name: str) -> dict[str, Any]:
        try:
            stored: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
            return stored
        except (OSError, ValueError):
            raise InputError(_DAMAGED.format(self.folder / name)) from None

    def _parquet(self, name: str) -> pa.Table:
        try:
            return pq.read_table(self.folder / name)
        except (OSError, pa.ArrowException):
            raise InputError(_DAMAGED.format(self.folder / name)) from None


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
        (self.folder / "hand.json").unlink(missing_ok=True)

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
    for left in folder.glob(".*.part"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one that knows no links
        shutil.copy2(source, target)


def _write_table(path: Path, table: pa.Table) -> None:
    with atomic_file(path) as temporary:
        pq.write_table(table, temporary)
