"""The desk: one thing after the other, the latest wish of each place, errors as results."""

import gc
import threading
import weakref

import pytest

from core.errors import InputError
from pages.ui.background import Desk, result_of

SECONDS = 20


def test_work_is_done_once_for_a_key():
    desk, calls = Desk(), []
    for _ in range(2):
        task = desk.ask("a", 1, lambda task: calls.append(1) or "done", wait=SECONDS)
        assert result_of(task) == "done"
    assert calls == [1]


def test_a_newer_wish_of_the_same_place_replaces_one_that_waits():
    desk, go, done = Desk(), threading.Event(), []
    desk.ask("other", 0, lambda task: go.wait(SECONDS), wait=0)
    first = desk.ask("a", 1, lambda task: done.append(1), wait=0)
    second = desk.ask("a", 2, lambda task: done.append(2), wait=0)
    go.set()
    assert second.finished.wait(SECONDS)
    assert done == [2] and first.unwanted and not first.finished.is_set()


def test_urgent_work_stops_other_work_which_can_be_asked_for_again():
    desk, begun, asked = Desk(), threading.Event(), threading.Event()

    def long(task):
        begun.set()
        if not asked.is_set():
            asked.wait(SECONDS)
            task.progress(1, 2, "working")
        return "end"

    slow = desk.ask("curve", "c", long, wait=0)
    assert begun.wait(SECONDS)
    quick = desk.ask("preview", "p", lambda task: "seen", wait=0, urgent=True)
    asked.set()
    assert quick.finished.wait(SECONDS) and result_of(quick) == "seen"
    assert slow.unwanted and not slow.finished.is_set()
    again = desk.ask("curve", "c", long, wait=SECONDS)
    assert again is not slow and result_of(again) == "end"


def test_work_that_no_window_waits_for_any_more_is_dropped(monkeypatch):
    desk, begun, closed = Desk(), threading.Event(), threading.Event()

    def long(task):
        begun.set()
        closed.wait(SECONDS)
        task.progress(1, 2, "working")

    left = desk.ask("closed", 1, long, wait=0, urgent=True)
    assert begun.wait(SECONDS)
    monkeypatch.setattr("pages.ui.background._FORGOTTEN", 0.0)
    closed.set()
    assert desk.ask("open", 2, lambda task: "seen", wait=SECONDS, urgent=True).finished.is_set()
    assert left.unwanted and not left.finished.is_set()


def test_results_are_kept_by_their_key_alone(monkeypatch):
    """Not as the last wish of a window, which may have been closed."""

    class Large:
        pass

    monkeypatch.setattr("pages.ui.background._KEPT", 3)
    desk = Desk()
    found = []
    for window in range(6):
        task = desk.ask((window, "preview"), window, lambda task: Large(), wait=SECONDS)
        found.append(weakref.ref(result_of(task)))
    desk.forget(5)
    del task
    gc.collect()
    assert [one() is not None for one in found] == [False, False, False, True, True, False]


def test_an_error_is_the_answer_and_the_desk_goes_on():
    desk = Desk()

    def refuse(task):
        raise InputError("No rows are left.")

    task = desk.ask("a", 1, refuse, wait=SECONDS)
    with pytest.raises(InputError, match="No rows"):
        result_of(task)
    assert result_of(desk.ask("a", 2, lambda task: 3, wait=SECONDS)) == 3


@pytest.mark.parametrize("error", [InputError("The disk is gone."), OSError("gone")])
def test_what_failed_is_done_again_some_time_later(monkeypatch, error):
    desk, tries = Desk(), []

    def work(task):
        tries.append(1)
        if len(tries) == 1:
            raise error
        return "read"

    for _ in range(2):  # a page that runs again meets the same answer, and no work
        with pytest.raises(type(error), match="gone"):
            result_of(desk.ask("a", 1, work, wait=SECONDS))
    assert tries == [1]
    monkeypatch.setattr("pages.ui.background._TRIED_AGAIN", 0.0)
    for _ in range(2):
        assert result_of(desk.ask("a", 1, work, wait=SECONDS)) == "read"
    assert tries == [1, 1]
