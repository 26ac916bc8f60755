"""What is read into a pool, how it is read back, and what a failure leaves."""

import base64
import datetime
import decimal
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pools import build, in_small_parts, make_rows, open_pool, open_pool_of, write_lines

from core.errors import BusyError, InputError
from core.ingest import init_pool
from core.pool import Pool
from core.project import Project
from core.records import parse
from core.tables import hub_parts, hub_revision


@pytest.fixture
def pool(pool_in_parts):
    return pool_in_parts


# --- what is read --------------------------------------------------------------------------------


def test_the_report_says_what_was_read(tmp_path):
    rows = make_rows(6)
    path = write_lines(tmp_path / "a.jsonl", [*rows, rows[0], {"question": 1}])
    with path.open("a") as file:
        file.write("broken\n")
    pool, report = open_pool_of(tmp_path, [path])
    assert (report.rows, report.rejected, report.exact_duplicates) == (7, 2, 1)
    assert [(one.file, one.line) for one in report.rejections] == [(str(path), 8), (str(path), 9)]
    assert report.format == "alpaca"
    assert report.formats == {"alpaca": 7}
    assert report.sources == {"a": 3, "b": 2, "c": 2}
    assert report.fingerprint == pool.fingerprint == Project.open(tmp_path / "p").pointer("pool")
    assert pool.meta["report"]["rejections"][0]["line"] == 8
    assert {"inputs", "format", "columns", "limit", "fingerprint"} <= pool.meta.keys()
    (given,) = pool.meta["inputs"]
    assert (given["path"], given["bytes"]) == (str(path), path.stat().st_size)


def test_only_the_first_hundred_rejections_are_kept(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("broken\n" * 300 + '{"text": "a"}\n')
    _, report = open_pool_of(tmp_path, [path])
    assert (report.rejected, len(report.rejections)) == (300, 100)


def test_source_and_id_come_from_a_column_a_mapping_or_the_file(tmp_path):
    def labels(row, **columns):
        pool, _ = build(tmp_path, [row], columns=columns)
        return tuple(pool.page([0]).loc[0, ["source", "id"]])

    row = {"text": "a"}
    assert labels(row) == ("pool", "pool:1")
    assert labels({**row, "source": "s", "id": 7}) == ("s", "7")
    assert labels({**row, "dataset": "d", "_id": "x"}) == ("d", "x")
    assert labels({**row, "source": "s", "kind": "k"}, source="kind") == ("k", "pool:1")
    assert labels({**row, "source": None, "kind": None}, source="kind") == ("pool", "pool:1")
    assert labels({**row, "source": ["a", "list"]}) == ("pool", "pool:1")
    assert labels({**row, "source": "no name but a text " * 9}) == ("pool", "pool:1")
    assert labels({"source": "asked", "out": "a"}, instruction="source", output="out") == (
        "pool",
        "pool:1",
    )


def test_the_fingerprint_is_of_the_content_and_the_options(tmp_path):
    rows = make_rows(5)
    first = build(tmp_path, rows)[0].fingerprint
    (tmp_path / "other").mkdir()
    assert build(tmp_path / "other", rows)[0].fingerprint == first
    others = {
        build(tmp_path, rows[:4])[0].fingerprint,
        build(tmp_path, rows, limit=5)[0].fingerprint,
        build(tmp_path, rows, format="alpaca")[0].fingerprint,
        build(tmp_path, rows, columns={"quality": "score"})[0].fingerprint,
        build(tmp_path, rows, "renamed.jsonl")[0].fingerprint,
    }
    assert len(others | {first}) == 6


def test_formats_may_be_mixed_in_one_file(tmp_path):
    turns = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "v"}]
    rows = [
        {"instruction": "a", "output": "b", "messages": None},
        {"instruction": None, "output": None, "messages": turns},
    ]
    for name in ("a.jsonl", "a.parquet"):
        pool, report = build(tmp_path, rows, name)
        assert report.formats == {"alpaca": 1, "openai": 1}
        assert pool.texts(0, 2) == ["a\nb", "u\nv"]
        assert list(pool.where("format = 'openai'")) == [1]


