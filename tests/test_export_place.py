"""Where exports go: never half-written, nothing of anybody else's touched."""

import json

import numpy as np
import pytest
import yaml

from core.errors import InputError
from core.export import EXPORT_FORMATS, write_rows
from core.ingest import init_pool
from core.pool import Pool
from core.project import Project

ROWS = [{"instruction": f"Question {i}", "output": f"Answer {i}"} for i in range(5)]
ALL = np.arange(5)
RECIPE = "winnow_recipe: 1\nselection:\n  method: random\n"
FOLDERS = [entry.id for entry in EXPORT_FORMATS.values() if entry.is_folder]
FILES = [entry.id for entry in EXPORT_FORMATS.values() if not entry.is_folder]


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    (folder / "in.json").write_text(json.dumps(ROWS))
    init_pool(folder / "project", [folder / "in.json"])
    return Pool.open(Project.open(folder / "project"))


def snapshot(folder):
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("format_id", EXPORT_FORMATS)
def test_recipe_goes_with_every_export(pool, tmp_path, format_id):
    entry = EXPORT_FORMATS[format_id]
    out = tmp_path / "new" / "deeper" / entry.default_name("rows")
    report = write_rows(pool, ALL, format_id, out, recipe=RECIPE, about={"run": "r1"})
    recipe = (out if entry.is_folder else out.parent) / "recipe.yaml"
    assert report.files[-1] == str(recipe)
    assert sum(1 for file in report.files if not file.endswith("recipe.yaml")) >= 1
    found = yaml.safe_load(recipe.read_text())
    assert found["selection"] == {"method": "random"}
    assert found["export"] == {
        "run": "r1",
        "file": out.name,
        "format": format_id,
        "rows": 5,
        "dropped": 0,
        "with_selection": False,
    }


@pytest.mark.parametrize("format_id", EXPORT_FORMATS)
def test_what_is_there_is_replaced_only_on_request(pool, tmp_path, format_id):
    out = tmp_path / EXPORT_FORMATS[format_id].default_name("rows")
    write_rows(pool, ALL[:2], format_id, out, recipe=RECIPE)
    before = snapshot(tmp_path)
    with pytest.raises(InputError, match="--overwrite"):
        write_rows(pool, ALL, format_id, out, recipe=RECIPE)
    assert snapshot(tmp_path) == before
    report = write_rows(pool, ALL, format_id, out, recipe=RECIPE, overwrite=True)
    assert report.rows == 5
    assert snapshot(tmp_path).keys() == before.keys()


