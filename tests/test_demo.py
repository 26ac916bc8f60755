"""The bundled data is what its README says; the demo is built once, interrupted or not."""

import gzip
import importlib
import json
import re
from collections import Counter

import pytest

from core import demo
from core.encoders import Choice
from core.errors import InputError
from core.project import Project
from core.stages import run_stage

KINDS = ("pool", "targets", "features", "clusters", "layout")


def read_pool():
    with gzip.open(demo.POOL_FILE, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_target(name):
    return [json.loads(line) for line in demo.TARGET_FILES[name].read_text("utf-8").splitlines()]


def prompt_of(row):
    return (row.get("instruction") or row["messages"][0]["content"]).casefold().split()


def readme_table(heading):
    """{first cell: row} of the table under a heading of the demo's README."""
    section = (demo.DEMO_DIR / "README.md").read_text("utf-8").split(f"## {heading}")[1]
    rows = re.findall(r"^\| `(.+?)` \| ([\d,]+) \|.*\| (.+?) \|$", section.split("\n## ")[0], re.M)
    return {
        name: (int(count.replace(",", "")), re.sub(r"^\[(.+?)\].*", r"\1", licence))
        for name, count, licence in rows
    }


def test_readme_names_every_source_with_its_count_and_licence():
    counted = Counter((row["source"], row["licence"]) for row in read_pool())
    assert readme_table("The pool") == {
        source: (count, licence) for (source, licence), count in counted.items()
    }
    targets = readme_table("The targets")
    assert {file.name for file in demo.TARGET_FILES.values()} == set(targets)
    for name, file in demo.TARGET_FILES.items():
        assert targets[file.name][0] == len(read_target(name))


def test_pool_is_varied_complete_and_small():
    rows = read_pool()
    assert len(rows) == len({row["id"] for row in rows}) == 5000
    assert len({row["source"] for row in rows}) >= 5
    assert all(row["messages"][-1]["role"] == "assistant" for row in rows if "messages" in row)
    assert all(row["output"].strip() for row in rows if "messages" not in row)
    assert demo.POOL_FILE.stat().st_size < 2_000_000


def test_every_row_is_read_and_duplicates_are_those_that_the_readme_tells(tmp_path):
    report = run_stage("init", tmp_path / "demo", {"files": [str(demo.POOL_FILE)]})
    assert (report.rows, report.rejected) == (5000, 0)
    told = re.search(
        r"has (\d+) exact duplicates", (demo.DEMO_DIR / "README.md").read_text("utf-8")
    )
    assert told and report.exact_duplicates == int(told[1])


def test_no_target_row_is_in_the_pool():
    pool = read_pool()
    prompts = {tuple(prompt_of(row)) for row in pool}
    identifiers = {row["id"] for row in pool}
    for name in demo.TARGET_FILES:
        for row in read_target(name):
            assert row["id"] not in identifiers
            assert tuple(prompt_of(row)) not in prompts


@pytest.fixture
def small_demo(tmp_path, monkeypatch):
    """A demo of every fiftieth row, so that building it takes a moment."""
    small = tmp_path / "pool.jsonl"
    small.write_text("\n".join(json.dumps(row) for row in read_pool()[::50]), "utf-8")
    monkeypatch.setattr(demo, "POOL_FILE", small)
    return small


def built_stages(project):
    """Names and times of change of everything that a stage wrote."""
    files = (file for kind in KINDS for file in project.artefact(kind, "").rglob("*"))
    return {file: file.stat().st_mtime_ns for file in files if file.is_file()}


def test_build_then_nothing_to_do(small_demo, tmp_path):
    root = tmp_path / "demo"
    report = demo.build_demo(root, encoder="static")
    assert report.rows == 100
    project = Project.open(root)
    features = project.pointer("features")
    assert project.pointer(f"clusters:{features}")
    assert project.pointer(f"layout:{features}")
    assert {path.stem for path in project.targets_dir.glob("*.parquet")} == {"gsm8k", "mt-bench"}
    assert len(list(project.targets_dir.glob("*.npy"))) == 2  # so that the first select is quick

    before = built_stages(project)
    small_demo.unlink()  # a second call that read anything would fail
    assert demo.build_demo(root, encoder="static").rows == 100
    assert built_stages(project) == before


@pytest.mark.parametrize(
    ("module", "function"),
    [
        ("ingest", "init_pool"),
        ("features", "embed"),
        ("targets", "add_target"),
        ("clusters", "cluster"),
        ("layout", "lay_out"),
    ],
)
def test_interrupted_build_goes_on(small_demo, tmp_path, monkeypatch, module, function):
    """Ctrl-C right after a stage; the next call keeps what was done and does the rest."""
    root = tmp_path / "demo"
    stage_module = importlib.import_module(f"core.{module}")
    stage = getattr(stage_module, function)

    def interrupted(*arguments, **options):
        stage(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(stage_module, function, interrupted)
        with pytest.raises(KeyboardInterrupt):
            demo.build_demo(root, encoder="static")
    assert not (root / demo.STAMP).exists()
    project = Project.open(root)
    before = built_stages(project)
    assert before

    assert demo.build_demo(root, encoder="static").rows == 100
    after = built_stages(project)
    assert {file: after.get(file) for file in before} == before
    assert {file.relative_to(root).parts[0] for file in after} == set(KINDS)


@pytest.mark.parametrize(
    ("seconds", "encoder"), [(60.0, "minilm"), (110.0, "static"), (None, "static")]
)
def test_minilm_only_where_it_is_quick(small_demo, tmp_path, monkeypatch, seconds, encoder):
    asked = []

    def embed(project, *, encoder, **_):
        asked.append(encoder)
        raise KeyboardInterrupt

    choice = Choice("minilm", "", seconds)
    monkeypatch.setattr("core.encoders.choose_encoder", lambda texts, rows, device: choice)
    monkeypatch.setattr("core.features.embed", embed)
    with pytest.raises(KeyboardInterrupt):
        demo.build_demo(tmp_path / "demo")
    assert asked == [encoder]


def test_project_of_another_pool_is_refused(small_demo, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text('{"instruction": "a", "output": "b"}\n')
    run_stage("init", tmp_path / "mine", {"files": [str(other)]})
    with pytest.raises(InputError, match="another pool"):
        demo.build_demo(tmp_path / "mine", encoder="static")
