"""The bundled demo: 5,000 rows of seven kinds and two target sets, built into a project."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InputError
from core.paths import user_path
from core.progress import Progress, silent
from core.project import Project, file_sha256, write_json

if TYPE_CHECKING:
    from core.pool import Pool

DEMO_DIR = Path(__file__).parents[1] / "assets" / "demo"
POOL_FILE = DEMO_DIR / "pool.jsonl.gz"
TARGET_FILES = {
    "gsm8k": DEMO_DIR / "target-gsm8k.jsonl",
    "mt-bench": DEMO_DIR / "target-mt-bench.jsonl",
}
# Written last of all: `make app` builds the demo when this file is missing.
STAMP = "demo.json"
# Shorter than what `embed` allows: with the installation, a first start stays under four minutes.
PATIENCE_SECONDS = 90


@dataclass(frozen=True)
class DemoReport:
    """What was built: the project's folder, its rows, and the seconds that this call took."""

    project: str
    rows: int
    seconds: float


def build_demo(
    root: str | Path = "projects/demo",
    *,
    encoder: str = "auto",
    device: str = "auto",
    progress: Progress = silent,
) -> DemoReport:
    """Read the bundled pool and targets into a project, embed, cluster and lay out.

    A complete demo is left as it is; one whose building was interrupted goes on where it stopped.

    Parameters
    ----------
    root : str or Path
        The project's folder, new or made by an earlier call.
    encoder, device : str
        As for `core.features.embed`, but "auto" takes MiniLM only if it is done within 90 seconds.

    Raises
    ------
    InputError
        `root` holds something else, or a project of another pool.
    """
    started = time.monotonic()
    done = user_path(root).absolute() / STAMP
    if done.is_file():
        rows = int(json.loads(done.read_text(encoding="utf-8"))["rows"])
        return DemoReport(str(root), rows, time.monotonic() - started)

    rows = _read(root, progress)
    project = Project.open(root)
    _prepare(project, encoder, device, progress)
    report = DemoReport(str(root), rows, time.monotonic() - started)
    write_json(project.root / STAMP, asdict(report))
    return report


def _read(root: str | Path, progress: Progress) -> int:
    """Read the pool, unless an earlier call did; return the number of rows."""
    from core.ingest import init_pool
    from core.pool import Pool

    project = Project.create(root)
    if project.pointer("pool") is None:
        return init_pool(root, [POOL_FILE], progress=progress).rows
    pool = Pool.open(project)
    if [read["sha256"] for read in pool.meta["inputs"]] != [file_sha256(POOL_FILE)]:
        raise InputError(f"{project.root} holds another pool; give a new folder for the demo.")
    return pool.rows


def _quick_encoder(pool: "Pool", device: str, progress: Progress) -> str:
    from core.encoders import choose_encoder

    progress(0, pool.rows, "trying MiniLM on a few rows")
    seconds = choose_encoder(pool.texts(0, 256), pool.rows, device).minilm_seconds
    return "minilm" if seconds is not None and seconds <= PATIENCE_SECONDS else "static"


def _prepare(project: Project, encoder: str, device: str, progress: Progress) -> None:
    """Do the stages that were not done yet."""
    from core.clusters import cluster
    from core.features import embed
    from core.layout import lay_out
    from core.pool import Pool
    from core.target_features import encode_target
    from core.targets import add_target, list_targets

    features = project.pointer("features")
    if features is None:
        if encoder == "auto":
            encoder = _quick_encoder(Pool.open(project), device, progress)
        features = embed(project, encoder=encoder, device=device, progress=progress).fingerprint
    known = {target.name for target in list_targets(project)}
    for name, file in TARGET_FILES.items():
        if name not in known:
            add_target(project, name, [file], progress=progress)
        encode_target(project, name, progress=progress)
    if project.pointer(f"clusters:{features}") is None:
        cluster(project, progress=progress)
    if project.pointer(f"layout:{features}") is None:
        lay_out(project, progress=progress)
