"""Subsets of a project measured, each once: what was measured is kept by all that it depends on."""

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.clusters import Clusters, load_clusters
from core.errors import InputError
from core.features import Features, load_features
from core.metrics import METRICS, Subset, measure, measure_target
from core.metrics_functions import (
    COVERED_ROWS,
    NOVEL_ROWS,
    density,
    distinct,
    sampled,
    unit_rows,
)
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project, fingerprint, write_json
from core.target_features import encode_target, imported_from
from core.targets import load_target

Rows = NDArray[np.int64]
Values = dict[str, float]
T = TypeVar("T")
_VERSION = 1  # to be raised when a metric is computed in another way


@dataclass(frozen=True)
class Sample:
    """Rows to measure, ascending, and the target sets for those metrics that need one."""

    rows: Rows
    targets: tuple[str, ...] = ()


class Bench:
    """What the subsets of one project are measured against.

    Parameters
    ----------
    project : a snapshot, so that features and clusters belong together.
    kept : int64 ndarray, ascending
        Rows that could have been chosen.
    """

    def __init__(self, project: Project, pool: Pool, kept: Rows) -> None:
        self._project, self._pool, self._kept = project, pool, kept
        self._features: Features = load_features(project)
        self._clusters: Clusters | None = load_clusters(project)
        self._goals: dict[str, list[object]] = {}

    def known(self, sample: Sample) -> tuple[Values, bool]:
        """Return what was measured of a subset before, and whether that is all."""
        common = _read(self._common_path(sample.rows))
        values, complete = dict(common or {}), common is not None
        for target in sample.targets:
            aimed = _read(self._target_path(sample.rows, target))
            complete &= aimed is not None
            values |= {metric_key(name, target): value for name, value in (aimed or {}).items()}
        return values, complete

    def measure(self, samples: Sequence[Sample], *, progress: Progress = silent) -> None:
        """Measure the subsets that are not known yet; neighbour searches take nearly all the time.

        Raises
        ------
        InputError
            A target set cannot be encoded with the features in use.
        """
        common = _missing({self._common_path(one.rows): one.rows for one in samples})
        aimed = _missing(
            {
                self._target_path(one.rows, target): (one.rows, target)
                for one in samples
                for target in one.targets
            }
        )
        targets = {
            name: unit_rows(encode_target(self._project, name, progress=progress))
            for name in dict.fromkeys(target for _, target in aimed.values())
        }
        count, total = itertools.count(), len(common) + len(aimed)
        if common:
            densities = self._densities([*common.values()], progress)
        for path, rows in common.items():
            progress(next(count), total, "measuring")
            write_json(path, measure(self._subset(rows, densities)))
        for path, (rows, target) in aimed.items():
            progress(next(count), total, "measuring")
            vectors = unit_rows(self._features.vectors[rows])
            values = measure_target(vectors, targets[target])
            self._check_goal(target)
            write_json(path, values)

    def _check_goal(self, target: str) -> None:
        """Refuse to keep metrics of a target set that took the place of another meanwhile."""
        known = self._goal(target)
        del self._goals[target]
        if self._goal(target) != known:
            raise InputError(f"The target set {target!r} was replaced meanwhile; compare again.")

    def _common_path(self, rows: Rows) -> Path:
        """Where the metrics of a subset are that need no target."""
        return self._path(self._context, _digest(rows))

    def _target_path(self, rows: Rows, target: str) -> Path:
        return self._path(self._goal(target), _digest(rows))

    def _goal(self, target: str) -> list[object]:
        """All that metrics of a target set depend on, beside the rows."""
        if target not in self._goals:
            self._goals[target] = [
                self._features.fingerprint,
                load_target(self._project, target).meta["fingerprint"],
                imported_from(self._project, target),
            ]
        return self._goals[target]

    def _path(self, *parts: object) -> Path:
        name = fingerprint(_VERSION, sorted(METRICS), *parts)
        return self._project.artefact("metrics", f"{name}.json")

    @cached_property
    def _context(self) -> list[str | None]:
        """All that metrics without a target depend on, beside the rows."""
        return [
            self._project.pointer("pool"),
            self._features.fingerprint,
            self._clusters.grouping if self._clusters else None,
            _digest(self._kept),
        ]

    @cached_property
    def _cover(self) -> NDArray[np.float32]:
        """The kept rows, or a sample of them, that coverage looks at."""
        return unit_rows(self._features.vectors[self._kept[sampled(len(self._kept), COVERED_ROWS)]])

    def _densities(self, every: list[Rows], progress: Progress) -> NDArray[np.float64]:
        """Density of the rows whose novelty is averaged, NaN elsewhere: one search for all."""
        vectors = self._features.vectors
        dense = np.unique(np.concatenate([rows[_novel(rows)] for rows in every]))
        first = distinct(vectors)
        base = vectors if len(first) == len(vectors) else vectors[first]
        found = np.full(self._pool.rows, np.nan)
        found[dense] = density(vectors[dense], base, progress=progress)
        return found

    def _subset(self, rows: Rows, densities: NDArray[np.float64]) -> Subset:
        novel, clusters, sources = _novel(rows), self._clusters, self._pool.sources()
        return Subset(
            vectors=unit_rows(self._features.vectors[rows]),
            pool=self._cover,
            lengths=self._pool.lengths()[rows],
            sources=sources.codes[rows],
            n_sources=len(sources.names),
            novel=novel,
            density=densities[rows[novel]],
            labels=clusters.labels[rows] if clusters else None,
            n_clusters=len(clusters.sizes) if clusters else 0,
        )


def metric_key(metric: str, target: str) -> str:
    """Under what a metric of a target set is given."""
    return f"{metric}:{target}"


def _missing(samples: dict[Path, T]) -> dict[Path, T]:
    return {path: sample for path, sample in samples.items() if _read(path) is None}


def _read(path: Path) -> Values | None:
    """Values that were stored; None if they are missing or damaged."""
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    numbers = isinstance(values, dict) and all(
        isinstance(one, int | float) for one in values.values()
    )
    return values if numbers else None


def _novel(rows: Rows) -> Rows:
    return sampled(len(rows), NOVEL_ROWS)


def _digest(rows: Rows) -> str:
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()
