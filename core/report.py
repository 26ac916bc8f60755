"""The report of a comparison: one HTML file without scripts, for a colleague without Winnow."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from core.clusters import load_clusters
from core.compare import Comparison, compare_runs, reasons
from core.compare_groups import Change, Groups
from core.compare_table import metric_table
from core.errors import InputError
from core.layout import load_layout
from core.mapplaces import anchors, display_points
from core.paths import check_new_file, user_path
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project, atomic_file, file_sha256
from core.recipe import read_recipe, target_of
from core.refinement import LABEL, SUMMARY
from core.refinement import METHOD as REFINE
from core.report_map import WIDTH, Ground, draw_rows, lay_ground
from core.runs import Run, load_run
from core.selection import RULES
from core.targets import load_target
from core.told import shortened
from core.told_reasons import told_by_text
from core.version import __version__

_TEMPLATES = Path(__file__).parents[1] / "assets" / "report"
_EXAMPLES = 8  # rows that differ, of each run of a pair
_LETTERS = 400  # of an example
_CHANGES = 16  # groups whose share changed most


@dataclass(frozen=True)
class MapPicture:
    """Rows of a run on the map: those it shares, and those that are its own."""

    title: str
    shared_label: str
    shared: str
    shared_rows: int
    own: str
    own_rows: int


@dataclass(frozen=True)
class ChangeTable:
    """What a run gained and lost."""

    what: str
    run: str
    changes: tuple[Change, ...]
    left_out: int


@dataclass(frozen=True)
class Example:
    """A row that only one run chose."""

    row: int
    source: str
    text: str
    why: str


@dataclass(frozen=True)
class Examples:
    """Some of the rows that one run has and the other has not, likeliest first."""

    title: str
    rows: int
    examples: tuple[Example, ...]


def report_runs(
    project: Project,
    names: Sequence[str],
    *,
    out: str | Path,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Compare runs and write the report; return where it is.

    Raises
    ------
    InputError
        The place cannot be used, or the runs cannot be compared.
    """
    place = report_place(out, overwrite=overwrite)
    return write_report(project, compare_runs(project, names, progress=progress), place)


def report_place(out: str | Path, *, overwrite: bool = False) -> Path:
    """Look at the place for a report before any work is done; `.html` is added where it lacks.

    Raises
    ------
    InputError
        It is a folder, in a file, has another suffix, or is taken and `overwrite` is off.
    """
    path = user_path(out, "html").absolute()
    if path.is_dir():
        raise _refused(f"{path} is a folder; give the name of a file in it.")
    if not path.suffix:
        path = path.with_suffix(".html")
    if path.suffix.lower() not in (".html", ".htm"):
        raise _refused(f"A report is an .html file, not {path.name}; give {path.stem}.html.")
    return check_new_file(path, "html", overwrite=overwrite)


def write_report(project: Project, found: Comparison, place: Path) -> Path:
    """Write the report of a comparison, atomically, and return where it is.

    Parameters
    ----------
    place : from `report_place`.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    text = render_report(project, found)
    try:
        with atomic_file(place) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise _refused(f"Cannot write {place}: {reason}; choose another place.") from error
    return place


def render_report(project: Project, found: Comparison) -> str:
    """Return the report as the text of an HTML file.

    All that comes from data is escaped, and the file forbids scripts and any address by itself.
    """
    project = project.snapshot()
    pool = Pool.open(project)
    runs = [load_run(project, name) for name in found.budgets]
    base = runs[0].id if len(runs) > 1 else None
    others = [run.id for run in runs[1:]] or [runs[0].id]
    ground, table = _ground(project), metric_table(found)
    changes = [
        _changes(what, groups, name, base)
        for name in others
        for what, groups in (("Sources", found.sources), ("Clusters", found.clusters))
        if groups
    ]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(
        project=project.name,
        rows=pool.rows,
        kept=int(found.sources.kept.sum()),
        created=time.strftime("%Y-%m-%d %H:%M"),
        version=__version__,
        found=found,
        table=table,
        ground=ground,
        width=WIDTH,
        maps=_maps(ground, found, runs) if ground else [],
        base=base or "the kept rows",
        changes=changes,
        # One scale for all bars, so that they can be compared.
        widest=max((abs(one.change) for change in changes for one in change.changes), default=0)
        or 1,
        examples=_examples(project, pool, found, runs),
        runs=[_facts(run) for run in runs],
        metrics=list({line.metric.id: line.metric for line in table.lines}.values()),
    )


def _ground(project: Project) -> Ground | None:
    layout, clusters = load_layout(project), load_clusters(project)
    if layout is None or clusters is None:
        return None
    points = display_points(layout)
    places = anchors(points, clusters.labels, len(clusters.titles)).at
    return lay_ground(points, clusters.titles, places, clusters.sizes)


def _maps(ground: Ground, found: Comparison, runs: list[Run]) -> list[MapPicture]:
    """A map for each run, beside those it shares rows with; Random's for a single one."""
    chosen: dict[str, NDArray[np.int64]] = {run.id: run.rows for run in runs}
    if len(runs) == 1:
        chosen["a random draw"] = found.drawn[runs[0].id]
    first, *others = chosen
    elsewhere = np.unique(np.concatenate([chosen[name] for name in others]))
    pictures = []
    for name, rows in chosen.items():
        with_whom = elsewhere if name == first else chosen[first]
        label = (others[0] if len(others) == 1 else "another run") if name == first else first
        shared = np.intersect1d(rows, with_whom, assume_unique=True)
        own = np.setdiff1d(rows, with_whom, assume_unique=True)
        pictures.append(
            MapPicture(
                name,
                f"also in {label}",
                draw_rows(ground, shared),
                len(shared),
                draw_rows(ground, own),
                len(own),
            )
        )
    return pictures


