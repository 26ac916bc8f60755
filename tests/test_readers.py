"""Files of every kind, whole and damaged, against what was written into them."""

import csv
import gzip
import io
import json
import random
import tracemalloc

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.inputs import find_inputs
from core.progress import silent
from core.reading import ReadOptions, Tally, read_rows

QUICK = settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def rows_of(count=7):
    odd = ["plain", "ünï 😀", 'quo"te', "comma, tab\t", "line\nbreak", "[[ x ]] << y >>", " pad "]
    return [
        {"instruction": f"{i} {odd[i % 7]}", "input": odd[(i + 1) % 7], "output": odd[(i + 2) % 7]}
        for i in range(count)
    ]


def read(*files, **options):
    """The rows as (line, prompt, answer), their originals as dicts, and the tally."""
    tally = Tally()
    found, originals = [], []
    for entries, some in read_rows(find_inputs(files), ReadOptions(**options), tally, silent):
        found += [(entry.line, entry.prompt, entry.answer) for entry in entries]
        originals += map(json.loads, some) if isinstance(some, list) else some.to_pylist()
    assert len(found) == len(originals) == tally.rows
    return found, originals, tally


def as_lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_csv(rows, delimiter=","):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0].keys(), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows):
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=3)
    return sink.getvalue()


def as_arrow(rows, make=pa.ipc.new_file):
    table = pa.Table.from_pylist(rows)
    sink = io.BytesIO()
    with make(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    return sink.getvalue()


KINDS = {
    "a.jsonl": as_lines,
    "lines.json": as_lines,
    "array.json": lambda rows: json.dumps(rows).encode(),
    "pretty.json": lambda rows: json.dumps(rows, indent=2, ensure_ascii=False).encode(),
    "keyed.json": lambda rows: json.dumps({"version": [1], "data": rows, "n": 3}).encode(),
    "keyed2.json": lambda rows: json.dumps({"data": rows}, indent=1).encode(),
    "series.json": lambda rows: "\n".join(json.dumps(r, indent=1) for r in rows).encode(),
    "bom.jsonl": lambda rows: b"\xef\xbb\xbf" + as_lines(rows),
    "bom.json": lambda rows: b"\xef\xbb\xbf" + json.dumps(rows).encode(),
    "crlf.jsonl": lambda rows: as_lines(rows).replace(b"\n", b"\r\n"),
    "blank.jsonl": lambda rows: b"\n\n" + as_lines(rows).replace(b"\n", b"\n \n").rstrip(),
    "a.csv": as_csv,
    "bom.csv": lambda rows: b"\xef\xbb\xbf" + as_csv(rows),
    "semicolon.csv": lambda rows: as_csv(rows, ";"),
    "a.tsv": lambda rows: as_csv(rows, "\t"),
    "a.parquet": as_parquet,
    "file.arrow": as_arrow,
    "stream.arrow": lambda rows: as_arrow(rows, pa.ipc.new_stream),
}
PACKED = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}


def content(rows):
    return [(f"{r['instruction']}\n{r['input']}", r["output"]) for r in rows]


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_gives_back_the_rows(tmp_path, name, suffix):
    rows = rows_of()
    path = tmp_path / (name + suffix)
    path.write_bytes(PACKED[suffix](KINDS[name](rows)))
    found, originals, tally = read(path)
    assert [row[1:] for row in found] == content(rows)
    assert originals == rows
    assert not tally.rejected
    assert tally.sources == {name.partition(".")[0]: len(rows)}


@pytest.mark.parametrize("name", KINDS)
def test_the_content_tells_the_kind_when_the_suffix_does_not(tmp_path, name):
    rows = rows_of()
    path = tmp_path / "data.bin"
    path.write_bytes(gzip.compress(KINDS[name](rows)))
    if name == "semicolon.csv":
        with pytest.raises(InputError, match="not a kind of file"):
            read(path)
    else:
        assert read(path)[1] == rows


