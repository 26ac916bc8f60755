"""All stages by name: the one table behind the command line, background jobs and replay."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import InputError
from core.progress import Progress, silent
from core.project import Project
from core.values import plain


def run_stage(
    stage: str, root: str | Path, options: dict[str, Any], *, progress: Progress = silent
) -> Any:
    """Run one stage on the project at `root` and return its report (a dataclass).

    Raises
    ------
    InputError
        No such stage, no such project, or what the stage itself refuses.
    """
    if stage not in STAGES:
        raise InputError(f"Unknown stage {stage!r}; stages: {', '.join(STAGES)}.")
    return STAGES[stage](root, progress=progress, **options)


def report_as_dict(report: Any) -> dict[str, Any]:
    """Return a report's fields as plain JSON values."""
    return plain(asdict(report))


# Each function imports its stage when it is called: a command pays only for what it uses.


def _init(root: str | Path, *, progress: Progress, **options: Any) -> Any:
    from core.ingest import init_pool

    return init_pool(root, progress=progress, **options)


def _embed(root: str | Path, *, progress: Progress, **options: Any) -> Any:
    from core.features import embed
    from core.vectors import import_features

    project = Project.open(root)
    if options.get("features"):
        source = Path(options["features"])
        return import_features(project, source, column=options.get("column"), progress=progress)
    options = {key: value for key, value in options.items() if key not in ("features", "column")}
    return embed(project, progress=progress, **options)


def _target(
    root: str | Path,
    *,
    progress: Progress,
    name: str,
    features: str | None = None,
    rows: list[int] | None = None,
    **options: Any,
) -> Any:
    from core.target_features import import_target_features
    from core.targets import add_target, add_target_from_rows

    project = Project.open(root)
    if features is not None:
        options["prepare"] = partial(import_target_features, project, source=features)
    if rows is not None:
        chosen = np.array(rows, np.int64)
        return add_target_from_rows(project, name, chosen, progress=progress, **options)
    return add_target(project, name, progress=progress, **options)


def _cluster(root: str | Path, *, progress: Progress, **options: Any) -> Any:
    from core.clusters import cluster

    return cluster(Project.open(root), progress=progress, **options)


def _map(root: str | Path, *, progress: Progress, **options: Any) -> Any:
    from core.layout import lay_out

    return lay_out(Project.open(root), progress=progress, **options)


def _duplicates(root: str | Path, *, progress: Progress, **options: Any) -> Any:
    from core.near_duplicates import find_duplicates

    return find_duplicates(Project.open(root), progress=progress, **options)


def _upgrade(root: str | Path, *, progress: Progress, encoder: str, seed: int = 0) -> Any:
    """Make better features with clusters and map, and put all three in use at once at the end."""
    from core.clusters import cluster
    from core.features import embed
    from core.layout import lay_out

    project = replace(Project.open(root), overlay={})
    report = embed(project, encoder=encoder, progress=progress)
    cluster(project, seed=seed, progress=progress)
    lay_out(project, seed=seed, progress=progress)
    Project.open(root).point("features", report.fingerprint)
    return report


def _select(root: str | Path, *, progress: Progress, **options: Any) -> Any:
    from core.runs import select

    return select(Project.open(root), progress=progress, **options)


def _compare(root: str | Path, *, progress: Progress, **options: Any) -> Any:
    from core.compare import measure_runs

    return measure_runs(Project.open(root), progress=progress, **options)


def _export(root: str | Path, *, progress: Progress, **options: Any) -> Any:
    from core.runs import export_run

    return export_run(Project.open(root), progress=progress, **options)


def _demo(root: str | Path, *, progress: Progress, **options: Any) -> Any:
    from core.demo import build_demo

    return build_demo(root, progress=progress, **options)


def _quality(root: str | Path, *, progress: Progress, **options: Any) -> Any:
    from core.refinement.quality_file import write_quality

    return write_quality(Project.open(root), progress=progress, **options)


def _refine(root: str | Path, *, progress: Progress, action: str, **options: Any) -> Any:
    """Start a refinement, do rounds of it, or measure it beside its static rival and Random."""
    project = Project.open(root)
    if action == "compare":
        from core.refinement.rivals import measure_beside

        return measure_beside(project, progress=progress, **options)
    from core.refinement import loop

    actions: dict[str, Callable[..., Any]] = {
        "start": loop.start,
        "step": loop.step,
        "run": loop.run,
        "score": loop.bring,
    }
    return actions[action](project, progress=progress, **options)


STAGES: dict[str, Callable[..., Any]] = {
    "init": _init,
    "embed": _embed,
    "target": _target,
    "cluster": _cluster,
    "map": _map,
    "duplicates": _duplicates,
    "upgrade": _upgrade,
    "select": _select,
    "quality": _quality,
    "refine": _refine,
    "compare": _compare,
    "export": _export,
    "demo": _demo,
}
