"""`python -m pages.ui.serve` is `streamlit run app.py` that is ready for its first page.

Streamlit imports an app when the first page is asked for, while somebody waits for it. Here what
the pages need is imported before, and the map of the last project read while the browser starts.
"""

import contextlib
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

from streamlit import runtime
from streamlit.web import cli

from core.project import Project

_APP = Path(__file__).parents[2] / "app.py"
# Not the pages themselves: their caches want a server that runs.
_NEEDED = (
    "PIL.Image",
    "pyarrow.dataset",
    "plotly.graph_objects",
    "core.compare",
    "core.figures",
    "core.refinement.figures",
    "core.refinement.rivals",
    "core.report",
    "core.tradeoff",
)
# What a person gets to a little later, and would else wait for half a second.
_NEEDED_LATER = ("scipy.ndimage",)


def _get_ready() -> None:
    """Read what the last project's Map page shows into the server's caches; import the rest."""
    while not runtime.exists():
        time.sleep(0.05)
    from pages.ui import mapview, state

    # Whatever is wrong with a project is for its page to say.
    with contextlib.suppress(Exception):
        for name in state.project_names()[:1]:
            view = state.ProjectView(Project.open(state.projects_home() / name))
            if view.mapped:
                mapview.cluster_colors(view)
    for module in _NEEDED_LATER:
        import_module(module)


if __name__ == "__main__":
    for module in _NEEDED:
        import_module(module)
    threading.Thread(target=_get_ready, daemon=True).start()
    cli.main(["run", str(_APP), *sys.argv[1:]], prog_name="winnow")