def test_several_files_are_read_in_the_order_given(tmp_path):
    rows = rows_of(6)
    (tmp_path / "b.jsonl").write_bytes(as_lines(rows[:2]))
    (tmp_path / "a.csv").write_bytes(as_csv(rows[2:4]))
    (tmp_path / "c.parquet").write_bytes(as_parquet(rows[4:]))
    found, originals, tally = read(tmp_path / "b.jsonl", tmp_path / "a.csv", tmp_path / "c.parquet")
    assert originals == rows
    assert [row[0] for row in found[:2]] == [1, 2]
    assert list(tally.sources) == ["b", "a", "c"]
    assert read(tmp_path)[1] == rows[2:4] + rows[:2] + rows[4:]  # a folder: by name


def test_a_folder_saved_by_datasets_is_read(tmp_path):
    rows = rows_of(9)
    data = datasets.Dataset.from_list(rows)
    data.save_to_disk(tmp_path / "saved", num_shards=3)
    found, originals, tally = read(tmp_path / "saved")
    assert originals == rows
    assert [row[0] for row in found] == list(range(1, 10))
    assert tally.sources == {"saved": 9}
    datasets.DatasetDict({"train": data}).save_to_disk(tmp_path / "one")
    assert read(tmp_path / "one")[1] == rows
    datasets.DatasetDict({"train": data, "test": data}).save_to_disk(tmp_path / "two")
    with pytest.raises(InputError, match="splits test, train"):
        read(tmp_path / "two")
    assert read(tmp_path / "two" / "test")[1] == rows
    (tmp_path / "saved" / "data-00001-of-00003.arrow").unlink()
    with pytest.raises(InputError, match="missing"):
        read(tmp_path / "saved")


def test_a_hub_data_set_is_streamed(tmp_path):
    rows = rows_of(1200)
    (tmp_path / "train.jsonl").write_bytes(as_lines(rows))
    (tmp_path / "test.jsonl").write_bytes(as_lines(rows[:3]))
    assert read(f"hf://{tmp_path}")[1] == rows
    assert read(f"hf://{tmp_path}@test")[1] == rows[:3]
    with pytest.raises(InputError, match="check the name, the split"):
        read(f"hf://{tmp_path}@nope")
    (tmp_path / "chat").mkdir()
    chat = [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}]
    pq.write_table(pa.Table.from_pylist(chat), tmp_path / "chat" / "train.parquet")
    assert read(f"hf://{tmp_path}/chat")[1] == chat


def test_the_limit_stops_the_reading(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"broken\n" + as_lines(rows_of(5)) + b"broken\n")
    found, _, tally = read(path, limit=3)
    assert [row[0] for row in found] == [2, 3, 4]
    assert tally.rejected == 1


# --- rows that are refused -----------------------------------------------------------------------

GOOD = b'{"instruction": "a", "output": "b"}'
BAD_LINES = [
    (b"{", "bad JSON"),
    (b'{"instruction": "a", "output": "b"', "bad JSON"),
    (b"{'instruction': 'a'}", "bad JSON"),
    (b"[1, 2]", "not an object but a list"),
    (b"3", "not an object but a number"),
    (b"null", "not an object but null"),
    (b'"text"', "not an object but text"),
    (b'{"instruction": "a", "output": "\xff"}', "not UTF-8"),
    (rb'{"instruction": "a", "output": "\ud800"}', "not UTF-8"),
    (rb'{"instruction": "a", "output": "b", "other": ["\uDFFF"]}', "not UTF-8"),
    (b'{"instruction": "a", "output": "\x01"}', "bad JSON"),
    (rb'{"instruction": "a", "output": "\u0000"}', "NUL"),
    (b'{"instruction": "a", "output": ' + b"9" * 5000 + b"}", "too many digits"),
    (b'{"instruction": "a", "output": ' + b"[" * 100_000 + b"}", "nested too deeply"),
    (b'{"instruction": "a"}', "output is missing"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES)
def test_a_broken_line_is_refused_with_its_place_and_the_rest_loads(tmp_path, line, reason):
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD + b"\n\n" + line + b"\n" + GOOD)
    found, _, tally = read(path)
    assert [row[0] for row in found] == [1, 4]
    (refused,) = tally.rejections
    assert (refused.file, refused.line) == (str(path), 3)
    assert reason in refused.reason


def test_an_escaped_surrogate_pair_is_a_character(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"instruction": "😀", "output": "\\ud800"}))
    assert read(path)[0] == [(1, "😀", "\\ud800")]


