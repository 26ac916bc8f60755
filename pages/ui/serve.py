"""`python -m pages.ui.serve` is `streamlit run app.py` that has imported what its pages need.

Streamlit imports an app when the first page is asked for, while somebody waits for it.
"""

import sys
from importlib import import_module
from pathlib import Path

from streamlit.web import cli

_APP = Path(__file__).parents[2] / "app.py"
# Not the pages themselves: their caches want a server that runs.
_NEEDED = (
    "PIL.Image",
    "pyarrow.dataset",
    "pandas.io.formats.style",
    "plotly.graph_objects",
    "core.compare",
    "core.figures",
    "core.report",
    "core.tradeoff",
)

if __name__ == "__main__":
    for module in _NEEDED:
        import_module(module)
    cli.main(["run", str(_APP), *sys.argv[1:]], prog_name="winnow")
