"""The names of a project's refinements, which no run can have."""

from core.project import Project

FOLDER = "refinements"


def refinement_names(project: Project) -> list[str]:
    """The refinements of a project, in order of their names."""
    found = (path.parent.name for path in (project.root / FOLDER).glob("*/plan.json"))
    return sorted(name for name in found if not name.startswith("."))