def test_a_broken_element_of_an_indented_array_is_refused_and_the_rest_loads(tmp_path):
    rows = rows_of(5)
    text = json.dumps(rows, indent=2, ensure_ascii=False)
    path = tmp_path / "a.json"
    path.write_text(text.replace('"2 quo', '"2" quo'))
    found, originals, tally = read(path)
    assert originals == [rows[0], rows[1], rows[3], rows[4]]
    assert [row[0] for row in found] == [1, 2, 4, 5]
    assert [(one.line, one.reason[:8]) for one in tally.rejections] == [(3, "bad JSON")]


def test_the_rows_before_the_damage_of_a_one_line_array_load(tmp_path):
    rows = rows_of(5)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows).replace('"2 quo', '"2" quo'))
    _, originals, tally = read(path)
    assert originals == rows[:2]
    assert "the rest is not read" in tally.rejections[0].reason


def test_elements_that_are_no_objects_are_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"[1, " + GOOD + b', "x", null, [2], ' + GOOD + b"]")
    found, _, tally = read(path)
    assert [row[0] for row in found] == [2, 6]
    assert [one.line for one in tally.rejections] == [1, 3, 4, 5]


def test_text_after_an_array_is_reported(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"[" + GOOD + b"] [" + GOOD + b"]")
    found, _, tally = read(path)
    assert len(found) == 1
    assert "after the end" in tally.rejections[0].reason


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
def test_the_window_on_an_array_may_cut_it_anywhere(tmp_path, monkeypatch, size):
    rows = [{"text": "é😀\\u00e9", "n": 12.5e3, "flag": True, "none": None, "list": [1, [2]]}] * 4
    for name in ("array.json", "pretty.json", "keyed.json", "series.json"):
        (tmp_path / name).write_bytes(KINDS[name](rows))
        with monkeypatch.context() as patch:
            patch.setattr("core.json_values.BLOCK", size)
            assert read(tmp_path / name)[1] == rows


def test_csv_rows_have_the_line_where_they_start(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(
        b"instruction,output\r\n"  # 1
        b'"a\r\nb",c\r\n'  # 2, 3
        b"\r\n"  # 4
        b"only one\r\n"  # 5
        b"d,e,f\r\n"  # 6
        b'"d"x,e\r\n'  # 7
        b"g,\xff\r\n"  # 8
        b"h,\r\n"  # 9
        b"i,j\r\n"  # 10
    )
    found, originals, tally = read(path)
    assert found == [(2, "a\r\nb", "c"), (10, "i", "j")]
    assert originals[0] == {"instruction": "a\r\nb", "output": "c"}
    refused = [(one.line, one.reason) for one in tally.rejections]
    assert [line for line, _ in refused] == [5, 6, 7, 8, 9]
    assert "1 columns where the header has 2" in refused[0][1]
    assert "bad CSV" in refused[2][1]
    assert "not UTF-8" in refused[3][1]
    assert "output is empty" in refused[4][1]


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('instruction,output\na,b\n"c,d\ne,f\ng,h\n')
    found, _, tally = read(path)
    assert [row[0] for row in found] == [2, 4, 5]
    assert [one.line for one in tally.rejections] == [3]


def test_a_chat_in_a_csv_cell_is_read_as_json(tmp_path):
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    path = tmp_path / "a.csv"
    path.write_bytes(as_csv([{"id": "1", "messages": json.dumps(turns)}]))
    assert read(path)[0] == [(2, "a", "b")]


def test_invalid_text_in_a_typed_file_is_refused_row_by_row(tmp_path):
    bad = pa.array([b"a", b"\xff", b"c"]).view(pa.string())
    table = pa.table({"text": ["x", "y", "z"], "other": bad})
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    found, _, tally = read(tmp_path / "a.arrow")
    assert [row[0] for row in found] == [1, 3]
    assert [(one.line, one.reason) for one in tally.rejections] == [
        (2, "the row holds text that is not UTF-8")
    ]


def test_a_line_longer_than_the_limit_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr("core.readers.ROW_LIMIT", 1000)
    long = json.dumps({"text": "x" * 5000})
    for name, text in {
        "a.jsonl": f'{{"text": "a"}}\n{long}\n{{"text": "b"}}',
        "a.csv": f'text,n\na,1\n"{"y" * 3000}",2\nb,3\n',
        "a.json": f'[\n{{"text": "a"}},\n{long},\n{{"text": "b"}}\n]',
    }.items():
        (tmp_path / name).write_text(text)
        found, _, tally = read(tmp_path / name)
        assert [row[1] for row in found] == (
            ["a", "b"] if name != "a.json" else ["a", "x" * 5000, "b"]
        )
        assert tally.rejected == (name != "a.json")


# --- inputs that cannot be read at all -----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", b"", "is empty"),
        ("a.json", b" \n ", "is empty"),
        ("a.jsonl.gz", gzip.compress(b""), "is empty"),
        ("a.parquet", b"", "not Parquet"),
        ("a.parquet", b"PAR1 and no more", "cannot be read as Parquet"),
        ("a.parquet", GOOD, "not Parquet as its suffix says"),
        ("a.arrow", b"ARROW1\0\0 and no more", "cannot be read as Arrow"),
        ("a.arrow", b"\xff\xff\xff\xff and no more", "cannot be read as Arrow"),
        ("a.parquet.gz", gzip.compress(as_parquet(rows_of()))[:-20], "cut off"),
        ("a.json", "[]".encode("utf-16"), "UTF-16"),
        ("a.txt", b"just some words\n", "not a kind of file"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0", "not a kind of file"),
        ("a.csv", b"a,b,a\n1,2,3\n", "two columns 'a'"),
        ("a.csv", b'"a,b\n1,2\n', "header of a.csv cannot be read"),
        ("a.csv", b"\xff,b\n1,2\n", "not UTF-8"),
    ],
    # gzip writes the time into what it packs, and every worker has to find the same names.
    ids=lambda value: "data" if isinstance(value, bytes) else None,
)
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path / name)
    assert "\n" not in str(error.value)


