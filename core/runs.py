"""Runs: a selection made in a project, stored with the recipe that makes it again."""

import hashlib
import itertools
import json
import re
import shutil
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.clusters import Clusters
from core.errors import InputError, command
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project, atomic_folder
from core.recipe import make_recipe, write_recipe
from core.refinement.names import refinement_names
from core.selection import Selection
from core.setup import Setup, set_up
from core.values import plain

if TYPE_CHECKING:
    from core.export import ExportReport

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class RunReport:
    """What a selection did.

    Attributes
    ----------
    support : rows with a probability above zero.
    rows_sha256 : SHA-256 of the row numbers, ascending, as little-endian int64.
    sources : rows chosen from each source, most first.
    notes : sentences on what was changed to meet the budget, if anything.
    settings : the parameters as they were resolved (scale, sigma, diversity weight used …).
    target, seed : the target set and the seed that it was made with; a run of an earlier version
        knows neither.
    """

    run: str
    method: str
    selected: int
    support: int
    rows_sha256: str
    sources: dict[str, int]
    notes: tuple[str, ...]
    settings: dict[str, Any]
    seconds: float
    target: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Run:
    """A stored run. `rows` is int64 of shape (selected,), ascending."""

    id: str
    folder: Path
    created: float
    report: RunReport

    @property
    def recipe_path(self) -> Path:
        """The recipe that makes these rows again."""
        return self.folder / "recipe.yaml"

    @property
    def table(self) -> pa.Table:
        """Columns row, probability, cluster (-1 when there are none) and why; by row."""
        return pq.read_table(self.folder / "selection.parquet")

    @property
    def rows(self) -> NDArray[np.int64]:
        """The chosen rows, ascending."""
        table = pq.read_table(self.folder / "selection.parquet", columns=["row"])
        return table["row"].to_numpy()


def rows_sha256(rows: NDArray[np.int64]) -> str:
    """SHA-256 of row numbers, ascending, as little-endian int64 bytes (CLI contract)."""
    return hashlib.sha256(np.sort(rows).astype("<i8").tobytes()).hexdigest()


def select(
    project: Project,
    *,
    method: str,
    ratio: float | None = None,
    budget: int | None = None,
    target: str | None = None,
    quality: str | None = None,
    by: str | None = None,
    seed: int = 0,
    quality_file: str | Path | None = None,
    limits: Sequence[str] = (),
    max_cosine: float | None = None,
    semdedup: float | None = None,
    name: str | None = None,
    progress: Progress = silent,
    **parameters: Any,
) -> RunReport:
    """Choose rows with the rule `method` and store them as a run.

    Parameters
    ----------
    ratio, budget : share of the whole pool, or number of rows; exactly one of them.
    target : name of a target set, for rules that need one.
    quality : an original column of finite numbers >= 0, or ``heuristic:`` and a key of
        `core.quality.HEURISTICS`, for rules that weigh by quality; default: the column that was
        mapped to the role `quality` when the pool was read.
    by : an original column of at most 1,000 different values, for rules that draw by group;
        ``cluster`` is the clusters, also where a column is called so; default: the source.
    quality_file : scores by row in place of `quality`; see `core.quality.read_scores`.
    limits : fewest and most rows of a source, of another column's groups, or of a cluster, such
        as ``["source:alpaca=..500", "cluster=20.."]``; see `core.selection.constraints`.
    max_cosine : no two chosen rows have a cosine above it, unless both are pinned.
    semdedup : SemDeDup at this cosine leaves near-duplicates out before the rule chooses.
    name : id of the run; default: the method and a number.
    **parameters : the rule's own parameters, see `core.selection.RULES`.

    Raises
    ------
    InputError
        Unknown rule or name taken; something that the rule needs is missing; a parameter is out
        of range; the budget is larger than what is kept; the constraints cannot be met.
    """
    started = time.perf_counter()
    if name is not None:
        check_run_name(project, name)  # before the work; looked at again after it
    setup = set_up(
        project,
        method=method,
        ratio=ratio,
        budget=budget,
        target=target,
        quality=quality,
        by=by,
        seed=seed,
        quality_file=quality_file,
        limits=limits,
        max_cosine=max_cosine,
        semdedup=semdedup,
        progress=progress,
    )
    progress(0, 0, "selecting rows")
    selection = setup.solve(progress=progress, **parameters)
    return store(setup, selection, parameters, name=name, started=started)


