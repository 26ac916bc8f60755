"""The Python API: a project with every stage as a method."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.progress import Progress, silent
from core.project import Project

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.cluster_edits import EditReport
    from core.cluster_groups import CoarseGroups
    from core.cluster_stats import ClusterCard, ClusterStats
    from core.clusters import Clusters
    from core.compare import Comparison
    from core.decision_exchange import DecisionsFile, ImportReport
    from core.decisions import Decisions
    from core.facets import Histogram
    from core.features import Features
    from core.group_spread import GroupSpread
    from core.near_duplicates import DuplicateGroups
    from core.pool import Pool
    from core.refinement.history import History
    from core.refinement.quality_file import QualityReport
    from core.refinement.report import RefineReport
    from core.refinement.store import Refinement
    from core.runs import Run
    from core.search import Found
    from core.targets import TargetInfo
    from core.tradeoff import TradeoffReport


class Workspace:
    """A project in a notebook or a script.

    Every method calls the function that the command of the same name calls and returns its report;
    all keyword options are those of that function.
    """

    def __init__(self, project: Project, progress: Progress = silent) -> None:
        self.project = project
        self.progress = progress

    def __repr__(self) -> str:
        return f"Workspace({str(self.project.root)!r})"

    def _run(self, stage: str, **options: Any) -> Any:
        from core.stages import run_stage

        return run_stage(stage, self.project.root, options, progress=self.progress)

    def embed(self, **options: Any) -> Any:
        """Turn every row into a vector; see `core.features.embed` and `import_features`."""
        return self._run("embed", **options)

    def target(self, name: str, file: str | Path | None = None, **options: Any) -> Any:
        """Add a target set from a file, or from pool rows (`rows=[…]`); see `core.targets`."""
        if file is not None:
            options["files"] = [str(file)]
        return self._run("target", name=name, **options)

    @property
    def targets(self) -> "list[TargetInfo]":
        """The target sets by name."""
        from core.targets import list_targets

        return list_targets(self.project)

    def delete_target(self, name: str) -> None:
        """Remove a target set; see `core.targets.delete_target`."""
        from core.targets import delete_target

        delete_target(self.project, name)

    def delete(self) -> Path:
        """Remove the project's folder for good; see `core.project_deletion.delete_project`."""
        from core.project_deletion import delete_project

        return delete_project(self.project.root)

    def cluster(self, **options: Any) -> Any:
        """Group the rows; see `core.clusters.cluster`."""
        return self._run("cluster", **options)

    def map(self, **options: Any) -> Any:
        """Lay the rows out in the plane; see `core.layout.lay_out`."""
        return self._run("map", **options)

    def search(self, words: str = "", **options: Any) -> "Found":
        """Find rows by words, meaning, a condition or filters; see `core.search.find_rows`."""
        from core.search import find_rows

        return find_rows(self.project, words, progress=self.progress, **options)

    def histograms(self, *columns: str, **options: Any) -> "list[Histogram]":
        """Count rows by columns; see `core.search.find_histograms` and `core.facets`."""
        from core.search import find_histograms

        return find_histograms(self.project, columns, progress=self.progress, **options)

    def duplicates(self, cosine: float = 0.95) -> "DuplicateGroups":
        """Find the near-duplicates, and group them; see `core.near_duplicates`."""
        from core.near_duplicates import duplicate_groups

        self._run("duplicates")
        return duplicate_groups(self.project, cosine)

    def duplicate_spread(self, cosine: float = 0.95) -> "GroupSpread":
        """How unlike the rows of each near-duplicate group are; see `core.group_spread`."""
        from core.group_spread import spread_of

        return spread_of(self.project, self.duplicates(cosine))

    def drop_duplicates(self, cosine: float = 0.95, **options: Any) -> "Decisions":
        """Drop all rows but one of each group; see `core.near_duplicates.drop_duplicates`."""
        from core.near_duplicates import drop_duplicates

        self._run("duplicates")
        return drop_duplicates(self.project, cosine, **options)

    def select(self, *, method: str, **options: Any) -> Any:
        """Choose rows and store them as a run; see `core.runs.select`."""
        return self._run("select", method=method, **options)

    def quality(
        self, *, measure: str, out: str | Path, model: str | None = None, **options: Any
    ) -> "QualityReport":
        """Score rows; see `core.refinement.quality_file.write_quality`."""
        return self._run("quality", measure=measure, model=model, out=str(out), **options)

    @property
    def refinements(self) -> "list[RefineReport]":
        """How all refinements stand, by name."""
        from core.refinement.loop import list_refinements

        return list_refinements(self.project)

    def refinement(self, name: str) -> "Refinement":
        """A refinement with its plan and rounds; see `core.refinement.store`."""
        from core.refinement.store import open_refinement

        return open_refinement(self.project, name)

    def refine_start(self, name: str, **options: Any) -> "RefineReport":
        """Plan a refinement; see `core.refinement.loop.start`."""
        return self._run("refine", action="start", name=name, **options)

    def refine_step(self, name: str) -> "RefineReport":
        """Do a round; see `core.refinement.loop.step`."""
        return self._run("refine", action="step", name=name)

    def refine_run(self, name: str) -> "RefineReport":
        """Do all rounds that are left; see `core.refinement.loop.run`."""
        return self._run("refine", action="run", name=name)

    def refine_score(self, name: str, file: str | Path) -> "RefineReport":
        """Bring scores or generations to the waiting round; see `core.refinement.loop.bring`."""
        return self._run("refine", action="score", name=name, file=str(file))

    def refine_status(self, name: str) -> "RefineReport":
        """How a refinement stands."""
        from core.refinement.loop import status

        return status(self.project, name)

    def refine_history(self, name: str) -> "History":
        """Its weights, scores, rows and losses by round; see `core.refinement.history`."""
        from core.refinement.history import history_of

        return history_of(self.project, name)

    def refine_compare(self, name: str, **options: Any) -> "Comparison":
        """Set it beside a static draw and Random; see `core.refinement.rivals.beside_static`."""
        from core.refinement.rivals import beside_static

        return beside_static(self.project, name, progress=self.progress, **options)

    def refine_rollback(self, name: str, number: int) -> "RefineReport":
        """Go back to the end of a round; see `core.refinement.edits.rollback`."""
        from core.refinement.edits import rollback

        return rollback(self.project, name, number)

    def refine_branch(self, name: str, new: str, number: int | None = None) -> "RefineReport":
        """Copy a refinement as it was after a round; see `core.refinement.edits.branch`."""
        from core.refinement.edits import branch

        return branch(self.project, name, new, number)

    def refine_reweight(self, name: str, clusters: Sequence[int], factor: float) -> "RefineReport":
        """Change weights by hand for the next round; see `core.refinement.edits.reweight`."""
        from core.refinement.edits import reweight

        return reweight(self.project, name, clusters, factor)

    def refine_delete(self, name: str) -> None:
        """Remove a refinement and its run."""
        from core.refinement.edits import delete

        delete(self.project, name)

    def tradeoff(self, target: str, **options: Any) -> "TradeoffReport":
        """What a target set offers a budget by diversity weight; see `core.tradeoff.tradeoff`."""
        from core.tradeoff import tradeoff

        return tradeoff(self.project, target=target, progress=self.progress, **options)

    def export(self, run: str, *, format: str, out: str | Path, **options: Any) -> Any:  # noqa: A002
        """Write a run's rows; see `core.runs.export_run`."""
        return self._run("export", run_id=run, format=format, out=str(out), **options)

    @property
    def pool(self) -> "Pool":
        """The rows."""
        from core.pool import Pool

        return Pool.open(self.project)

    @property
    def features(self) -> "Features":
        """The vectors in use."""
        from core.features import load_features

        return load_features(self.project)

    @property
    def clusters(self) -> "Clusters | None":
        """The clusters of the features in use, or None."""
        from core.clusters import load_clusters

        return load_clusters(self.project)

    def rename_cluster(self, number: int, title: str) -> "EditReport":
        """Give a cluster another title; see `core.cluster_edits.rename_cluster`."""
        from core.cluster_edits import rename_cluster

        return rename_cluster(self.project, number, title)

    def split_cluster(self, number: int, k: int = 2, seed: int = 0) -> "EditReport":
        """Split a cluster into `k`; see `core.cluster_edits.split_cluster`."""
        from core.cluster_edits import split_cluster

        return split_cluster(self.project, number, k, seed)

    def merge_clusters(self, numbers: Sequence[int], title: str | None = None) -> "EditReport":
        """Make one cluster of several; see `core.cluster_edits.merge_clusters`."""
        from core.cluster_edits import merge_clusters

        return merge_clusters(self.project, numbers, title)

    def undo_cluster_edit(self) -> "EditReport":
        """Go back to the clusters before the last edit."""
        from core.cluster_edits import undo_cluster_edit

        return undo_cluster_edit(self.project)

    def cluster_stats(self, *, run: str | None = None, **options: Any) -> "ClusterStats":
        """Describe every cluster, with the share that a run selected if one is named.

        See `core.cluster_stats.cluster_stats`.
        """
        from core.cluster_stats import cluster_stats
        from core.runs import load_run

        if run is not None:
            options["selected"] = load_run(self.project, run).rows
        return cluster_stats(self.project, **options)

    def cluster_card(self, number: int, **options: Any) -> "ClusterCard":
        """Describe one cluster; see `core.cluster_stats.cluster_card`."""
        from core.cluster_stats import cluster_card

        return cluster_card(self.project, number, **options)

    def coarse_groups(self, groups: int | None = None) -> "CoarseGroups":
        """Group the clusters; see `core.cluster_groups.coarse_groups`."""
        from core.cluster_groups import coarse_groups
        from core.clusters import require_clusters

        return coarse_groups(require_clusters(self.project), groups)

    @property
    def layout(self) -> "NDArray[np.float32] | None":
        """The map's coordinates, float32 of shape (rows, 2), or None."""
        from core.layout import load_layout

        return load_layout(self.project)

    @property
    def decisions(self) -> "Decisions":
        """Which rows are dropped, pinned and tagged, and the log."""
        from core.decisions import load_decisions

        return load_decisions(self.project, self.pool.rows)

    @property
    def decisions_version(self) -> int:
        """A number that changes with the log; see `core.decisions.decisions_version`."""
        from core.decisions import decisions_version

        return decisions_version(self.project)

    def decide(
        self,
        action: str,
        rows: Any,
        origin: str = "python",
        *,
        label: str | None = None,
        note: str = "",
    ) -> "Decisions":
        """Drop, keep only, restore, pin, unpin, tag or untag rows; see `core.decisions.decide`."""
        from core.decisions import decide

        return decide(self.project, self.pool.rows, action, rows, origin, label=label, note=note)

    def decision_rows(self, entry_id: int) -> "NDArray[np.int64]":
        """The rows of a decision of the log; see `core.decisions.entry_rows`."""
        from core.decisions import entry_rows

        return entry_rows(self.project, self.pool.rows, entry_id)

    def undo(self, *, expected: int | None = None) -> "Decisions":
        """Take back the last decision; see `core.decisions.undo`."""
        from core.decisions import undo

        return undo(self.project, self.pool.rows, expected=expected)

    def redo(self, *, expected: int | None = None) -> "Decisions":
        """Put back the decision that was undone last; see `core.decisions.redo`."""
        from core.decisions import redo

        return redo(self.project, self.pool.rows, expected=expected)

    def go_back(self, entry: int) -> "Decisions":
        """Bring back the state after an entry of the log; see `core.decisions.go_back`."""
        from core.decisions import go_back

        return go_back(self.project, self.pool.rows, entry)

    def annotate(self, entry: int, note: str) -> None:
        """Write or change the note on a decision; see `core.decisions.annotate`."""
        from core.decisions import annotate

        annotate(self.project, entry, note)

    def export_decisions(self, out: str | Path, *, overwrite: bool = False) -> "DecisionsFile":
        """Write the decisions as a file; see `core.decision_exchange.export_decisions`."""
        from core.decision_exchange import export_decisions

        return export_decisions(self.project, out, overwrite=overwrite)

    def import_decisions(self, file: str | Path) -> "ImportReport":
        """Add the decisions of a file; see `core.decision_exchange.import_decisions`."""
        from core.decision_exchange import import_decisions

        return import_decisions(self.project, file)

    @property
    def runs(self) -> "list[Run]":
        """All runs, newest first."""
        from core.runs import list_runs

        return list_runs(self.project)

    def delete_run(self, run: str) -> None:
        """Remove a run and its recipe; exports stay."""
        from core.runs import delete_run

        delete_run(self.project, run)

    def compare(self, *runs: str | Sequence[str], **options: Any) -> "Comparison":
        """Set runs side by side; see `core.compare.compare_runs`."""
        from core.compare import compare_runs

        return compare_runs(self.project, _names(runs), progress=self.progress, **options)

    def report(self, *runs: str | Sequence[str], out: str | Path, overwrite: bool = False) -> Path:
        """Write a comparison of runs as one HTML file; see `core.report.report_runs`."""
        from core.report import report_runs

        return report_runs(
            self.project, _names(runs), out=out, overwrite=overwrite, progress=self.progress
        )


def create_project(
    root: str | Path,
    *files: str | Path | Sequence[str | Path],
    progress: Progress = silent,
    **options: Any,
) -> Workspace:
    """Read a pool from one or several files into a new project.

    Options are those of `core.ingest.init_pool`; a list of files will do too.
    """
    from core.stages import run_stage

    listed = [one for file in files for one in ([file] if isinstance(file, str | Path) else file)]
    run_stage("init", root, {"files": [*map(str, listed)], **options}, progress=progress)
    return open_project(root, progress=progress)


def open_project(root: str | Path, progress: Progress = silent) -> Workspace:
    """Open an existing project.

    Raises
    ------
    InputError
        There is no project at `root`.
    """
    return Workspace(Project.open(root), progress)


def _names(runs: Sequence[str | Sequence[str]]) -> list[str]:
    """Runs given one by one, or in lists."""
    return [name for one in runs for name in ([one] if isinstance(one, str) else one)]