def test_two_typed_columns_of_one_name_are_refused(tmp_path):
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(InputError, match="two columns 'text'"):
        read(tmp_path / "a.arrow")


def test_what_is_not_there_or_given_twice_is_said(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD)
    (tmp_path / "empty").mkdir()
    (tmp_path / "link.jsonl").symlink_to(path)
    for files, message in [
        ([], "No file was given"),
        ([tmp_path / "nope.jsonl"], "no file"),
        ([tmp_path / "empty"], "holds no data"),
        ([path, path], "given twice"),
        ([path, tmp_path / "empty" / ".." / "a.jsonl"], "given twice"),
        ([path, tmp_path / "link.jsonl"], "given twice"),
    ]:
        with pytest.raises(InputError, match=message):
            read(*files)


@pytest.mark.parametrize("name", ["a.jsonl", "array.json", "a.csv", "a.parquet", "stream.arrow"])
def test_a_mapped_column_must_be_there(tmp_path, name):
    (tmp_path / name).write_bytes(KINDS[name](rows_of()))
    with pytest.raises(InputError, match="no column 'nope' for quality; its columns are instr"):
        read(tmp_path / name, columns={"quality": "nope"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "chatml"}, "Unknown format 'chatml'; use auto or one of alpaca"),
        ({"columns": {"question": "q"}}, "Unknown column role 'question'"),
        ({"limit": 0}, "at least 1"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        ReadOptions(**options)


# --- properties ----------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.lists(st.dictionaries(TEXT, JSON, max_size=4), min_size=1, max_size=6).map(
    lambda rows: [{**row, "text": f"row {i}"} for i, row in enumerate(rows)]
)


@QUICK
@given(rows=OBJECTS, ascii=st.booleans(), indent=st.sampled_from([None, 0, 1, 4]))
def test_json_rows_come_back_exactly(tmp_path, rows, ascii, indent):  # noqa: A002
    lines = [json.dumps(row, ensure_ascii=ascii) for row in rows]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), newline="")
    (tmp_path / "a.json").write_text(
        json.dumps(rows, ensure_ascii=ascii, indent=indent), newline=""
    )
    texts = []
    for _, some in read_rows(find_inputs([tmp_path / "a.jsonl"]), ReadOptions(), Tally(), silent):
        texts += some
    assert texts == lines  # to the character
    originals = read(tmp_path / "a.json")[1]
    assert [list(row.items()) for row in originals] == [list(row.items()) for row in rows]
    assert [json.dumps(row) for row in originals] == [json.dumps(row) for row in rows]


