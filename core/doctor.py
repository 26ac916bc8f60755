"""What this machine has, for `doctor`: versions, device, memory, disk and model weights."""

import os
import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_PACKAGES = ("streamlit", "faiss-cpu", "torch", "umap-learn", "duckdb", "pyarrow", "openvino")
_LOW_DISK_BYTES = 5 << 30


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Examination:
    """All checks; `ok` when none failed."""

    ok: bool
    checks: tuple[Check, ...]


def examine(folder: Path | None = None) -> Examination:
    """Look at the machine; `folder` (default: the current one) is where projects would go."""
    checks = (
        _python(),
        *map(_package, _PACKAGES),
        _processor(),
        _memory(),
        _disk(folder or Path.cwd()),
        *_encoders(),
    )
    return Examination(all(check.ok for check in checks), checks)


def _python() -> Check:
    version = platform.python_version_tuple()
    return Check("python", (int(version[0]), int(version[1])) >= (3, 11), ".".join(version))


def _package(name: str) -> Check:
    try:
        return Check(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(name, False, "not installed; run `make setup`")


def _processor() -> Check:
    return Check("processor", True, f"{os.cpu_count()} cores, {platform.machine()}")


def _memory() -> Check:
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return Check("memory", True, "unknown on this system")
    return Check("memory", True, f"{total / 2**30:.1f} GiB")


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    enough = free > _LOW_DISK_BYTES
    advice = "" if enough else "; a million rows need about 5 GiB"
    return Check("disk", enough, f"{free / 2**30:.1f} GiB free at {folder}{advice}")


def _encoders() -> tuple[Check, ...]:
    from core.encoders import encoder_checks

    return tuple(Check(*found) for found in encoder_checks())