# --- reading it back -----------------------------------------------------------------------------


def test_texts_and_lengths_are_those_of_the_records(pool):
    expected = [parse(row).text for row in pool.expected]
    assert pool.texts(0, pool.rows) == expected
    assert pool.texts(13, 41) == expected[13:41]
    assert pool.texts(55, 1000) == expected[55:]
    assert pool.texts(5, 5) == []
    assert pool.lengths().tolist() == [len(text) for text in expected]
    assert pool.lengths().dtype == np.int32


def test_a_page_has_the_rows_in_the_order_given(pool):
    rows = [59, 0, 17, 17, 3]
    page = pool.page(np.array(rows))
    assert page["row"].tolist() == rows
    assert page["id"].tolist() == [f"row-{i}" for i in rows]
    assert page["answer"].tolist() == [pool.expected[i]["output"] for i in rows]
    assert list(page) == ["row", "source", "prompt", "answer", "n_chars", "n_turns", "id"]
    assert pool.page([]).empty
    for wrong in ([60], [-1], [0, 99]):
        with pytest.raises(InputError, match="not in the pool; its rows are 0 to 59"):
            pool.page(wrong)


def test_originals_come_back_row_by_row(pool):
    for rows in (range(60), [0, 5, 6, 31, 59], [], [59]):
        expected = [pool.expected[i] for i in rows]
        assert list(pool.original(np.array(rows, dtype=int))) == expected
        assert [json.loads(text) for text in pool.original_text(rows)] == expected
        assert [record.answer for record in pool.records(rows)] == [r["output"] for r in expected]
        tables = list(pool.original_tables(rows))
        assert [row["instruction"] for t in tables for row in t.to_pylist()] == [
            row["instruction"] for row in expected
        ]
    with pytest.raises(InputError, match="ascending"):
        next(pool.original([3, 1]))


def test_json_rows_keep_the_text_that_the_file_had(tmp_path):
    lines = [
        '{"text": "a", "n": 1.50, "big": 123456789012345678901234567890, "e": 1E5}',
        '{"id":"\\u00e9",   "text":"\\ud83d\\ude00", "z": [ ], "a": {"b": null}}',
        '{"text": "c", "nan": NaN}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    pool, _ = open_pool_of(tmp_path, [tmp_path / "a.jsonl"])
    assert list(pool.original_text(range(3))) == lines


def test_an_indented_array_gives_lines(tmp_path):
    rows = make_rows(5)
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=4))
    pool, _ = open_pool_of(tmp_path, [tmp_path / "a.json"])
    texts = list(pool.original_text(range(5)))
    assert [json.loads(text) for text in texts] == rows
    assert not any("\n" in text for text in texts)


TYPED = {
    "text": "a",
    "when": datetime.datetime(2024, 5, 6, 7, 8, 9, 123456),
    "zoned": datetime.datetime(2024, 5, 6, tzinfo=datetime.UTC),
    "day": datetime.date(2024, 5, 6),
    "lasting": datetime.timedelta(seconds=90),
    "money": decimal.Decimal("12345678901234567890.10"),
    "raw": b"\x00\xff",
    "nan": float("nan"),
    "big": 2**62 + 1,
    "nested": {"list": [{"x": 1, "y": None}, {"x": 2, "y": float("inf")}]},
    "none": None,
}