@pytest.mark.parametrize("format_id", EXPORT_FORMATS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_interrupt_or_full_disk_leaves_what_was_there(pool, tmp_path, format_id, error):
    out = tmp_path / EXPORT_FORMATS[format_id].default_name("rows")
    write_rows(pool, ALL[:2], format_id, out, recipe=RECIPE)
    before = snapshot(tmp_path)

    def stop(done, total, what):
        if what == "writing rows":
            raise error

    expected = KeyboardInterrupt if error is KeyboardInterrupt else InputError
    with pytest.raises(expected, match="No space left" if expected is InputError else None):
        write_rows(pool, ALL, format_id, out, recipe=RECIPE, overwrite=True, progress=stop)
    assert snapshot(tmp_path) == before
    (tmp_path / "empty").mkdir()
    with pytest.raises(expected):
        write_rows(pool, ALL, format_id, tmp_path / "empty" / "x", progress=stop)
    assert not list((tmp_path / "empty").iterdir())


@pytest.mark.parametrize("format_id", FILES)
def test_in_a_folder_the_file_is_named_after_the_run(pool, tmp_path, format_id):
    suffix = EXPORT_FORMATS[format_id].suffix
    report = write_rows(pool, ALL, format_id, tmp_path)
    assert report.path == str(tmp_path / f"rows{suffix}")
    report = write_rows(pool, ALL, format_id, f"{tmp_path}/new/", about={"run": "v1.2"})
    assert report.path == str(tmp_path / "new" / f"v1.2{suffix}")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", f"rows{suffix}"]


@pytest.mark.parametrize("format_id", FILES)
@pytest.mark.parametrize("name", ["subset", "subset-1.2"])
def test_name_without_a_suffix_gets_that_of_the_format(pool, tmp_path, format_id, name):
    suffix = EXPORT_FORMATS[format_id].suffix
    report = write_rows(pool, ALL, format_id, tmp_path / name)
    assert report.path == str(tmp_path / f"{name}{suffix}")
    upper = tmp_path / f"other{suffix.upper()}"
    assert write_rows(pool, ALL, format_id, upper).path == str(upper)


@pytest.mark.parametrize("format_id", FOLDERS)
def test_folder_of_somebody_else_is_never_removed(pool, tmp_path, format_id):
    (tmp_path / "dataset_info.json").write_text("{}")
    with pytest.raises(InputError, match="not empty"):
        write_rows(pool, ALL, format_id, tmp_path)
    with pytest.raises(InputError, match=r"not made by an export .it has no recipe\.yaml"):
        write_rows(pool, ALL, format_id, tmp_path, overwrite=True)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    with pytest.raises(InputError, match="belongs to another export"):
        write_rows(pool, ALL, format_id, tmp_path, overwrite=True)
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match=r"it holds thesis\.tex"):
        write_rows(pool, ALL, format_id, tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "x"
    with pytest.raises(InputError, match="is a file"):
        write_rows(pool, ALL, format_id, tmp_path / "thesis.tex", overwrite=True)


def test_a_file_put_into_an_export_is_not_removed_with_it(pool, tmp_path):
    out = tmp_path / "subset"
    write_rows(pool, ALL, "llama-factory", out, recipe=RECIPE)
    (out / "my_training.json").write_text("{}")
    with pytest.raises(InputError, match=r"it holds my_training\.json"):
        write_rows(pool, ALL, "llama-factory", out, recipe=RECIPE, overwrite=True)
    (out / "my_training.json").unlink()
    write_rows(pool, ALL, "llama-factory", out, recipe=RECIPE, overwrite=True)


def test_the_recipe_of_another_file_is_never_replaced(pool, tmp_path):
    (tmp_path / "recipe.yaml").write_text("flour: 500 g\n")
    (tmp_path / "a.csv.recipe.yaml").write_text("my own notes\n")
    with pytest.raises(InputError, match=r"a\.csv\.recipe\.yaml belongs to something else"):
        write_rows(pool, ALL, "csv", tmp_path / "a.csv", recipe=RECIPE)
    assert not (tmp_path / "a.csv").exists()


def test_empty_folder_is_used(pool, tmp_path):
    write_rows(pool, ALL, "llama-factory", tmp_path)
    assert (tmp_path / "dataset_info.json").is_file()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.jsonl.gz", r"written to a \.jsonl file, not to x\.jsonl\.gz; give x\.jsonl\."),
        ("recipe.yaml", r"not to recipe\.yaml"),
        ("x.csv", r"not to x\.csv; give x\.jsonl\."),
        ("file/x.jsonl", "is a file"),
        ("taken", r"taken\.jsonl is a folder"),
    ],
)
def test_unusable_names(pool, tmp_path, name, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "taken.jsonl").mkdir()
    with pytest.raises(InputError, match=message):
        write_rows(pool, ALL, "jsonl", tmp_path / name)


@pytest.mark.parametrize("format_id", FOLDERS)
def test_folder_with_the_name_of_a_file(pool, tmp_path, format_id):
    with pytest.raises(InputError, match=r"writes a folder; give x in place of x\.json\."):
        write_rows(pool, ALL, format_id, tmp_path / "x.json")


def test_unknown_format_and_no_rows(pool, tmp_path):
    with pytest.raises(InputError, match="Unknown export format 'xml'; use one of jsonl, json"):
        write_rows(pool, ALL, "xml", tmp_path / "x")
    with pytest.raises(InputError, match="no rows"):
        write_rows(pool, ALL[:0], "jsonl", tmp_path / "x")


def test_recipes_of_two_files_in_one_folder_do_not_meet(pool, tmp_path):
    (tmp_path / "recipe.yaml").write_text("flour: 500 g\n")
    for name in ("a.jsonl", "b.csv"):
        report = write_rows(pool, ALL, name[2:], tmp_path / name, recipe=RECIPE)
        assert report.files[-1] == str(tmp_path / f"{name}.recipe.yaml")
    assert (tmp_path / "recipe.yaml").read_text() == "flour: 500 g\n"
    (tmp_path / "recipe.yaml").unlink()
    write_rows(pool, ALL, "jsonl", tmp_path / "c.jsonl", recipe=RECIPE)
    again = write_rows(pool, ALL, "jsonl", tmp_path / "c.jsonl", recipe=RECIPE, overwrite=True)
    assert again.files[-1] == str(tmp_path / "recipe.yaml")


def test_progress_counts_up_to_all_rows(pool, tmp_path):
    told = []
    write_rows(pool, ALL, "trl", tmp_path / "x", progress=lambda *args: told.append(args))
    assert told == [(5, 5, "looking at rows"), (5, 5, "writing rows")]
