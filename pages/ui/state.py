"""Which project is in view, and its arrays, loaded once per content and shared by all sessions."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.clusters import Clusters, load_clusters
from core.decisions import Decisions, load_decisions
from core.errors import InputError
from core.facet_columns import Column
from core.facets import Facets
from core.features import Features, load_features
from core.layout import load_layout
from core.near_duplicates import load_forest
from core.pool import Pool
from core.project import Project
from core.spanning_forest import Forest

NEW_PROJECT = "New project…"
_HOME = Path(__file__).parents[2] / "projects"


def projects_home() -> Path:
    """Folder that holds the projects: WINNOW_PROJECTS, else `projects/` of the checkout."""
    return Path(os.environ.get("WINNOW_PROJECTS", _HOME)).expanduser().absolute()


def project_names() -> list[str]:
    """Names of the projects there are; the one worked on last comes first."""
    found = [path.parent for path in projects_home().glob("[!.]*/project.db")]
    found.sort(key=lambda folder: (folder / "project.db").stat().st_mtime, reverse=True)
    return [folder.name for folder in found]


def is_private() -> bool:
    """Whether only this machine can open the pages: then they may do what its user may."""
    return st.get_option("server.address") in ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class ProjectView:
    """A project as a page sees it; each part is loaded when it is first asked for."""

    project: Project

    @cached_property
    def pool(self) -> Pool | None:
        """The rows, or None before they were read.

        Raises
        ------
        InputError
            Their files are not there any more, though some may still be in memory.
        """
        found = self.project.pointer("pool")
        if found and not self.project.pool_dir.is_dir():
            raise InputError(
                f"The rows of {self.project.root.name} are gone: there is no folder "
                f"{self.project.pool_dir}. Put it back, or read the pool again."
            )
        return _pool(str(self.project.root), found) if found else None

    @cached_property
    def features_id(self) -> str | None:
        """Fingerprint of the features in use."""
        return self.project.pointer("features")

    @cached_property
    def features(self) -> Features | None:
        """The vectors in use."""
        return _features(str(self.project.root), self.features_id) if self.features_id else None

    @cached_property
    def clusters(self) -> Clusters | None:
        """The clusters of the features in use."""
        if self.features_id is None:
            return None
        found = self.project.pointer(f"clusters:{self.features_id}")
        return _clusters(str(self.project.root), self.features_id, found) if found else None

    @cached_property
    def layout_id(self) -> str | None:
        """Fingerprint of the layout of the features in use."""
        return self.project.pointer(f"layout:{self.features_id}") if self.features_id else None

    @cached_property
    def layout(self) -> NDArray[np.float32] | None:
        """Coordinates, float32 of shape (rows, 2)."""
        if not (self.features_id and self.layout_id):
            return None
        return _layout(str(self.project.root), self.features_id, self.layout_id)

    @cached_property
    def forest(self) -> Forest | None:
        """What joins near-duplicates, by the features in use; None before they were looked for."""
        if self.features_id is None:
            return None
        found = self.project.pointer(f"near-duplicates:{self.features_id}")
        return _forest(str(self.project.root), self.features_id, found) if found else None

    @cached_property
    def facets(self) -> Facets:
        """The columns that rows are filtered and coloured by."""
        assert self.pool is not None
        read = _columns(str(self.project.root), self.pool.fingerprint)
        return Facets(self.seen, self.pool, read)

    @cached_property
    def decisions(self) -> Decisions:
        """Dropped and pinned rows, as of now."""
        return load_decisions(self.project, self.pool.rows if self.pool else 0)

    @cached_property
    def seen(self) -> Project:
        """The project with the features, clusters and map that the page shows, whatever comes.

        To read from; what is written there would not be put in use.
        """
        if self.features_id is None:
            return self.project
        overlay = {"features": self.features_id}
        if self.clusters is not None:
            overlay[f"clusters:{self.features_id}"] = self.clusters.fingerprint
        if self.layout_id is not None:
            overlay[f"layout:{self.features_id}"] = self.layout_id
        return Project(self.project.root, overlay)

    @cached_property
    def log_id(self) -> str:
        """Names the decisions of this moment."""
        log = self.decisions.log
        return f"{log[-1].id} {log[-1].uid}" if log else ""

    @property
    def mapped(self) -> bool:
        """Whether there is a map to show."""
        return self.clusters is not None and self.layout is not None


def current_view() -> ProjectView | None:
    """The project chosen in the strip, or None while a new one is being set up."""
    name = st.session_state.get("project")
    if not name or name == NEW_PROJECT:
        return None
    try:
        return ProjectView(Project.open(projects_home() / Path(name).name))
    except InputError:
        return None


def open_project(name: str) -> None:
    """Show another project from the next run on."""
    st.session_state["next_project"] = name


# The id of the content is the key, so that a cache can neither go stale nor hash a large array.


@st.cache_resource(max_entries=8, show_spinner=False)
def _pool(root: str, fingerprint: str) -> Pool:
    return Pool.open(Project(Path(root)))


@st.cache_resource(max_entries=8, show_spinner=False)
def _features(root: str, fingerprint: str) -> Features:
    return load_features(Project(Path(root), {"features": fingerprint}))


@st.cache_resource(max_entries=8, show_spinner=False)
def _clusters(root: str, features: str, fingerprint: str) -> Clusters:
    overlay = {"features": features, f"clusters:{features}": fingerprint}
    return cast(Clusters, load_clusters(Project(Path(root), overlay)))


@st.cache_resource(max_entries=8, show_spinner=False)
def _layout(root: str, features: str, fingerprint: str) -> NDArray[np.float32]:
    overlay = {"features": features, f"layout:{features}": fingerprint}
    return cast(NDArray[np.float32], load_layout(Project(Path(root), overlay)))


@st.cache_resource(max_entries=4, show_spinner=False)
def _columns(root: str, pool: str) -> dict[str, tuple[str, Column]]:
    return {}  # to which what is read of them is added


@st.cache_resource(max_entries=8, show_spinner=False)
def _forest(root: str, features: str, fingerprint: str) -> Forest:
    overlay = {"features": features, f"near-duplicates:{features}": fingerprint}
    return cast(Forest, load_forest(Project(Path(root), overlay)))