def test_typed_values_come_back_as_they_were(tmp_path):
    table = pa.Table.from_pylist([TYPED, {**TYPED, "text": "b"}])
    table = table.replace_schema_metadata({"who": "me"})
    pq.write_table(table, tmp_path / "a.parquet")
    pool, _ = open_pool_of(tmp_path, [tmp_path / "a.parquet"])
    (back,) = pool.original_tables([0, 1])
    assert back.schema.equals(table.schema)
    assert back.schema.metadata[b"who"] == b"me"
    (row,) = pool.original([0])
    assert np.isnan(row.pop("nan"))
    assert row == {name: value for name, value in TYPED.items() if name != "nan"}
    (text,) = pool.original_text([0])
    assert json.loads(text) == {
        "text": "a",
        "when": "2024-05-06T07:08:09.123456",
        "zoned": "2024-05-06T00:00:00+00:00",
        "day": "2024-05-06",
        "lasting": 90.0,
        "money": "12345678901234567890.10",
        "raw": base64.b64encode(b"\x00\xff").decode(),
        "nan": None,
        "big": 2**62 + 1,
        "nested": {"list": [{"x": 1, "y": None}, {"x": 2, "y": None}]},
        "none": None,
    }


def test_what_parquet_cannot_hold_is_kept_as_json(tmp_path):
    empty = pa.array([{}, {}], pa.struct([]))
    table = pa.table({"text": ["a", "b"], "n": [1, 2], "empty": empty})
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    pool, _ = open_pool_of(tmp_path, [tmp_path / "a.arrow"])
    assert list(pool.original(range(2))) == table.to_pylist()
    assert pool.where("text = 'b'").tolist() == [1]
    assert pool.where("n > 1").tolist() == [1]


def test_types_of_json_values_are_inferred_and_fall_back_to_text(tmp_path):
    rows = [
        {"text": "a", "n": 1, "x": 1, "m": 1, "b": True, "o": {"k": 1}},
        {"text": "b", "n": 2.5, "x": "y", "m": [1], "b": 2},
        {"text": "c", "n": None, "x": None, "m": None, "new": 1 << 70},
    ]
    pool, _ = build(tmp_path, rows)
    (table,) = pool.original_tables(range(3))
    assert table.to_pydict() == {
        "text": ["a", "b", "c"],
        "n": [1, 2.5, None],
        "x": ["1", "y", None],
        "m": ["1", "[1]", None],
        "b": ["true", "2", None],
        "o": [{"k": 1}, None, None],
        "new": [None, None, str(1 << 70)],
    }


def test_files_of_different_kinds_make_one_pool(tmp_path, monkeypatch):
    in_small_parts(monkeypatch)
    rows = make_rows(30)
    write_lines(tmp_path / "a.jsonl", rows[:10])
    pq.write_table(
        pa.Table.from_pylist([{**r, "mixed": 0} for r in rows[10:20]]), tmp_path / "b.pq"
    )
    typed = [{"text": f"text {i}", "only_here": i, "score": str(i)} for i in range(10)]
    pq.write_table(pa.Table.from_pylist(typed), tmp_path / "c.parquet")
    (tmp_path / "d.csv").write_text("text,score\nlast,8.5\n")
    files = [tmp_path / name for name in ("a.jsonl", "b.pq", "c.parquet", "d.csv")]
    pool, report = open_pool_of(tmp_path, files)
    assert report.rows == 31
    assert pool.columns() == [*rows[0], "text", "only_here"]
    originals = list(pool.original(range(31)))
    assert originals[:10] == rows[:10]
    assert originals[20:30] == typed
    assert originals[30] == {"text": "last", "score": "8.5"}
    assert list(pool.where("only_here > 7")) == [28, 29]
    assert list(pool.where("good AND level = 2")) == [2, 12]
    assert list(pool.where("source = 'd' OR only_here = 3")) == [23, 30]
    assert list(pool.where("try_cast(score AS DOUBLE) = 8.5")) == [30]
    assert pool.numbers("score")[[3, 19, 25, 30]].tolist() == [0.3, 1.9, 5, 8.5]
    assert pool.sources().names == ["a", "b", "c", "d"]


