"""The way to delete a project from the pages."""

import streamlit as st

from core.errors import WinnowError
from core.project_deletion import delete_project
from pages.ui import strip
from pages.ui.notice import tell
from pages.ui.state import NEW_PROJECT, ProjectView, is_private, project_names
from pages.ui.text import as_text


def render(view: ProjectView) -> None:
    """Draw the button, and the question that names the folder."""
    if not is_private():  # who else can open the pages need not be able to end all work
        return
    with st.popover("Delete project", icon=":material/delete:", type="tertiary"):
        st.markdown(
            f"Delete the folder **{as_text(view.project.root)}** with its rows, decisions, runs, "
            "refinements and all else that is in it? There is no way back. Exports "
            "elsewhere are left alone."
        )
        st.button(
            f"Delete {as_text(view.project.name)} for good",
            type="primary",
            key="delete-project",
            on_click=_delete,
            args=(view,),
        )


def _delete(view: ProjectView) -> None:
    try:
        said, failed = f"The project {delete_project(view.project.root)} is deleted.", False
    except WinnowError as error:
        said, failed = str(error), True
    if not view.project.root.exists():  # the page of a project that is gone cannot be drawn
        strip.go_to(next(iter(project_names()), NEW_PROJECT))
    tell(said, failed=failed)
