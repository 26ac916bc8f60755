"""The commands that list what a project holds, and delete it: runs, target sets, all of it."""

from typing import Annotated

import typer

from core.console import ProjectArgument, console
from core.errors import InputError, command


def runs(
    project: ProjectArgument,
    delete: Annotated[
        str | None, typer.Option(metavar="RUN", help="Delete this run; its exports stay.")
    ] = None,
) -> None:
    """List the runs of a project, or delete one."""
    from core.project import Project
    from core.runs import delete_run, list_runs
    from core.stages import report_as_dict

    opened = Project.open(project)
    if delete is not None:
        delete_run(opened, delete)
        console.values({"deleted": delete}, f"The run {delete} is deleted.")
        return
    console.table(
        "runs",
        [
            # A run has exactly as many rows as were asked for.
            {
                **report_as_dict(run.report),
                "budget": run.report.selected,
                "created": run.created,
            }
            for run in list_runs(opened)
        ],
        columns=("run", "method", "target", "budget", "seed", "created", "notes"),
        empty=f"No runs yet; {command('select', project, '--help')} says how to make one.",
    )


def targets(
    project: ProjectArgument,
    delete: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Delete this target set; runs made with it stay."),
    ] = None,
) -> None:
    """List the target sets of a project, or delete one."""
    from core.project import Project
    from core.stages import report_as_dict
    from core.targets import delete_target, list_targets

    opened = Project.open(project)
    if delete is not None:
        delete_target(opened, delete)
        console.values({"deleted": delete}, f"The target set {delete} is deleted.")
        return
    console.table(
        "targets",
        [report_as_dict(info) for info in list_targets(opened)],
        columns=("name", "rows", "origin"),
        empty=f"No target sets yet; {command('target', project, '--help')} says how to add one.",
    )


def delete(
    project: ProjectArgument,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without this nothing is done.")
    ] = False,
) -> None:
    """Delete a project: its folder, with all that is in it."""
    from core.paths import user_path
    from core.project_deletion import delete_project

    if not yes:
        folder = user_path(project).absolute()
        raise InputError(f"This removes {folder} and all that is in it for good; add --yes.")
    gone = delete_project(project)
    console.values({"deleted": str(gone)}, f"The project {gone} is deleted.")


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for one in (runs, targets, delete):
        app.command()(one)