def store(
    setup: Setup,
    selection: Selection,
    parameters: dict[str, Any],
    *,
    name: str | None = None,
    started: float | None = None,
) -> RunReport:
    """Keep a selection of this set-up as a run, with its recipe.

    Parameters
    ----------
    parameters : those of the rule that it was made with.
    name : id of the run; default: the method and a number.
    started : `time.perf_counter()` when the work began; default: now.

    Raises
    ------
    InputError
        The name is taken, or cannot name a run.
    """
    started = time.perf_counter() if started is None else started
    if name is not None:
        _check_name(name)
    rule, problem, clusters = setup.rule, setup.problem, setup.clusters
    sources = count_sources(setup.pool, selection.rows)
    # One transaction from the choice of the id to the entry, so that two processes cannot take
    # the same id; a kill in between leaves a folder without an entry, which the next run replaces.
    with setup.project.database() as db:
        db.execute("BEGIN IMMEDIATE")
        run_id = _free_id(setup.project, db, name, rule.id)
        report = RunReport(
            run_id,
            rule.id,
            len(selection.rows),
            selection.support,
            rows_sha256(selection.rows),
            sources,
            (*setup.notes, *selection.notes),
            plain(selection.settings),
            round(time.perf_counter() - started, 3),
            setup.request["target"],
            setup.request["seed"],
        )
        request = {
            **setup.request,
            "name": run_id,
            "parameters": rule.resolve(parameters),  # defaults too: they may change
        }
        uses_features = problem.features is not None
        recipe = make_recipe(setup.project, setup.decisions, request, asdict(report), uses_features)
        _put(setup.project, db, report, _table(selection, clusters), recipe)
    return report


def put_run(project: Project, report: RunReport, table: pa.Table, recipe: dict[str, Any]) -> None:
    """Keep a run that came about in another way than by a rule, in the place of an earlier one.

    Parameters
    ----------
    table : columns row, probability, cluster and why, by row; see `Run.table`.

    Raises
    ------
    InputError
        A run of another method has the name.
    """
    with project.database() as db:
        db.execute("BEGIN IMMEDIATE")
        found = db.execute("SELECT report FROM runs WHERE id = ?", (report.run,)).fetchone()
        if found and json.loads(found[0])["method"] != report.method:
            raise InputError(f"Another run has the name {report.run!r}; delete it first.")
        db.execute("DELETE FROM runs WHERE id = ?", (report.run,))
        _put(project, db, report, table, recipe)


def _put(
    project: Project,
    db: sqlite3.Connection,
    report: RunReport,
    table: pa.Table,
    recipe: dict[str, Any],
) -> None:
    with atomic_folder(project.artefact("runs", report.run)) as folder:
        pq.write_table(table, folder / "selection.parquet")
        write_recipe(folder / "recipe.yaml", recipe)
    db.execute(
        "INSERT INTO runs VALUES (?, ?, ?)", (report.run, time.time(), json.dumps(asdict(report)))
    )


def count_sources(pool: Pool, rows: NDArray[np.int64]) -> dict[str, int]:
    """Number of these rows from each source that has any, most first."""
    names = pool.sources()
    counts = np.bincount(names.codes[rows], minlength=len(names.names))
    return {names.names[i]: int(counts[i]) for i in np.argsort(-counts) if counts[i]}


def list_runs(project: Project) -> list[Run]:
    """All finished runs, newest first."""
    with project.database() as db:
        found = db.execute(
            "SELECT id, created, report FROM runs ORDER BY created DESC, id"
        ).fetchall()
    return [_run(project, *row) for row in found]


