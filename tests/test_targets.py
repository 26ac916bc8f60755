import json

import filelock
import numpy as np
import pytest

from core.errors import BusyError, InputError
from core.ingest import init_pool
from core.pool import Pool
from core.project import Project
from core.targets import (
    TargetInfo,
    add_target,
    add_target_from_rows,
    delete_target,
    list_targets,
    load_target,
)
from core.values import decode_ranges


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def project(tmp_path):
    rows = [{"instruction": f"ask {i}", "output": f"say {i}", "source": "s"} for i in range(12)]
    init_pool(tmp_path / "p", [write(tmp_path / "pool.jsonl", rows)])
    return Project.open(tmp_path / "p")


def test_a_target_is_read_from_a_file(project, tmp_path):
    path = write(
        tmp_path / "t.jsonl",
        [
            {"instruction": "a", "output": "b"},
            {"instruction": "only a prompt"},
            {"messages": [{"role": "user", "content": "u"}, {"role": "user", "content": "v"}]},
            {"question": "?"},
        ],
    )
    report = add_target(project, "mine", [path])
    assert (report.name, report.rows, report.rejected) == ("mine", 3, 1)
    assert (report.rejections[0].file, report.rejections[0].line) == (str(path), 4)
    target = load_target(project, "mine")
    assert target.texts == ["a\nb", "only a prompt", "u\nv"]
    page = target.page()
    assert page["prompt"].tolist() == ["a", "only a prompt", "u\nv"]
    assert page["row"].tolist() == [0, 1, 2]
    assert page["n_chars"].tolist() == [3, 13, 3]
    (given,) = target.meta["inputs"]
    assert (given["path"], given["bytes"]) == (str(path), path.stat().st_size)
    assert target.meta["pool_rows"] is None
    assert list_targets(project) == [TargetInfo("mine", 3, "t.jsonl")]


def test_a_column_mapping_is_used_and_kept(project, tmp_path):
    path = write(tmp_path / "t.jsonl", [{"question": "a", "answer": "b"}])
    add_target(project, "mine", [path], format="alpaca", columns={"instruction": "question"})
    target = load_target(project, "mine")
    assert target.texts == ["a"]
    assert target.meta["columns"] == {"instruction": "question"}
    assert target.meta["format"] == "alpaca"


def test_a_target_may_be_rows_of_the_pool(project):
    assert add_target_from_rows(project, "picked", [7, 2, 3, 2]).rows == 3
    target = load_target(project, "picked")
    pool = Pool.open(project)
    assert target.texts == [pool.texts(i, i + 1)[0] for i in (2, 3, 7)]
    assert decode_ranges(target.meta["pool_rows"]).tolist() == [2, 3, 7]
    assert target.page()["row"].tolist() == [2, 3, 7]
    assert target.meta["inputs"] == []
    assert list_targets(project) == [TargetInfo("picked", 3, "rows of the pool")]
    for rows, message in (([], "No row"), ([12], "not in the pool"), ([-1], "not in the pool")):
        with pytest.raises(InputError, match=message):
            add_target_from_rows(project, "other", np.array(rows, dtype=int))


def test_the_fingerprint_is_of_the_texts_alone(project, tmp_path):
    rows = [{"instruction": f"ask {i}", "output": f"say {i}"} for i in (4, 5)]
    add_target(project, "one", [write(tmp_path / "t.jsonl", rows)])
    add_target(project, "two", [write(tmp_path / "u.jsonl", rows)])
    add_target_from_rows(project, "three", [4, 5])
    add_target_from_rows(project, "four", [4, 6])
    add_target(project, "five", [write(tmp_path / "v.jsonl", [{"text": "ask 4"}, {"text": "x"}])])
    found = [load_target(project, name).meta["fingerprint"] for name in ("one", "two", "three")]
    assert len(set(found)) == 1
    assert load_target(project, "four").meta["fingerprint"] not in found
    assert load_target(project, "five").meta["fingerprint"] not in found


def test_a_name_is_taken_once_but_the_same_target_may_come_again(project, tmp_path):
    path = write(tmp_path / "t.jsonl", [{"text": "a"}])
    other = write(tmp_path / "u.jsonl", [{"text": "b"}])
    add_target(project, "mine", [path])
    assert add_target(project, "mine", [path]).rows == 1
    with pytest.raises(InputError, match="A target set mine exists already"):
        add_target(project, "mine", [other])
    assert load_target(project, "mine").texts == ["a"]


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", "a.b", "ü", "x" * 65, "a\n"])
def test_a_name_has_letters_digits_and_dashes(project, tmp_path, name):
    path = write(tmp_path / "t.jsonl", [{"text": "a"}])
    for use in (
        lambda: add_target(project, name, [path]),
        lambda: add_target_from_rows(project, name, [1]),
        lambda: load_target(project, name),
    ):
        with pytest.raises(InputError, match="letters, digits"):
            use()
    assert not project.targets_dir.exists() or not list(project.targets_dir.iterdir())


def test_a_target_can_be_added_while_another_process_writes(project, tmp_path):
    with filelock.FileLock(project.root / ".lock", is_singleton=False):
        with pytest.raises(BusyError), project.writing("embed"):
            pass
        add_target(project, "mine", [write(tmp_path / "t.jsonl", [{"text": "a"}])])
        add_target_from_rows(project, "picked", [1])
    assert [info.name for info in list_targets(project)] == ["mine", "picked"]


def test_of_two_sets_added_at_once_under_one_name_one_is_kept(project):
    def other_is_first(_):
        add_target_from_rows(project, "one", [2])

    with pytest.raises(InputError, match="A target set one exists already"):
        add_target_from_rows(project, "one", [1], prepare=other_is_first)
    assert load_target(project, "one").page()["row"].tolist() == [2]


def test_a_target_without_a_good_row_is_not_stored(project, tmp_path):
    path = write(tmp_path / "t.jsonl", [{"question": "a"}])
    with pytest.raises(InputError, match="the columns are question"):
        add_target(project, "mine", [path])
    assert list_targets(project) == []


def test_an_interrupt_leaves_no_target(project, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_target(project, "m", [write(tmp_path / "t.jsonl", [{"text": "a"}])], progress=interrupt)
    assert list_targets(project) == []


def test_a_damaged_target_is_one_sentence(project):
    add_target_from_rows(project, "one", [1])
    (project.targets_dir / "one.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot be read"):
        load_target(project, "one")
    (project.targets_dir / "one.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        load_target(project, "one")


def test_a_deleted_target_set_leaves_others_and_its_name_is_free(project, tmp_path):
    path = write(tmp_path / "t.jsonl", [{"instruction": "a", "output": "b"}])
    add_target(project, "mine", [path])
    add_target(project, "mine-2", [path])
    delete_target(project, "mine")
    assert list_targets(project) == [TargetInfo("mine-2", 1, "t.jsonl")]
    with pytest.raises(InputError, match=r"no target set 'mine' \(there are: mine-2\)"):
        delete_target(project, "mine")
    other = write(tmp_path / "o.jsonl", [{"instruction": "c", "output": "d"}])
    add_target(project, "mine", [other])
    assert load_target(project, "mine").texts == ["c\nd"]
