"""Winnow's engine: the same functions that the app and the command line call.

>>> import core
>>> p = core.open_project("projects/demo")      # doctest: +SKIP
>>> run = p.select(method="kmq", ratio=0.05, quality="score")      # doctest: +SKIP
>>> p.export(run.run, format="trl", out="subset.jsonl")            # doctest: +SKIP
"""

from core.errors import BusyError, CancelledError, InputError, WinnowError
from core.version import __version__
from core.workspace import Workspace, create_project, open_project

__all__ = [
    "BusyError",
    "CancelledError",
    "InputError",
    "WinnowError",
    "Workspace",
    "__version__",
    "create_project",
    "open_project",
]
