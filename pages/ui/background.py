"""Work too long for a page to wait for: done in one thread, and found again by its key."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from core.errors import WinnowError

_KEPT = 48  # results; those of a preview are some MB at a million rows
_POLL_SECONDS = 0.5
_TRIED_AGAIN = 20.0  # seconds after which what failed may succeed: a disk came back, memory is free
_FORGOTTEN = 10.0  # seconds without a poll after which nobody waits: the window was closed


class UnwantedError(Exception):
    """Somebody moved on before the work was done."""


@dataclass
class Task:
    """One piece of work: how far it is, then what came of it."""

    key: Hashable
    what: str = "waiting"
    done: int = 0
    total: int = 0
    result: Any = None
    error: WinnowError | None = None
    crash: Exception | None = None
    urgent: bool = False
    unwanted: bool = False
    asked: float = field(default_factory=time.monotonic)
    failed: float | None = None  # when
    finished: threading.Event = field(default_factory=threading.Event)

    @property
    def outdated(self) -> bool:
        """Whether it failed so long ago that it is worth another try."""
        return self.failed is not None and time.monotonic() - self.failed > _TRIED_AGAIN

    def progress(self, done: int, total: int, what: str) -> None:
        """Take note of how far the work is, and end it when nobody waits for it any more."""
        self.unwanted |= time.monotonic() - self.asked > _FORGOTTEN
        if self.unwanted:
            raise UnwantedError
        self.done, self.total, self.what = done, total, what


class Desk:
    """Does what the pages ask for, one thing after the other, the latest wish of each place."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[Hashable, Task] = OrderedDict()
        self._of_slot: dict[Hashable, Task] = {}  # those that are not done
        self._waiting: list[tuple[Task, Callable[[Task], Any]]] = []
        self._change = threading.Condition()
        threading.Thread(target=self._work, name="winnow-desk", daemon=True).start()

    def ask(
        self,
        slot: Hashable,
        key: Hashable,
        work: Callable[[Task], Any],
        *,
        wait: float,
        urgent: bool = False,
    ) -> Task:
        """Have `work` done, unless it was done before, and wait for it for at most `wait` seconds.

        What failed is done again when it is asked for some time later.

        Parameters
        ----------
        slot : whose wish it is; an earlier one of the same slot that is not done yet is dropped.
        key : what the result depends on.
        urgent : whether work that is not is put off for it; its page will ask for that again.
        """
        with self._change:
            task = self._tasks.get(key)
            if task is None or task.unwanted or task.outdated:
                task = self._tasks[key] = Task(key, urgent=urgent)
                if urgent:
                    for other in self._tasks.values():
                        other.unwanted |= not (other.urgent or other.finished.is_set())
                self._waiting.append((task, work))
                self._change.notify()
            task.asked = time.monotonic()
            self._tasks.move_to_end(key)
            before = self._of_slot.pop(slot, None)
            if before is not None and before is not task:
                before.unwanted = True
            if not task.finished.is_set():
                self._of_slot[slot] = task
            while len(self._tasks) > _KEPT:
                self._tasks.popitem(last=False)
        task.finished.wait(wait)
        return task

    def has(self, key: Hashable) -> bool:
        """Whether the work of this key is done."""
        with self._change:
            task = self._tasks.get(key)
        return task is not None and task.finished.is_set()

    def forget(self, key: Hashable) -> None:
        """Keep a result no longer: it is large, and who asked for it has it."""
        with self._change:
            self._tasks.pop(key, None)

    def _work(self) -> None:
        while True:
            self._do_next()

    def _do_next(self) -> None:
        with self._change:
            while not self._waiting:
                self._change.wait()
            task, work = self._waiting.pop(0)
        ended = not task.unwanted and self._do(task, work)
        with self._change:
            if ended:
                task.finished.set()
            self._of_slot = {slot: one for slot, one in self._of_slot.items() if one is not task}

    @staticmethod
    def _do(task: Task, work: Callable[[Task], Any]) -> bool:
        """Whether it came to an end, be it an error."""
        try:
            task.result = work(task)
        except UnwantedError:
            return False
        except WinnowError as error:
            task.error, task.failed = error, time.monotonic()
        except Exception as error:  # for the page to say; it must not end the thread
            task.crash, task.failed = error, time.monotonic()
        return True


@st.cache_resource(show_spinner=False)
def desk() -> Desk:
    """The one desk of this server."""
    return Desk()


def session_id() -> str:
    """An id of this session, for the desk to know whose wish replaces whose."""
    return str(st.session_state.setdefault("session", f"{time.monotonic_ns():x}"))


def follow(tasks: list[Task], what_for: str = "") -> None:
    """Show how far the first of these is; run the page again as soon as one is done.

    They are those whose result the page did not have when it was drawn; `what_for` says what they
    add to it.
    """

    @st.fragment(run_every=_POLL_SECONDS if tasks else None)
    def watch() -> None:
        for task in tasks:
            task.asked = time.monotonic()
        if any(task.finished.is_set() or task.unwanted for task in tasks):
            st.rerun()
        if not tasks:
            st.caption(":material/check: Up to date")  # of one height with what stands here at work
            return
        task = tasks[0]
        count = f" {task.done:,} of {task.total:,}" if task.total else ""
        st.caption(f":material/hourglass_top: {what_for}{task.what.capitalize()}{count} …")

    watch()


def result_of(task: Task) -> Any:
    """The result, None while there is none; an error is raised here, where the page shows it."""
    if task.crash is not None:
        raise task.crash
    if task.error is not None:
        raise task.error
    return task.result
