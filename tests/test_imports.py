"""Imports run downward: what knows rows and arrays alone does not look at runs or recipes."""

import ast
from pathlib import Path

import pytest

CORE = Path(__file__).parent.parent / "core"
ABOVE = {"runs", "recipe", "replay", "stages", "jobs", "worker", "cli", "console", "workspace"}


@pytest.mark.parametrize("package", ["export", "selection", "encoders"])
def test_a_lower_package_imports_nothing_from_above(package):
    found = set()
    for path in (CORE / package).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add((path.name, node.module))
            elif isinstance(node, ast.Import):
                found |= {(path.name, one.name) for one in node.names}
    upward = [one for one in found if one[1].split(".")[:1] == ["core"] and one[1][5:] in ABOVE]
    assert upward == []
    assert not [one for one in found if one[1].split(".")[0] == "streamlit"]
