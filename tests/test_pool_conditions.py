"""Search and conditions find what they say, and a condition reaches nothing else."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pools import build, in_small_parts, make_rows, open_pool, open_pool_of, write_lines

from core.conditions import FUNCTIONS
from core.errors import InputError
from core.ingest import init_pool
from core.records import parse


@pytest.fixture
def pool(pool_in_parts):
    return pool_in_parts


def matching(pool, *words):
    texts = [parse(row) for row in pool.expected]
    return [
        i
        for i, record in enumerate(texts)
        if all(
            w.lower() in record.prompt.lower() or w.lower() in record.answer.lower() for w in words
        )
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("entropy", ["entropy"]),
        ("ENTROPY question", ["entropy", "question"]),
        ('"on cooking"', ["on cooking"]),
        ("50%", ["50%"]),
        ("%", ["%"]),
        ("snake_case", ["snake_case"]),
        ("_", ["_"]),
        ("école", ["école"]),
        ("日本", ["日本"]),
        ("'; DROP TABLE", ["'; drop", "table"]),
        ("\\", ["\\"]),
        ("", []),
    ],
)
def test_search_finds_all_words_as_they_are_written(pool, text, words):
    expected = matching(pool, *words)
    found = pool.search(text)
    assert found.rows.tolist() == expected
    assert found.total == len(expected)
    assert found.rows.dtype == np.int64


def test_search_narrows_by_source_and_condition_and_goes_by_page(pool):
    rows = matching(pool, "entropy")
    by_source = [i for i in rows if i % 3 in (0, 2)]
    assert pool.search("entropy", sources=["a", "c"]).rows.tolist() == by_source
    assert pool.search("entropy", sources=["no such"]).total == 0
    both = [i for i in by_source if i > 20]
    assert pool.search("entropy", sources=["a", "c"], where="row > 20").rows.tolist() == both
    page = pool.search("", limit=10, offset=55)
    assert (page.total, page.rows.tolist()) == (60, [55, 56, 57, 58, 59])


CONDITIONS = [
    ("row < 3 OR row = 50", lambda i, r: i < 3 or i == 50),
    ("source = 'a' AND n_chars > 40", lambda i, r: i % 3 == 0 and len(parse(r).text) > 40),
    ("level IN (1, 3)", lambda i, r: i % 5 in (1, 3)),
    ("score BETWEEN 1 AND 2.05", lambda i, r: 1 <= i / 10 <= 2.05),
    ("good", lambda i, r: i % 2 == 0),
    ("NOT good", lambda i, r: i % 2),
    ("input = ''", lambda i, r: r["input"] == ""),
    ("INSTRUCTION ILIKE '%ENTROPY%'", lambda i, r: "entropy" in r["instruction"]),
    ("output LIKE '%!_%' ESCAPE '!' OR row = 1", lambda i, r: i == 1),
    ("prompt LIKE 'Question _ on%'", lambda i, r: i < 10),
    ("length(output) = 10", lambda i, r: len(r["output"]) == 10),
    ("regexp_matches(answer, '^Answer [0-2] ')", lambda i, r: i * 7 % 10 < 3),
    ("CASE WHEN good THEN level = 0 ELSE level = 1 END", lambda i, r: i % 5 == i % 2),
    ("id = 'row-7' -- a comment", lambda i, r: i == 7),
    ("line <= 2", lambda i, r: i < 2),
    ("format = 'alpaca' AND n_turns = 2 AND file LIKE '%pool%' AND row = 4", lambda i, r: i == 4),
    ("score / 2 + 1 > 3.9", lambda i, r: i / 20 + 1 > 3.9),
    ("CAST(level AS VARCHAR) || source = '2b'", lambda i, r: i % 5 == 2 and i % 3 == 1),
    ("mixed = '8'", lambda i, r: i == 8),
    ("level IS NULL", lambda i, r: False),
    ("(row < 3) IS TRUE", lambda i, r: i < 3),
    ("true", lambda i, r: True),
]


@pytest.mark.parametrize(("condition", "holds"), CONDITIONS, ids=[c for c, _ in CONDITIONS])
def test_a_condition_gives_the_rows_for_which_it_holds(pool, condition, holds):
    expected = [i for i, row in enumerate(pool.expected) if holds(i, row)]
    if condition == "mixed = '8'" and pool.meta["parts"][0]["kind"] == "json":
        condition = "json_extract_string(mixed, '$') = '8'"  # text and numbers: kept as JSON
    found = pool.where(condition)
    assert found.tolist() == expected
    assert found.dtype == np.int64


def test_length_is_another_name_of_the_characters_unless_a_column_has_it(pool, tmp_path):
    assert pool.where("Length > 40").tolist() == pool.where("n_chars > 40").tolist()
    assert len(pool.where("length > 40")) not in (0, pool.rows)
    rows = [{"instruction": "x", "output": "y", "Length": i} for i in range(5)]
    write_lines(tmp_path / "own.jsonl", rows)
    with_own, _ = open_pool_of(tmp_path, [tmp_path / "own.jsonl"])
    assert with_own.where("length > 2").tolist() == [3, 4]


def test_a_text_without_quotes_is_told_how_to_be_written(pool):
    with pytest.raises(InputError, match=r"no column 'dolly'; .* single quotes: 'dolly'"):
        pool.where("source = dolly")


ATTACKS = [
    "1=1; DROP TABLE pool",
    "1=1); DROP TABLE pool; --",
    "1=1) OR (SELECT true",
    "1=1, 2=2",
    "1=1) AND (2=2",
    "1=1) WINDOW w AS (ORDER BY row",
    "1=1) ORDER BY (row",
    "1=1) LIMIT (1",
    "1=1) GROUP BY (row",
    "1=1) QUALIFY (1=1",
    "1=1) UNION SELECT 1 WHERE (1=1",
    "1=1 UNION SELECT 1",
    "1=1 LIMIT 1",
    "(SELECT 1) = 1",
    "row IN (SELECT 1)",
    "row = ANY (SELECT 1)",
    "row = ANY ([1, 2])",
    "EXISTS (SELECT * FROM read_csv('/etc/passwd'))",
    "EXISTS (FROM '/etc/passwd')",
    "read_csv('/etc/passwd') IS NULL",
    "read_text('/etc/passwd') = 'x'",
    "read_blob('/etc/passwd') IS NOT NULL",
    "read_parquet('x') IS NULL",
    "glob('/etc/*') IS NULL",
    "getenv('HOME') = 'x'",
    "current_setting('home_directory') = ''",
    "current_user = 'x'",
    "pg_read_file('x') = 'x'",
    "query('SELECT 1') = 1",
    "query_table('pool') = 1",
    "nextval('x') = 1",
    "random() > 0.5",
    "now() > '2020-01-01'",
    "repeat('x', 1000000000) = 'x'",
    "lpad('x', 1000000000, 'x') = 'x'",
    "range(1000000000) IS NULL",
    "COPY (SELECT 1) TO 'x'",
    "COPY pool TO 'x'",
    "PRAGMA version",
    "SET lock_configuration = false",
    "ATTACH 'x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CREATE TABLE x (a INT)",
    "SELECT 1",
    "count(*) > 1",
    "max(row) > 1",
    "row_number() OVER () > 1",
    "list_filter([1], x -> x > 0)[1] = 1",
    "list_transform([1], lambda x: x)[1] = 1",
    "COLUMNS('x') = 1",
    "COLUMNS(*) = 1",
    "* = 1",
    "#1 = 1",
    "row = ?",
    "row = $1",
    "$$x$$ = 'x'; SELECT 1",
    "pool.row = 1",
    "text_hash = 1",
    "nope = 1",
    "main.read_csv('x') = 1",
    "prompt COLLATE nocase = 'x'",
    "row",
    "n_chars",
    "1",
    "'true'",
    "NULL",
    "[true]",
    "",
    "   ",
    "-- nothing",
    "(((",
    "'",
    '"',
    "/*",
    "row = 1\0",
    "\ud800 = 'x'",
    "row = 1 AND",
    "NOT " * 5000 + "true",
    "(" * 4000 + "true" + ")" * 4000,
    "n_chars > 'abc'",
    "CAST(prompt AS INT) = 1",
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    return build(tmp_path_factory.mktemp("guarded"), make_rows())[0]


@pytest.mark.parametrize("condition", ATTACKS)
def test_anything_but_one_condition_is_refused_in_one_sentence(guarded, condition):
    before = sorted(path.name for path in guarded.folder.iterdir())
    with pytest.raises(InputError) as refused:
        guarded.where(condition)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400
    assert "Traceback" not in str(refused.value)
    if condition.strip():
        with pytest.raises(InputError):
            guarded.search("Question", where=condition)
    assert sorted(path.name for path in guarded.folder.iterdir()) == before
    assert len(guarded.where("row < 5")) == 5  # and the next question is answered


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("n_chars >", "it ends too early"),
        ("(n_chars > 3", "it ends too early"),
        ("n_chars > 3)", 'syntax error at or near "\\)"'),
    ],
)
def test_no_character_is_blamed_that_a_person_did_not_write(pool, condition, why):
    with pytest.raises(InputError, match=rf"; {why}\.$"):
        pool.where(condition)


def test_no_function_that_a_condition_may_call_reaches_outside():
    words = ("read", "file", "glob", "env", "setting", "query", "random", "now", "current", "load")
    assert not [name for name in FUNCTIONS if any(word in name for word in words)]


def test_duckdb_itself_may_read_only_the_pool(guarded, tmp_path):
    import duckdb

    (tmp_path / "secret.csv").write_text("a\n1\n")
    guarded.where("row = 1")
    cursor = guarded._asked._connection.cursor()
    for sql in (f"FROM read_csv('{tmp_path}/secret.csv')", "SET enable_external_access = true"):
        with pytest.raises(duckdb.Error):
            cursor.execute(sql)


@pytest.mark.parametrize("name", ["with space", "it's", "a[1]*", "q?x", 'quo"te', "ünï"])
def test_the_folder_of_a_project_may_have_any_name(tmp_path, name):
    write_lines(tmp_path / "a.jsonl", make_rows(12))
    init_pool(tmp_path / name, [tmp_path / "a.jsonl"])
    pool = open_pool(tmp_path / name)
    assert pool.search("entropy").rows.tolist() == [0, 7]
    assert pool.where("level = 2 AND source = 'b'").tolist() == [7]


def test_columns_may_have_any_name(tmp_path):
    names = ['quo"te', "it's", "a/b~c", "space d", "select", "ünï", "$.x", "[0]", ""]
    for file in ("a.jsonl", "a.parquet"):
        rows = [{"text": str(i), **dict.fromkeys(names, i)} for i in range(3)]
        pool, _ = build(tmp_path, rows, file)
        assert pool.columns() == ["text", *names]
        for name in names[:-1]:
            quoted = '"' + name.replace('"', '""') + '"'
            assert pool.where(f"{quoted} > 0").tolist() == [1, 2], (file, name)


_TAKEN = ["file_row_number", "row_", "file_", "Row_", "File_Row_Number", "Source", "ROW", "rowid"]


@pytest.mark.parametrize("file", ["a.jsonl", "a.parquet"])
@pytest.mark.parametrize("name", [*_TAKEN, "json", "filename", "path", "first", "pool", "s"])
def test_a_column_may_have_a_name_that_is_used_inside(tmp_path, monkeypatch, file, name):
    in_small_parts(monkeypatch)
    rows = [{"text": str(i), name: 100 - i, "other": i % 2} for i in range(40)]
    pool, _ = build(tmp_path, rows, file)
    assert pool.where(f'"{name}" >= 98').tolist() == [0, 1, 2]
    assert pool.where(f'"{name}" > 97 AND other = 1').tolist() == [1]
    assert pool.where("other = 1 AND row < 4 AND source = 'a'").tolist() == [1, 3]


@pytest.mark.parametrize("file", ["a.jsonl", "a.parquet"])
def test_columns_that_differ_in_case_alone_are_told_apart(tmp_path, file):
    rows = [{"text": str(i), "Label": i, "label": -i, "Source": f"s{i}"} for i in range(3)]
    pool, _ = build(tmp_path, rows, file)
    assert pool.where("Label > 0").tolist() == [1, 2]
    assert pool.where("label < -1").tolist() == [2]
    assert pool.where("label = -1 AND Label = 1 AND Source = 's1' AND source = 'a'").tolist() == [1]
    assert pool.where("N_CHARS = 1 AND TEXT = '2'").tolist() == [2]
    with pytest.raises(InputError, match="'LABEL' may be Label and label; write"):
        pool.where("LABEL > 0")
    with pytest.raises(InputError, match="'SOURCE' may be source and Source; write"):
        pool.search(where="SOURCE = 's1'")


def test_a_row_with_nan_does_not_spoil_the_conditions(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "n": NaN}\n{"text": "b", "n": 2}\n')
    pool, _ = open_pool_of(tmp_path, [tmp_path / "a.jsonl"])
    assert pool.where("n = 2").tolist() == [1]
    assert pool.where("isnan(n)").tolist() == [0]
    with pytest.raises(InputError, match="row 0 is 'nan'"):
        pool.numbers("n")


def test_many_threads_may_use_one_pool(pool):
    expected = matching(pool, "entropy")
    pool = open_pool(pool.folder.parent)  # which nobody has asked before
    barrier = threading.Barrier(8)

    def ask(number):
        barrier.wait()
        for _ in range(5):
            assert pool.search("entropy").rows.tolist() == expected
            assert pool.page([number, 3])["row"].tolist() == [number, 3]
            assert len(pool.where(f"level = {number % 5}")) == 12
            assert len(pool.sources().codes) == 60

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(8)))
