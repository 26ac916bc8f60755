"""The map and the curve of the Select page: a move of the handle draws these two alone.

The page has some hundred elements, and a browser takes a fifth of a second for them. So the map
follows the hand, and the rest of the page follows when the hand rests.
"""

import logging
from dataclasses import dataclass, replace

import streamlit as st

from core.runs import Run, rows_sha256
from pages.ui import outcome
from pages.ui.live import Live, Wish
from pages.ui.mapview import render_run_map
from pages.ui.outcome import Outcome
from pages.ui.parameters import put_aside
from pages.ui.rows import dialog_waits
from pages.ui.settings import Settings
from pages.ui.state import ProjectView
from pages.ui.tradeoff_chart import HELP, has_rested, render_curve

_HEIGHT = 510


@dataclass
class Stage:
    """What the two show.

    Attributes
    ----------
    run, shown : the stored run that is looked at, and its rows or those of the settings.
    found : of the settings; what there is of it once the two are drawn.
    """

    view: ProjectView
    settings: Settings
    wish: Wish
    run: Run | None
    shown: Outcome | None
    found: Live

    @property
    def is_live(self) -> bool:
        """Whether what is shown is what the settings give: not stored, or stored just so."""
        if self.run is None:
            return True
        if not self.found.current or self.found.preview is None:
            return False
        report, rows = self.run.report, self.found.preview.rows
        same = report.rows_sha256 == rows_sha256(rows)
        return same and report.method == self.settings.rule.id

    def draw(self) -> None:
        """The map first, so that it lights up while the rest is worked out."""
        if self.view.mapped:
            late = self.run is None and not self.found.current and self.shown is not None
            said = "Rows of the settings before; the new ones follow …" if late else ""
            rows = self.shown.rows if self.shown else None
            render_run_map(self.view, rows, _HEIGHT, said)
        else:
            st.caption("There is no map yet; build it on the Pool page to see where the rows lie.")
        self.found = found = self.wish.rest(self.found)
        preview = found.preview
        if not (self.is_live and self.settings.has_path and preview and preview.limits):
            return
        if found.curve is not None:
            st.markdown("**Near or spread out**", help=HELP)
            effect = found.near.effect if found.near else None
            render_curve(found.curve, preview, self.settings, effect)

    def moved(self) -> "Stage":
        """As the handle stands by now."""
        weight = put_aside(self.settings.rule, "diversity_weight")
        if weight is None:
            return self
        parameters = {**self.settings.parameters, "diversity_weight": weight}
        settings = replace(self.settings, parameters=parameters)
        wish = Wish(self.view, settings)
        found = wish.rows()
        shown = outcome.of_preview(self.view, found.preview) if found.preview else None
        return Stage(self.view, settings, wish, None, shown, found)


def is_as_put(settings: Settings) -> bool:
    """Whether the handle asks for nothing else by now."""
    weight = put_aside(settings.rule, "diversity_weight")
    return weight in (None, settings.parameters.get("diversity_weight"))


def render_stage(stage: Stage) -> None:
    """Draw the two as part of the page, and again on their own when the handle moves."""
    drawn, failed = False, None

    @st.fragment
    def show() -> None:
        nonlocal drawn, failed
        rested = has_rested()
        if not drawn:
            drawn = True
            try:
                stage.draw()
            except Exception as error:  # a fragment would show where it was raised
                failed = error
            return
        if rested and put_aside(stage.settings.rule, "diversity_weight") is not None:
            st.rerun()  # the page has not followed yet
        if dialog_waits():
            st.rerun()  # what a fragment opens, its next run closes
        try:
            now = stage.moved()
            if now is not stage and now.shown is None:
                st.rerun()
            now.draw()
            if now is not stage and now.found.curve is None:
                st.rerun()  # which looks for it again, and brings the handle back
        except Exception:  # what is wrong is said by the page, which draws the two anew
            logging.getLogger("winnow").exception("The map could not follow the handle")
            st.rerun()

    show()
    if failed is not None:
        raise failed
