"""A round on disk, finished or at work: what each of its stages left, every file written at once.

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

No file holds a time: the same rounds give the same bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.errors import InputError
from core.project import atomic_file, write_json
from core.refinement.base import Scores, TrainReport, WaitingError
from core.values import plain

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


def _write_table(path: Path, table: pa.Table) -> None:
    with atomic_file(path) as temporary:
        pq.write_table(table, temporary)
