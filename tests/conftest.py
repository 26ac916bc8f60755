"""Fixtures: the planted pool's files, and projects made of it."""

import json
import os
import shutil
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from planted import build_project, planted_rows, planted_vectors

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("winnow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("winnow")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With several workers, one has all that needs a browser, and no other file is split."""
    from xdist.scheduler import LoadFileScheduling

    class OneBrowser(LoadFileScheduling):
        def _split_scope(self, nodeid):
            of_browser = nodeid.startswith("tests/browser/")
            return "browser" if of_browser else super()._split_scope(nodeid)

    return OneBrowser(config, log)


@pytest.fixture(scope="session")
def planted_files(tmp_path_factory):
    """pool.jsonl, features.npy, target.jsonl (cooking) and its vectors."""
    folder = tmp_path_factory.mktemp("planted")
    lines = [json.dumps(row) for row in planted_rows()]
    (folder / "pool.jsonl").write_text("\n".join(lines) + "\n")
    np.save(folder / "features.npy", planted_vectors())
    (folder / "target.jsonl").write_text("\n".join(lines[:5]) + "\n")
    np.save(folder / "target.npy", planted_vectors(seed=5)[:5])
    return folder


@pytest.fixture(scope="session")
def _mapped(tmp_path_factory, planted_files):
    return build_project(tmp_path_factory.mktemp("home") / "planted", planted_files)


@pytest.fixture
def mapped_root(_mapped, tmp_path):
    """A copy of the mapped project that a test may change, alone in its home folder."""
    root = tmp_path / "home" / "planted"
    shutil.copytree(_mapped, root)
    return root


@pytest.fixture(scope="session", params=["pool.jsonl", "pool.parquet"])
def pool_in_parts(request, tmp_path_factory):
    """The rows of `pools.make_rows`, its `expected`, in many small parts; it is only read."""
    from pools import build_in_parts

    return build_in_parts(tmp_path_factory.mktemp("parts"), request.param)


@pytest.fixture
def winnow(capfd):
    """The command line in this process, as in a new one: what it prints, and its exit code."""
    from core.cli import main
    from core.console import console

    def run(*arguments, check=None):
        capfd.readouterr()
        console._shown = time.monotonic()  # when the process began
        at_sigterm = signal.getsignal(signal.SIGTERM)
        try:
            code = main([str(argument) for argument in arguments])
        finally:
            signal.signal(signal.SIGTERM, at_sigterm)
        printed = capfd.readouterr()
        if check is not None:
            assert code == check, printed.err
        return SimpleNamespace(returncode=code, stdout=printed.out, stderr=printed.err)

    return run


@pytest.fixture
def winnow_json(winnow):
    """The command line with --json: the one object that it prints."""

    def run(*arguments):
        done = winnow("--json", *arguments, check=0)
        assert done.stdout.count("\n") == 1, done.stdout
        return json.loads(done.stdout)

    return run
