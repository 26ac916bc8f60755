"""Changes of a refinement by hand between rounds: go back, branch off, re-weight, delete."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.clusters import check_numbers
from core.errors import InputError
from core.project import Project
from core.refinement.names import FOLDER, refinement_names
from core.refinement.report import RefineReport, make_report, weights_now
from core.refinement.round_store import Hand
from core.refinement.steps import by_hand, opened, remove_run, settle_run
from core.refinement.store import Refinement, copy_refinement, open_refinement, remove_folder
from core.runs import check_run_name
from core.values import encode_ranges

_MOST = 1_000_000  # times the weight, by hand


def rollback(project: Project, name: str, number: int) -> RefineReport:
    """Go back to the end of a round; later ones are removed, and the round at work.

    Decisions stay as they are. 0 goes back to the start, where there is no run.

    Raises
    ------
    InputError
        There is no such refinement or round.
    BusyError
        Another process writes to the project.
    """
    with opened(project, name) as (refinement, ground):
        _check_number(refinement, number)
        refinement.remove_after(number)
        settle_run(refinement, ground)
        return make_report(refinement, ground)


def branch(project: Project, name: str, new: str, number: int | None = None) -> RefineReport:
    """Copy a refinement as it was after a round under a new name; this one stays.

    Parameters
    ----------
    number : the last round that is copied, 0 for none; default: all finished ones.

    Raises
    ------
    InputError
        There is no such refinement or round, or the new name is taken.
    BusyError
        Another process writes to the project.
    """
    with opened(project, name) as (refinement, ground):
        number = len(refinement.rounds()) if number is None else number
        _check_number(refinement, number)
        check_run_name(project, new)
        made = copy_refinement(refinement, replace(refinement.plan, name=new), number)
        settle_run(made, ground)
        return make_report(made, ground)


def reweight(project: Project, name: str, clusters: Sequence[int], factor: float) -> RefineReport:
    """Multiply the weights of some clusters for the next draw, and so for all later ones.

    The next round records it. A factor of 0 leaves them out.

    Raises
    ------
    InputError
        There is no such refinement or cluster, no round is left to draw, the factor is not from 0
        to a million, or no cluster would be left.
    BusyError
        Another process writes to the project.
    """
    with opened(project, name) as (refinement, ground):
        check_numbers(ground.clusters, clusters)
        if not 0 <= factor <= _MOST:
            raise InputError(
                f"The factor must be a number from 0 to {_MOST:,}, not {factor}.", option="factor"
            )
        if not len(clusters):
            raise InputError("Give at least one cluster.", option="clusters")
        pending = refinement.pending
        number = (pending.number if pending else len(refinement.rounds())) + 1
        if number > refinement.plan.rounds:
            raise InputError(f"{name} has no round left to draw; roll back first.")
        numbers = np.unique(np.asarray(clusters, np.int64))
        change = Hand(encode_ranges(numbers), float(factor))
        if not by_hand(weights_now(refinement, ground, refinement.rounds()), [change]).any():
            raise InputError(
                "No cluster would have a weight any more; leave one out.", option="factor"
            )
        refinement.keep_hand(number, (*refinement.hand(number), change))
        return make_report(refinement, ground)


def take_back(project: Project, name: str) -> RefineReport:
    """Forget all changes of weights by hand for the next draw; errors as of `reweight`."""
    with opened(project, name) as (refinement, ground):
        refinement.forget_hand()
        return make_report(refinement, ground)


def delete(project: Project, name: str) -> None:
    """Remove a refinement and its run; branches and exports stay.

    Raises
    ------
    InputError
        There is none of this name.
    BusyError
        Another process writes to the project.
    """
    with project.writing(f"refine {name}"):
        if name not in refinement_names(project):
            open_refinement(project, name)  # says which there are
        remove_run(project, name)
        remove_folder(project.artefact(FOLDER, name))


def _check_number(refinement: Refinement, number: int) -> None:
    done = len(refinement.rounds())
    if not 0 <= number <= done:
        raise InputError(
            f"{refinement.name} has no finished round {number}; it has {done}.", option="round"
        )
