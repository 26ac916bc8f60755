"""Streamlit components (v2) whose code is a folder of `assets/`."""

from pathlib import Path
from typing import Any

import streamlit as st

_ASSETS = Path(__file__).parents[2] / "assets"


def declare(name: str, *shared: str) -> Any:
    """The component of `assets/<name>`: its `.html`, `.css` and `.js`, each called as the folder.

    `shared` are files of `assets/` whose code stands before its own.
    """
    own = {kind: _ASSETS / name / f"{name}.{kind}" for kind in ("html", "css", "js")}
    scripts = [*(_ASSETS / path for path in shared), own["js"]]
    return st.components.v2.component(
        f"winnow_{name}",
        html=own["html"].read_text("utf-8"),
        css=own["css"].read_text("utf-8"),
        js="\n".join(path.read_text("utf-8") for path in scripts),
    )