def test_columns_of_numbers_are_numbers(tmp_path):
    rows = [
        {"text": "a", "i": 1, "f": 1, "b": True, "s": "1.5", "o": "x", "n": None},
        {"text": "b", "i": 2, "f": 2.5, "b": False, "s": " 2e3", "o": 3, "n": 1},
    ]
    pool, _ = build(tmp_path, rows)
    assert pool.column("i").dtype == np.int64
    assert pool.column("f").tolist() == [1.0, 2.5]
    assert pool.column("b").dtype == bool
    assert pool.column("o").tolist() == ["x", 3]
    assert pool.numbers("i").tolist() == [1, 2]
    assert pool.numbers("s").tolist() == [1.5, 2000]
    assert pool.numbers("s").dtype == np.float64
    assert pool.numbers("n_chars").tolist() == [1.0, 1.0]
    for name, message in [
        ("o", "Column 'o' of row 0 is 'x'"),
        ("n", "Column 'n' of row 0 is empty"),
        ("b", "Column 'b' of row 0 is 'True'"),
        ("nope", "no column 'nope'; these hold numbers: i, f, s, n_chars, n_turns"),
    ]:
        with pytest.raises(InputError, match=message):
            pool.numbers(name)


def test_sources_are_categories(pool):
    found = pool.sources()
    assert found.names == ["a", "b", "c"]
    assert found.codes.dtype == np.int32
    assert found.codes.tolist() == [i % 3 for i in range(60)]


def test_a_column_of_few_values_makes_categories(tmp_path):
    rows = [
        {"instruction": f"q{i}", "output": "a", "kind": [None, 7, "7", "x"][i % 4]}
        for i in range(1002)
    ]
    pool, _ = build(tmp_path, rows)
    found = pool.categories("kind")
    assert found.names == ["null", "7", "x"]
    assert found.codes.tolist() == [(0, 1, 1, 2)[i % 4] for i in range(1002)]
    assert pool.categories("source").names == pool.sources().names
    with pytest.raises(InputError, match="'instruction' has more than 1,000 different values"):
        pool.categories("instruction")
    with pytest.raises(InputError, match="no column 'nope'"):
        pool.categories("nope")


# --- what is left behind -------------------------------------------------------------------------


def test_a_failed_init_leaves_nothing(tmp_path):
    (tmp_path / "bad.jsonl").write_text("broken\n" * 3)
    (tmp_path / "blank.jsonl").write_text("\n")
    good = write_lines(tmp_path / "good.jsonl", make_rows(3))
    root = tmp_path / "project"
    for files, options, message in [
        ([tmp_path / "nope.jsonl"], {}, "no file"),
        ([tmp_path / "bad.jsonl"], {}, "No row of .*bad.jsonl can be used; line 1: bad JSON"),
        ([tmp_path / "blank.jsonl"], {}, "is empty"),
        ([good, tmp_path / "blank.jsonl"], {}, "is empty"),
        ([good], {"columns": {"output": "nope"}}, "no column 'nope'"),
        ([good], {"format": "sharegpt"}, "conversations is missing"),
        ([good], {"limit": 0}, "at least 1"),
        ([good, good], {}, "given twice"),
    ]:
        with pytest.raises(InputError, match=message):
            init_pool(root, files, **options)
        assert not root.exists()


def test_a_hub_data_set_that_cannot_be_reached_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="cannot be read from the hub") as refused:
        init_pool(tmp_path / "p", ["hf://no/such"])
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "p").exists()


def test_a_hub_data_set_is_recorded_with_what_was_read(tmp_path):
    (tmp_path / "data").mkdir()
    write_lines(tmp_path / "data" / "train.jsonl", make_rows(4))
    pool, _ = open_pool_of(tmp_path, [f"hf://{tmp_path}/data@train"])
    (given,) = pool.meta["inputs"]
    assert given["path"] == f"hf://{tmp_path}/data@train"
    assert len(given["sha256"]) == 64
    assert [row["id"] for row in pool.original(range(4))] == [f"row-{i}" for i in range(4)]
    assert hub_parts("hf://owner/name@test#abc") == ("owner/name", "test")
    assert hub_revision("hf://owner/name@test#abc") == "abc"