@QUICK
@given(cells=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6), tab=st.booleans())
def test_csv_cells_come_back_exactly(tmp_path, cells, tab):
    rows = [{"text": f"row {i}", "a": a, "b,b": b} for i, (a, b) in enumerate(cells)]
    path = tmp_path / ("a.tsv" if tab else "a.csv")
    path.write_bytes(as_csv(rows, "\t" if tab else ","))
    assert read(path)[1] == rows


def damaged(data, seed):
    """Cut, flip, overwrite or insert at one random place; return the place too."""
    rng = random.Random(seed)
    at = rng.randrange(len(data))
    junk = rng.randbytes(rng.choice([1, 3, 40]))
    kind = rng.choice("cfoi")
    if kind == "c":
        return data[:at], at
    if kind == "f":
        return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :], at
    return data[:at] + junk + data[at + (len(junk) if kind == "o" else 0) :], at


@QUICK
@given(seed=st.integers(0, 10**9))
@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_file_raises_nothing_but_one_sentence(tmp_path, name, suffix, seed):
    rows = rows_of(12)
    data, at = damaged(PACKED[suffix](KINDS[name](rows)), seed)
    path = tmp_path / (name + suffix)
    path.write_bytes(data)
    try:
        found, _, tally = read(path)
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert len(found) == tally.rows
    assert tally.rejected >= len(tally.rejections)
    if tally.rows < len(rows) and suffix == ".gz":  # which has a checksum
        assert tally.rejected
    if name == "a.jsonl" and not suffix and at > 3:  # not what tells the kind of file
        lines = sum(bool(line.strip(b" \t\r\n")) for line in data.split(b"\n"))
        assert tally.rows + tally.rejected == lines


@QUICK
@given(seed=st.integers(0, 10**9))
@pytest.mark.parametrize("name", ["a.jsonl", "array.json", "pretty.json", "keyed2.json", "a.csv"])
def test_the_rows_before_the_damage_survive(tmp_path, name, seed):
    rows = [{"instruction": f"row {i}", "input": "", "output": f"end {i}."} for i in range(12)]
    whole = KINDS[name](rows)
    data, at = damaged(whole, seed)
    ends = [whole.index(row["output"].encode()) + len(row["output"]) for row in rows]
    safe = sum(end + 20 < at for end in ends)
    path = tmp_path / name
    path.write_bytes(data)
    try:
        found = read(path)[0]
    except InputError:
        assert not safe
        return
    wanted = [(row["instruction"], row["output"]) for row in rows]
    assert [row[1:] for row in found][:safe] == wanted[:safe]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_the_rows_before_the_end_of_a_cut_compressed_file_survive(tmp_path, suffix):
    rng = random.Random(0)
    rows = [{"text": f"row {i} {rng.random()}"} for i in range(20_000)]
    packed = PACKED[suffix](as_lines(rows))
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(packed[: len(packed) // 2])
    _, originals, tally = read(path)
    assert 5_000 < len(originals) < 15_000
    assert originals == rows[: len(originals)]
    (refused,) = tally.rejections
    assert refused.line == len(originals) + 1
    assert "cut off" in refused.reason


@pytest.mark.parametrize("name", ["a.jsonl", "array.json", "keyed.json", "a.csv"])
def test_memory_does_not_grow_with_the_file(tmp_path, name):
    def peak(count):
        row = {"instruction": "x" * 3000, "input": "é" * 500, "output": "y" * 500}
        path = tmp_path / f"{count}-{name}"
        path.write_bytes(KINDS[name]([{**row, "n": str(i)} for i in range(count)]))
        tracemalloc.start()
        for _ in read_rows(find_inputs([path]), ReadOptions(), Tally(), silent):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(2600) < 1.3 * peak(1200)


def test_one_large_row_group_is_not_read_at_once(tmp_path):
    texts = [f"{i} " + "x" * 4000 for i in range(8000)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", compression="none")
    del texts
    before = pa.total_allocated_bytes()
    most = rows = 0
    inputs = find_inputs([tmp_path / "a.parquet"])
    for entries, _ in read_rows(inputs, ReadOptions(), Tally(), silent):
        rows += len(entries)
        most = max(most, pa.total_allocated_bytes() - before)
    assert rows == 8000
    assert most < 16 << 20  # of 32 MiB
