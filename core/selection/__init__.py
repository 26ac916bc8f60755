"""Choosing rows: pure functions over NumPy arrays, with no project.

>>> import numpy as np
>>> from core.selection import Problem, solve
>>> len(solve("random", Problem(None, np.arange(100), budget=5)).rows)
5
"""

from core.selection.arrays import ArraySelection, select_arrays
from core.selection.base import Parameter, Problem, Rule, Selection, Strata, resolve_budget
from core.selection.registry import RULES, find_rule, solve
from core.selection.transport import Curve, PathPoint, TransportPath
from core.selection.tsds import transport_path

__all__ = [
    "RULES",
    "ArraySelection",
    "Curve",
    "Parameter",
    "PathPoint",
    "Problem",
    "Rule",
    "Selection",
    "Strata",
    "TransportPath",
    "find_rule",
    "resolve_budget",
    "select_arrays",
    "solve",
    "transport_path",
]
