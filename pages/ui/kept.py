"""What a person decided and edited, and whether other features or clusters change it."""

from functools import reduce

import numpy as np

from core.cluster_edits import edits_elsewhere
from pages.ui.state import ProjectView


def kept_over(view: ProjectView) -> str:
    """What stays whatever features and clusters come, in sentences; "" if nothing was decided."""
    decided, told = view.decisions, []
    tagged = reduce(np.logical_or, decided.tags.values(), np.zeros(len(decided.dropped), bool))
    counts = {"dropped": decided.dropped, "pinned": decided.pinned, "tagged": tagged}
    said = [f"{int(rows.sum()):,} {what}" for what, rows in counts.items() if rows.any()]
    if said:
        told.append(f"Decisions on rows stay whatever the features: {', '.join(said)}.")
    edits = len(view.clusters.edits) if view.clusters else 0
    if edits:
        belong = "edit of the clusters belongs" if edits == 1 else "edits of the clusters belong"
        told.append(f"{edits} {belong} to the features in use; others get clusters of their own.")
    others = edits_elsewhere(view.project)
    if others:
        stay = "edit of clusters stays" if others == 1 else "edits of clusters stay"
        told.append(f"{others} {stay} with earlier features.")
    return " ".join(told)
