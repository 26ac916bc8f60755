"""Replay: make the rows of a recipe again, from its inputs, and compare."""

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from core.cluster_edits import edit_clusters
from core.cluster_log import ClusterEdit
from core.clusters import cluster
from core.decisions import decide
from core.errors import InputError
from core.features import embed
from core.ingest import init_pool
from core.paths import user_path
from core.progress import Progress, silent
from core.project import Project, file_sha256
from core.recipe import cluster_edits, package_versions, read_recipe
from core.refinement import METHOD as REFINE
from core.runs import RunReport, load_run, select
from core.target_features import import_target_features
from core.targets import add_target, add_target_from_rows
from core.values import decode_ranges
from core.vectors import import_features


@dataclass(frozen=True)
class ReplayReport:
    """Outcome of a replay; `why` says what differs when `same` is False."""

    run: str
    rows_sha256: str
    same: bool
    why: str
    selected: int
    seconds: float

    @property
    def sentence(self) -> str:
        """The outcome, for a person."""
        made = f"{self.run}, {self.selected:,} rows, made again in {self.seconds:.1f} s"
        return f"The same rows ({made})." if self.same else f"Not the same, because {self.why}"


def replay(
    recipe_path: str | Path, *, out: str | Path | None = None, progress: Progress = silent
) -> ReplayReport:
    """Make the rows of a recipe again.

    Parameters
    ----------
    recipe_path : the recipe, or the folder of an export, with a recipe.yaml in it.
    out : folder of the project to build, which is then kept; default: a temporary one.

    Raises
    ------
    InputError
        The recipe cannot be read, `out` is not empty, or an input file is missing or has changed.
    """
    started = time.perf_counter()
    recipe_path = Path(recipe_path)
    if user_path(recipe_path).is_dir():
        recipe_path /= "recipe.yaml"
    recipe = read_recipe(recipe_path)
    beside = recipe_path.absolute().parent
    pool, wanted = recipe["pool"], recipe["selection"]
    files = [_find(entry, beside) for entry in pool["inputs"]]
    target_files = [_find(entry, beside) for entry in recipe.get("target", {}).get("inputs") or []]
    scores = wanted.get("quality_file")
    scores = _find(scores, beside) if scores else None
    if out is not None and Path(out).is_dir() and any(Path(out).iterdir()):
        raise InputError(f"{out} is not empty; give a new folder for the replayed project.")
    with ExitStack() as stack:
        if out is None:
            out = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "replay"
        read = init_pool(
            out,
            files,
            format=pool["format"],
            columns=pool["columns"],
            limit=pool["limit"],
            progress=progress,
        )
        project = Project.open(out)
        if "features" in recipe:
            _rebuild_features(project, recipe["features"], beside, progress)
        if "clusters" in recipe:
            made = recipe["clusters"]
            cluster(project, k=made["k"], seed=made["seed"], progress=progress)
            _repeat_edits(project, cluster_edits(recipe), progress)
        _repeat_decisions(project, read.rows, recipe["decisions"])
        if "target" in recipe:
            _rebuild_target(project, recipe["target"], target_files, beside)
        report = _select(project, recipe, scores, progress)
        made_of = project.pointer("features")
        other = _other_round(project, recipe, report.run)
    same_pool = read.fingerprint == pool["fingerprint"]
    same = same_pool and report.rows_sha256 == recipe["result"]["rows_sha256"]
    if same:
        why = ""
    elif not same_pool:
        why = "the pool's rows are not those that the recipe read; an input has changed."
    else:
        why = other + _difference(recipe, report.selected, made_of)
    return ReplayReport(
        report.run,
        report.rows_sha256,
        same,
        why,
        report.selected,
        round(time.perf_counter() - started, 3),
    )


