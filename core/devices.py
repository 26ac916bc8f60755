"""What this machine computes on: its cores, and a CUDA device if there is one."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import InputError

DEVICES = ("auto", "cpu", "cuda")


def cpu_count() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_device(device: str) -> str:
    """Return "cpu" or "cuda".

    Raises
    ------
    InputError
        `device` is no device, or is "cuda" on a machine without one that torch can use.
    """
    if device not in DEVICES:
        raise InputError(f"Unknown device {device!r}; use {', '.join(DEVICES)}.", option="device")
    if device == "cpu":
        return "cpu"
    found = has_cuda()
    if device == "cuda" and not found:
        raise InputError(
            "No CUDA device can be used here; give --device cpu, or install torch with CUDA."
        )
    return "cuda" if found else "cpu"


def has_cuda() -> bool:
    """Tell whether torch can use a CUDA device; where none can be, torch is not even imported."""
    if sys.platform == "darwin":
        return False
    drivers = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg")
    if sys.platform.startswith("linux") and not any(Path(path).exists() for path in drivers):
        return False
    import torch

    return torch.cuda.is_available()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let each call of torch use one thread, for those who call it from several threads.

    Threads of torch's own wait for each other in a loop, so that they are many times slower where
    anything else runs on the machine.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
