"""A look at files before they become a pool."""

import json

import pytest

from core.errors import InputError
from core.peek import peek


def write(path, rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_the_first_rows_are_shown_as_they_will_be_read(tmp_path):
    rows = [{"instruction": f"Ask {i}", "output": f"Say {i}", "level": i} for i in range(2_000)]
    found = peek([write(tmp_path / "a.jsonl", rows)])
    assert (found.good, found.rejected, found.formats) == (100, 0, {"alpaca": 100})
    assert found.columns == ("instruction", "output", "level")
    assert [one.answer for one in found.samples] == ["Say 0", "Say 1", "Say 2"]
    assert found.guess == {}


def test_broken_rows_are_counted_with_the_first_reason(tmp_path):
    good = {"text": "A text."}
    found = peek([write(tmp_path / "a.jsonl", [good, {"text": ""}, "{oops", good])])
    assert (found.good, found.rejected) == (2, 2)
    assert found.reason.startswith("bad JSON")
    found = peek([write(tmp_path / "b.jsonl", ["{oops", {"a": 1}, {"a": 2}])])
    bad, unknown = found.reasons
    assert bad.startswith("bad JSON") and unknown.startswith("no known format fits")
    assert (found.good, [*found.reasons.values()]) == (0, [1, 2])


@pytest.mark.parametrize(
    ("values", "guess"), [((1, 2.5), True), ((1, None), False), ((1, "high"), False)]
)
def test_a_column_of_numbers_called_quality_is_guessed_to_be_it(tmp_path, values, guess):
    rows = [{"instruction": "Ask", "output": "Say", "Quality": value} for value in values]
    found = peek([write(tmp_path / "a.jsonl", rows)])
    assert found.guess == ({"quality": "Quality"} if guess else {})
    assert peek([tmp_path / "a.jsonl"], columns=found.guess).good == len(rows)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_unknown_columns_are_guessed_and_the_guess_works(tmp_path, name):
    import pandas as pd

    table = pd.DataFrame({"Question": ["1 + 1?"], "Answer": ["2"], "level": [3]})
    path = tmp_path / name
    if name.endswith("csv"):
        table.to_csv(path, index=False)
    elif name.endswith("parquet"):
        table.to_parquet(path)
    else:
        table.to_json(path, orient="records", lines=True)
    found = peek([path])
    assert (found.good, found.rejected) == (0, 1)
    assert found.columns == ("Question", "Answer", "level")
    assert found.guess == {"instruction": "Question", "output": "Answer"}
    mapped = peek([path], columns=found.guess)
    assert (mapped.samples[0].prompt, mapped.samples[0].answer) == ("1 + 1?", "2")


def test_columns_that_say_nothing_give_no_guess(tmp_path):
    found = peek([write(tmp_path / "a.jsonl", [{"a": "x", "b": "y"}])])
    assert found.guess == {} and found.columns == ("a", "b")


def test_what_is_no_data_is_refused(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        peek([tmp_path / "missing.jsonl"])
    with pytest.raises(InputError, match="Unknown format"):
        peek([write(tmp_path / "a.jsonl", [{"text": "x"}])], format="xml")