def _select(
    project: Project, recipe: dict[str, Any], scores: str | None, progress: Progress
) -> RunReport:
    wanted = recipe["selection"]
    if wanted["method"] == REFINE:
        from core.refinement.result import redraw

        return redraw(project, recipe, scores, progress=progress)
    options = {
        key: wanted[key]
        for key in (
            *("method", "budget", "target", "quality", "by", "seed", "name"),
            *("max_cosine", "semdedup"),
        )
    }
    return select(
        project,
        quality_file=scores,
        limits=wanted["limits"] or (),
        progress=progress,
        **options,
        **wanted["parameters"],
    )


def _other_round(project: Project, recipe: dict[str, Any], run: str) -> str:
    """Of a refinement, the words that name the first round of which other rows came."""
    if recipe["selection"]["method"] != REFINE:
        return ""
    from core.refinement.result import first_other_round

    again = read_recipe(load_run(project, run).recipe_path)["refinement"]["rounds"]
    number = first_other_round(recipe, again)
    return "" if number is None else f"round {number} drew other rows, and "


def _find(entry: dict[str, Any], beside: Path) -> str:
    """Locate an input by its recorded path, else by its name next to the recipe."""
    recorded = str(entry["path"])
    if recorded.startswith("hf://"):
        return recorded
    places = (user_path(recorded), beside / Path(recorded).name)
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise InputError(
            f"The input {recorded} of the recipe is missing; put it there or next to the recipe."
        )
    if found.is_file() and file_sha256(found) != entry["sha256"]:
        raise InputError(
            f"The input {found} is not the file that the recipe used "
            f"(SHA-256 {entry['sha256'][:12]}…); restore that version."
        )
    return str(found)


def _rebuild_features(
    project: Project, made: dict[str, Any], beside: Path, progress: Progress
) -> None:
    source = made.get("source")
    if source:
        file = Path(_find(source, beside))
        import_features(project, file, column=made.get("column"), progress=progress)
    else:
        embed(project, encoder=made["encoder"], progress=progress)


def _repeat_edits(project: Project, edits: list[ClusterEdit], progress: Progress) -> None:
    for number, edit in enumerate(edits):
        progress(number, len(edits), "editing clusters")
        try:
            edit_clusters(project, edit)
        except InputError as error:
            raise InputError(
                f"clusters.edits[{number}] of the recipe cannot be repeated: {error}"
            ) from None


def _rebuild_target(project: Project, made: dict[str, Any], files: list[str], beside: Path) -> None:
    prepare = None
    if made.get("features"):
        vectors = Path(_find(made["features"], beside))
        prepare = partial(import_target_features, project, source=vectors)
    if made.get("pool_rows") is not None:
        rows = decode_ranges(made["pool_rows"])
        add_target_from_rows(project, made["name"], rows, prepare=prepare)
    else:
        how = {"format": made["format"], "columns": made["columns"]}
        add_target(project, made["name"], files, **how, prepare=prepare)


def _repeat_decisions(project: Project, rows: int, made: dict[str, str]) -> None:
    for action, ranges in (("drop", made["dropped"]), ("pin", made["pinned"])):
        chosen = decode_ranges(ranges)
        if len(chosen):
            decide(project, rows, action, chosen, "replay")


def _difference(recipe: dict[str, Any], selected: int, features: str | None) -> str:
    """Name the likeliest cause of different rows."""
    if selected != recipe["result"]["selected"]:
        return f"{selected:,} rows came out and the recipe had {recipe['result']['selected']:,}."
    wanted = recipe.get("features", {}).get("fingerprint")
    if wanted not in (None, features):
        return "the encoder's weights are not those of the recipe."
    now = package_versions()
    changed = [
        f"{name} {then} → {now[name]}"
        for name, then in (recipe["versions"] or {}).items()
        if name in now and now[name] != then
    ]
    if changed:
        return f"versions of packages differ: {', '.join(changed)}."
    return (
        "Winnow was changed within its version, or the processor is another one; inputs and "
        "versions are the same."
    )