def test_a_failed_init_leaves_the_folder_as_it_was(tmp_path):
    root = tmp_path / "project"
    (root / "inputs").mkdir(parents=True)
    (root / "inputs" / "a.jsonl").write_text("broken\n")
    with pytest.raises(InputError):
        init_pool(root, [root / "inputs" / "a.jsonl"])
    assert [path.name for path in root.iterdir()] == ["inputs"]
    write_lines(root / "inputs" / "a.jsonl", make_rows(3))
    assert init_pool(root, [root / "inputs" / "a.jsonl"]).rows == 3


def test_an_interrupt_at_any_moment_leaves_nothing(tmp_path, monkeypatch):
    in_small_parts(monkeypatch)
    path = write_lines(tmp_path / "a.jsonl", make_rows(40))
    for moment in (1, 2, 7, 14):
        calls = iter(range(1, 1000))

        def interrupt(done, total, what, calls=calls, moment=moment):
            assert 0 <= done <= total == path.stat().st_size
            if next(calls) == moment:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            init_pool(tmp_path / "p", [path], progress=interrupt)
        assert not (tmp_path / "p").exists()


def test_a_killed_init_does_not_stand_in_the_way(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", make_rows(50))
    script = (
        "import sys, time\n"
        "from core.ingest import init_pool\n"
        "def wait(*_):\n    print('reading', flush=True)\n    time.sleep(60)\n"
        "init_pool(sys.argv[1], [sys.argv[2]], progress=wait)\n"
    )
    root = tmp_path / "project"
    command = [sys.executable, "-c", script, str(root), str(path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path.cwd())
    assert child.stdout.readline() == b"reading\n"
    with pytest.raises(BusyError):
        init_pool(root, [path])
    child.send_signal(signal.SIGKILL)
    child.wait()
    with pytest.raises(InputError, match="no pool yet"):
        open_pool(root)
    time.sleep(0.1)
    assert init_pool(root, [path]).rows == 50
    assert not list(root.glob(".pool*"))


def test_a_project_has_one_pool(tmp_path):
    build(tmp_path, make_rows(5))
    other = write_lines(tmp_path / "other.jsonl", make_rows(3))
    with pytest.raises(InputError, match="already holds a pool"):
        init_pool(tmp_path / "project", [other])
    assert open_pool(tmp_path / "project").rows == 5


@pytest.mark.parametrize("name", ["rows-00000.parquet", "original-00000.parquet"])
def test_a_damaged_part_is_one_sentence(tmp_path, name):
    pool, _ = build(tmp_path, make_rows(9))
    path = pool.folder / name
    path.write_bytes(path.read_bytes()[:100])
    read = {
        "rows": [pool.sources, lambda: pool.page([1]), lambda: pool.texts(0, 9)],
        "original": [lambda: pool.where("output = 'a'"), lambda: pool.numbers("score")],
    }
    for reads in read[name.partition("-")[0]]:
        with pytest.raises(InputError, match=rf"{name} cannot be read; make the project again"):
            reads()


def test_damaged_descriptions_are_one_sentence(tmp_path):
    pool, _ = build(tmp_path, make_rows(9))
    path = pool.folder / "duplicates.npy"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"duplicates.npy cannot be read; make the project again"):
        pool.duplicates()
    for content in ("[]", "{}", "{"):
        (pool.folder / "meta.json").write_text(content)
        with pytest.raises(InputError, match=r"meta.json cannot be read; make the project again"):
            Pool.open(Project.open(tmp_path / "project"))


def test_a_project_without_a_pool_says_so(tmp_path):
    with pytest.raises(InputError, match="no pool yet"):
        Pool.open(Project.create(tmp_path / "p"))
