"""Changes made beside the page: told in the strip, made to their end, one at a time."""

import threading

import pytest
from test_page_map import app as _app
from test_page_map import panel, tick
from test_pages import finish, texts

from core.clusters import load_clusters
from core.errors import InputError
from core.project import Project
from pages.ui import cluster_actions

pytestmark = pytest.mark.filterwarnings("ignore")
app = _app


def click_split(app):
    tick(app, 0)
    next(one for one in app.button if str(one.key).startswith("split-")).click().run()
    assert not app.exception


@pytest.fixture
def held(monkeypatch):
    """Splits wait until the test lets them go."""
    gate, split = threading.Event(), cluster_actions.split_cluster

    def slow(*arguments, **options):
        assert gate.wait(20)
        return split(*arguments, **options)

    monkeypatch.setattr(cluster_actions, "split_cluster", slow)
    yield gate
    gate.set()


def test_the_page_goes_on_while_a_cluster_is_split(app, held, mapped_root):
    project = Project.open(mapped_root)
    click_split(app)
    assert "Splitting" in texts(app)
    tick(app, 0)
    assert next(one for one in app.button if str(one.key).startswith("split-")).disabled
    panel(app, "History")
    assert "Splitting" in texts(app) and len(load_clusters(project).titles) == 4
    held.set()
    finish(app)
    assert "Splitting" not in texts(app) and len(load_clusters(project).titles) == 5


def test_a_change_that_is_refused_says_why(app, monkeypatch, mapped_root):
    def refuse(*arguments, **options):
        raise InputError("The clusters *cannot* be split.")

    monkeypatch.setattr(cluster_actions, "split_cluster", refuse)
    click_split(app)
    finish(app)
    assert "cannot" in app.session_state["notice"].text
    panel(app, "History")
    assert "Splitting" not in texts(app)


def test_a_fault_of_ours_is_the_pages_fault_once(app, monkeypatch):
    def fail(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr(cluster_actions, "split_cluster", fail)
    click_split(app)
    finish(app)
    assert any("ZeroDivisionError" in one.value for one in app.error)
    app.run()
    assert not app.error