def _changes(what: str, groups: Groups, run: str, base: str | None) -> ChangeTable:
    every = groups.changes(run, base)
    shown = every[:_CHANGES]
    return ChangeTable(
        what,
        run,
        tuple(shown),
        len(every) - len(shown),
    )


def _examples(project: Project, pool: Pool, found: Comparison, runs: list[Run]) -> list[Examples]:
    """Rows that differ between the first run and each other one."""
    by_id = {run.id: run for run in runs}
    pairs = [pair for pair in found.overlaps if pair.first == runs[0].id]
    sides = [
        (by_id[inside], outside, rows)
        for pair in pairs
        for inside, outside, rows in (
            (pair.first, pair.second, pair.only_first),
            (pair.second, pair.first, pair.only_second),
        )
    ]
    return [
        Examples(
            f"In {run.id}, not in {outside}",
            len(rows),
            _first_rows(project, pool, run, rows),
        )
        for run, outside, rows in sides
    ]


def _first_rows(
    project: Project, pool: Pool, run: Run, rows: NDArray[np.int64]
) -> tuple[Example, ...]:
    table = reasons(run, rows).slice(0, _EXAMPLES)
    target, told = target_of(run.recipe_path, project), table["why"].to_pylist()
    if target:
        told = told_by_text(told, [shortened(text) for text in load_target(project, target).texts])
    page = pool.page(table["row"].to_numpy())
    texts = page["prompt"].where(page["prompt"] != "", page["answer"])
    parts = (page["row"], page["source"], map(_shortened, texts), told)
    return tuple(Example(*row) for row in zip(*parts, strict=True))


def _shortened(text: str) -> str:
    return text if len(text) <= _LETTERS else text[:_LETTERS].rstrip() + " …"


def _facts(run: Run) -> dict[str, Any]:
    """What made a run: the settings as they were resolved, the recipe's hash, the versions."""
    recipe, report = read_recipe(run.recipe_path), run.report
    request = recipe["selection"]
    scores = request.get("quality_file")
    asked = {
        **{key: request[key] for key in ("target", "quality", "by", "max_cosine", "semdedup")},
        "quality_file": Path(scores["path"]).name if scores else None,
        "limits": ", ".join(request["limits"] or ()) or None,
    }
    asked = {key: value for key, value in asked.items() if value is not None}
    label, summary = LABEL, SUMMARY
    if report.method != REFINE:
        label, summary = RULES[report.method].label, RULES[report.method].summary
    return {
        "id": run.id,
        "method": f"{label} ({report.method})",
        "summary": summary,
        "created": time.strftime("%Y-%m-%d %H:%M", time.localtime(run.created)),
        "settings": {"budget": report.selected, "seed": request["seed"], **asked} | report.settings,
        "features": (recipe.get("features") or {}).get("encoder", "not used"),
        "pool": recipe["pool"]["fingerprint"],
        "recipe": file_sha256(run.recipe_path),
        "rows": report.rows_sha256,
        "notes": report.notes,
        "versions": recipe["versions"] or {},
    }


def _refused(sentence: str) -> InputError:
    return InputError(sentence, option="html")
