"""The hue of each cluster on the map, worked out once and kept while clusters are edited."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.cluster_colors import first_hues, hues_after
from core.clusters import Clusters, read_clusters
from core.errors import InputError
from core.project import Project


@st.cache_resource(max_entries=64, show_spinner=False)
def cluster_hues(
    layout_id: str,
    fingerprint: str,
    _project: Project,
    _clusters: Clusters,
    _points: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Index into `palette.CATEGORICAL` for each cluster; see `core.cluster_colors`."""
    parent = _clusters.parent
    if parent is None:
        return first_hues(_clusters, _points)
    try:
        before = read_clusters(_project.artefact("clusters", parent), len(_clusters.labels))
    except InputError:  # they are gone, and so is what their colours were
        return first_hues(_clusters, _points)
    hues = cluster_hues(layout_id, parent, _project, before, _points)
    return hues_after(_clusters, _points, before.sizes, hues)
