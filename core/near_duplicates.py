"""Near-duplicates of a project: found once, grouped at any cosine, all but one of each dropped."""

import json
import time
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from core.decisions import Decisions, decide, load_decisions
from core.errors import InputError, command
from core.features import load_features
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project, atomic_folder, fingerprint
from core.quality import PREFIX, quality_of
from core.spanning_forest import LOOSEST, Forest, spanning_forest

_VERSION = 1  # another number finds all pairs anew
COSINE = 0.95  # what the pages and the command line begin with
Keep = Literal["first", "longest", "best"]
KEEPS: tuple[Keep, ...] = get_args(Keep)


@dataclass(frozen=True)
class DuplicatesReport:
    """What `find_duplicates` did; `pairs` is how many join the groups at the loosest cosine."""

    rows: int
    loosest: float
    pairs: int
    seconds: float
    fingerprint: str


@dataclass(frozen=True)
class DuplicateGroups:
    """The groups of kept rows at one cosine.

    Attributes
    ----------
    cosine : the threshold.
    rows : int64 ndarray, the rows of all groups of two or more, group by group, the largest first.
    starts : int64 ndarray of shape (groups + 1,), where in `rows` each group begins, and the end.
    """

    cosine: float
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: int) -> NDArray[np.int64]:
        """The rows of one group, ascending."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self.rows[self.starts[number] : self.starts[number + 1]]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Rows of each group, falling."""
        return np.diff(self.starts)

    @property
    def extra(self) -> int:
        """How many rows are more than one of each group."""
        return len(self.rows) - len(self)