def load_run(project: Project, run_id: str) -> Run:
    """Return one run.

    Raises
    ------
    InputError
        There is no such run; the message names those that there are.
    """
    runs = {run.id: run for run in list_runs(project)}
    if run_id not in runs:
        known = ", ".join(runs) or f"none yet, {command('select', project.root, '--help')}"
        raise InputError(f"No run {run_id!r} in {project.name}; runs: {known}.")
    return runs[run_id]


def delete_run(project: Project, run_id: str) -> None:
    """Remove a run and its folder; InputError when there is none."""
    run = load_run(project, run_id)
    with project.database() as db:
        db.execute("DELETE FROM runs WHERE id = ?", (run_id,))
        # Before the name is free: another process may take it at once.
        shutil.rmtree(run.folder, ignore_errors=True)


def export_run(
    project: Project,
    run_id: str,
    *,
    format: str,  # noqa: A002 - the option's name, the same everywhere
    out: str | Path,
    lossy: bool = False,
    with_selection: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
) -> "ExportReport":
    """Write a run's rows, ascending, and its recipe beside them (inside, for a folder).

    Parameters
    ----------
    format : one of `core.export.EXPORT_FORMATS`.
    out : the file, or the folder for a format that is one; missing parents are made.
    lossy : leave out, and count, rows that the format cannot hold, instead of refusing.
    with_selection : add `winnow_probability` (float64), `winnow_cluster` (int32, -1 when there
        were no clusters) and `winnow_reason` to rows that are written as they came.
    overwrite : replace a file, or a folder that an earlier export made.

    Raises
    ------
    InputError
        Unknown format or run; the place is taken, or cannot be written to; a row that the format
        cannot hold, named, with `lossy` off; an original column has the name of an added one.
    """
    from core.export import write_rows

    run = load_run(project, run_id)
    extras = None
    if with_selection:
        table = run.table
        extras = pa.table(
            {
                "winnow_probability": table["probability"],
                "winnow_cluster": table["cluster"].cast(pa.int32()),
                "winnow_reason": table["why"].cast(pa.string()),
            }
        )
    return write_rows(
        Pool.open(project),
        run.rows,
        format,
        out,
        extras=extras,
        lossy=lossy,
        overwrite=overwrite,
        recipe=run.recipe_path.read_text(encoding="utf-8"),
        about={"run": run_id},
        progress=progress,
    )


def _table(selection: Selection, clusters: Clusters | None) -> pa.Table:
    labels = (
        clusters.labels[selection.rows] if clusters else np.full(len(selection.rows), -1, np.int32)
    )
    return pa.table(
        {
            "row": selection.rows,
            "probability": selection.probabilities,
            "cluster": labels,
            "why": list(selection.why),
        }
    )


def check_run_name(project: Project, name: str) -> None:
    """Refuse a name that no run of the project can have, or that one has.

    Raises
    ------
    InputError
        It is taken, or has other characters than letters, digits, dots, dashes, underscores.
    """
    _check_name(name)
    with project.database() as db:
        _free_id(project, db, name, "")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name a run; use up to 64 letters, digits, dots, dashes, underscores.",
            option="name",
        )


def _free_id(project: Project, db: sqlite3.Connection, name: str | None, method: str) -> str:
    """`name`, or the method with the first free number."""
    taken = {row[0] for row in db.execute("SELECT id FROM runs")}
    refinements = refinement_names(project)  # each is to become a run
    if name is None:
        taken |= {*refinements}
        return next(i for i in (f"{method}-{n}" for n in itertools.count(1)) if i not in taken)
    if name in refinements:
        raise InputError(
            f"A refinement {name!r} exists already; choose another name.", option="name"
        )
    if name in taken:
        raise InputError(f"A run {name!r} exists already; choose another name.", option="name")
    return name


def _run(project: Project, run_id: str, created: float, report: str) -> Run:
    fields = json.loads(report)
    fields["notes"] = tuple(fields["notes"])
    return Run(run_id, project.artefact("runs", run_id), created, RunReport(**fields))