def find_duplicates(project: Project, *, progress: Progress = silent) -> DuplicatesReport:
    """Find what joins the near-duplicates among the features in use, and store that.

    Raises
    ------
    InputError
        No features yet.
    BusyError
        Another process writes to the project.
    """
    started = time.perf_counter()
    with project.writing("duplicates"):
        features = load_features(project)
        name = fingerprint("near-duplicates", _VERSION, features.fingerprint, LOOSEST)
        folder = project.artefact("near-duplicates", name)
        if not (folder / "meta.json").is_file():
            forest = spanning_forest(features.vectors, loosest=LOOSEST, progress=progress)
            with atomic_folder(folder) as temporary:
                np.save(temporary / "edges.npy", forest.edges)
                np.save(temporary / "cosines.npy", forest.cosines)
                meta = {"rows": forest.rows, "loosest": forest.loosest}
                (temporary / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        project.point(f"near-duplicates:{features.fingerprint}", name)
        forest = _read(project, name)
    seconds = round(time.perf_counter() - started, 3)
    return DuplicatesReport(forest.rows, forest.loosest, len(forest.edges), seconds, name)


def load_forest(project: Project) -> Forest | None:
    """What joins the near-duplicates of the features in use; None before they were looked for.

    Raises
    ------
    InputError
        The files are damaged.
    """
    features = project.pointer("features")
    name = project.pointer(f"near-duplicates:{features}") if features else None
    return _read(project, name) if name else None


def group_rows(forest: Forest, cosine: float, dropped: NDArray[np.bool_]) -> DuplicateGroups:
    """Group the rows that are kept: what is joined through a dropped row stays joined.

    Parameters
    ----------
    dropped : bool ndarray of shape (rows,)

    Raises
    ------
    InputError
        The cosine is out of range.
    """
    kept = np.flatnonzero(~dropped)
    group = forest.groups(cosine)[kept]
    sizes = np.bincount(group, minlength=forest.rows)
    inside = sizes[group] > 1
    rows, group = kept[inside], group[inside]
    order = np.lexsort((rows, group, -sizes[group]))
    _, first = np.unique(group[order], return_index=True)
    return DuplicateGroups(cosine, rows[order], np.append(np.sort(first), len(rows)))


def extra_rows(
    groups: DuplicateGroups,
    worth: NDArray[np.floating[Any]],
    pinned: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """All rows of the groups but the one of the most worth of each, ascending.

    Among equal ones the first is kept. Pinned rows are kept, and no other beside them.

    Parameters
    ----------
    worth : ndarray of shape (rows,)
    pinned : bool ndarray of shape (rows,)
    """
    rows = groups.rows
    number = np.repeat(np.arange(len(groups)), np.diff(groups.starts))
    order = np.lexsort((rows, -worth[rows], ~pinned[rows], number))
    keeps = np.zeros(len(rows), bool)
    keeps[order[groups.starts[:-1]]] = True
    return np.sort(rows[~keeps & ~pinned[rows]])


def worth_of(pool: Pool, keep: Keep, quality: str | None = None) -> NDArray[np.float64]:
    """What "keep one of each" goes by; shape (rows,); -inf for a row whose quality is not known.

    Parameters
    ----------
    keep : the first row, the longest one, or the best by `quality`.
    quality : a column or ``heuristic:NAME``; by default the column that was mapped as quality.

    Raises
    ------
    InputError
        No such way; or no quality, or one that is a number in no row.
    """
    if keep not in KEEPS:
        known = ", ".join(KEEPS)
        raise InputError(f"Unknown way {keep!r} to keep one row; use {known}.", option="keep")
    if keep == "first":
        return np.zeros(pool.rows)
    if keep == "longest":
        return pool.lengths().astype(np.float64)
    name = quality or pool.quality_column()
    if name is None:
        raise InputError(
            "Keeping the best row needs a quality: name a column of numbers or a heuristic.",
            option="quality",
        )
    if name.startswith(PREFIX):
        return quality_of(pool, name)
    values = pool.numbers(name, gaps=True)
    finite = np.isfinite(values)
    if not finite.any():
        raise InputError(f"No row has a number as its {name!r}.", option="quality")
    return np.where(finite, values, -np.inf)


def duplicate_groups(project: Project, cosine: float = COSINE) -> DuplicateGroups:
    """The near-duplicate groups of the rows that are kept.

    Raises
    ------
    InputError
        They were not looked for yet, or the cosine is out of range.
    """
    decisions = load_decisions(project, Pool.open(project).rows)
    return group_rows(_forest(project), cosine, decisions.dropped)


def drop_duplicates(
    project: Project,
    cosine: float = COSINE,
    *,
    keep: Keep = "first",
    quality: str | None = None,
    forest: Forest | None = None,
) -> Decisions:
    """Drop all rows but one of each near-duplicate group; one decision, which undo takes back.

    Parameters
    ----------
    keep, quality : as of `worth_of`.
    forest : what joins them; by default that of the features in use.

    Raises
    ------
    InputError
        As `duplicate_groups` and `worth_of`; or there is nothing to drop.
    """
    pool = Pool.open(project)
    decisions = load_decisions(project, pool.rows)
    groups = group_rows(forest or _forest(project), cosine, decisions.dropped)
    rows = extra_rows(groups, worth_of(pool, keep, quality), decisions.pinned)
    if not len(rows):
        raise InputError(f"No row is a near-duplicate of another kept one at cosine {cosine:g}.")
    by = f"the best by {quality or pool.quality_column()}" if keep == "best" else f"the {keep}"
    origin = f"near-duplicates at cosine {cosine:g}, {by} of each kept"
    return decide(project, pool.rows, "drop", rows, origin)


def _forest(project: Project) -> Forest:
    forest = load_forest(project)
    if forest is None:
        raise InputError(
            f"Near-duplicates were not looked for yet; run {command('duplicates', project.root)}."
        )
    return forest


def _read(project: Project, name: str) -> Forest:
    folder = project.artefact("near-duplicates", name)
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        edges = np.load(folder / "edges.npy", allow_pickle=False)
        cosines = np.load(folder / "cosines.npy", allow_pickle=False)
        forest = Forest(meta["rows"], meta["loosest"], edges, cosines)
        if not (
            edges.dtype == np.int32
            and edges.shape == (len(cosines), 2)
            and ((edges >= 0) & (edges < forest.rows)).all()
            and (np.diff(cosines) <= 0).all()
        ):
            raise ValueError
        return forest
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        raise InputError(
            f"The near-duplicates in {folder} are damaged; delete that folder and run "
            f"{command('duplicates', project.root)}."
        ) from None
