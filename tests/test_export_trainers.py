"""What trainers get, checked against the keys that their own documents give."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from core.errors import InputError
from core.export import write_rows
from core.ingest import init_pool
from core.pool import Pool
from core.project import Project

ALPACA = [
    {"instruction": "Add", "input": "1 2", "output": "3"},
    {"instruction": "Say hi", "input": "", "output": "hi"},
]
HISTORY = [
    {"instruction": "And 4?", "output": "7", "system": "Be brief.", "history": [["Add", "3"]]}
]
PAIRS = [{"prompt": "The sky is", "completion": " blue."}, {"prompt": "Two", "completion": " 2"}]
USER, ANSWER = {"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"}
SYSTEM = {"role": "system", "content": "Be brief."}
MESSAGE_PAIRS = [{"prompt": [SYSTEM, USER], "completion": [ANSWER]}]
CHATS = [{"messages": [SYSTEM, USER, ANSWER]}, {"messages": [USER, ANSWER, USER, ANSWER]}]
SHAREGPT = [
    {
        "conversations": [
            {"from": "human", "value": "Hello"},
            {"from": "gpt", "value": "Hi!"},
            {"from": "human", "value": "Bye"},
            {"from": "gpt", "value": "Bye!"},
        ],
        "system": "Be brief.",
    }
]
CALL = {"type": "function", "id": "c1", "function": {"name": "time", "arguments": "{}"}}
TOOLS = [
    {
        "messages": [
            USER,
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "noon"},
            ANSWER,
        ],
        "tools": [{"type": "function", "function": {"name": "time", "parameters": {"a": 1}}}],
    }
]
TEXT = [{"text": "Once upon a time."}]


@pytest.fixture
def export(tmp_path, tmp_path_factory):
    """Put rows into a pool, export all of them to `tmp_path / name`, return where."""

    def run(rows, format_id, name="data", **options):
        folder = tmp_path_factory.mktemp("pool")
        file = folder / "in.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        init_pool(folder / "project", [file])
        pool = Pool.open(Project.open(folder / "project"))
        out = tmp_path / name
        report = write_rows(pool, np.arange(len(rows)), format_id, out, **options)
        return Path(report.path), report

    return run


def read_rows(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if text.startswith("[") else [json.loads(x) for x in text.splitlines()]


# --- one file -------------------------------------------------------------------------------------


def test_alpaca_file(export):
    out, _ = export(ALPACA + HISTORY + PAIRS, "alpaca")
    rows = read_rows(out)
    assert rows[:2] == ALPACA
    assert rows[2] == {**HISTORY[0], "input": ""}
    assert rows[3] == {"instruction": "The sky is", "input": "", "output": " blue."}


def test_name_says_how_json_is_written(export):
    array, _ = export(ALPACA, "alpaca", "a.json")
    lines, _ = export(ALPACA, "alpaca", "a.jsonl")
    assert array.read_text().startswith("[")
    assert [json.loads(line) for line in lines.read_text().splitlines()] == read_rows(array)


@pytest.mark.parametrize("rows", [CHATS, TOOLS, CHATS + TOOLS])
def test_openai_rows_come_back(export, rows):
    out, _ = export(rows, "openai")
    assert read_rows(out) == rows


def test_sharegpt_rows_come_back(export):
    out, _ = export(SHAREGPT, "sharegpt")
    assert read_rows(out) == SHAREGPT


@pytest.mark.parametrize(
    ("rows", "format_id", "message"),
    [
        (ALPACA + CHATS, "alpaca", r"Row 2 has a system turn, which Alpaca cannot hold \(2 such"),
        (ALPACA + TOOLS, "alpaca", "Row 2 has tools, which Alpaca cannot hold;"),
        (ALPACA + CHATS[1:], "alpaca", r"Row 2 has several turns \(4\), which Alpaca"),
        (ALPACA + TEXT, "openai", "Row 2 is plain text without an answer, which the OpenAI"),
        (TEXT + ALPACA, "trl", "Row 0 is plain text without an answer, which TRL prompt/comp"),
        (TEXT, "llama-factory", "Row 0 is plain text .*, which LLaMA-Factory's alpaca"),
        (TEXT, "axolotl", "Row 0 is plain text .*, which Axolotl's alpaca type"),
    ],
)
def test_first_row_that_does_not_fit_is_named_and_nothing_is_left(
    export, tmp_path, rows, format_id, message
):
    with pytest.raises(InputError, match=message):
        export(rows, format_id)
    assert not list(tmp_path.iterdir())


def test_lossy_leaves_rows_out_and_counts_them(export):
    out, report = export([*CHATS, *ALPACA, *TEXT], "alpaca", lossy=True)
    assert read_rows(out) == ALPACA
    assert (report.rows, report.dropped) == (2, 3)


def test_nothing_left_is_an_error_even_if_lossy(export):
    with pytest.raises(InputError, match="Row 0 has a system turn, and Alpaca can hold no other"):
        export(CHATS, "alpaca", lossy=True)


# --- TRL ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "keys", "conversational"),
    [
        (PAIRS, {"prompt", "completion"}, False),
        (ALPACA, {"prompt", "completion"}, True),
        (ALPACA + PAIRS, {"prompt", "completion"}, True),
        (MESSAGE_PAIRS, {"prompt", "completion"}, True),
        (CHATS, {"messages"}, True),
        (SHAREGPT, {"messages"}, True),
        (ALPACA + HISTORY + PAIRS + CHATS + SHAREGPT, {"messages"}, True),
        (TOOLS + CHATS, {"messages", "tools"}, True),
        (TEXT, {"text"}, False),
    ],
)
def test_trl_reads_it(export, tmp_path, rows, keys, conversational):
    datasets = pytest.importorskip("datasets")
    trl = pytest.importorskip("trl.data_utils")
    out, report = export(rows, "trl", "data.jsonl")
    data = datasets.load_dataset(
        "json", data_files=str(out), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert set(data.column_names) == keys
    assert len(data) == report.rows == len(rows)
    for loaded in data:
        row = {key: value for key, value in loaded.items() if value is not None}
        assert trl.is_conversational(row) == conversational
        if conversational:
            rendered = trl.maybe_apply_chat_template(row, Template(), tools=row.get("tools"))
            shown = "".join(rendered.values())
            assert "<user>" in shown
            assert shown.rstrip().endswith(tail_of(row))


class Template:
    """Stands in for a tokenizer: checks what chat templates rely on, and renders."""

    def apply_chat_template(self, messages, add_generation_prompt=False, **_options):
        text = ""
        for place, message in enumerate(messages):
            assert message["role"] in ("system", "user", "assistant", "tool")
            assert place == 0 or message["role"] != "system"
            for call in message.get("tool_calls") or ():
                assert isinstance(call["function"]["arguments"], dict)
            text += f"<{message['role']}>{message['content']}"
        return text + ("<assistant>" if add_generation_prompt else "")


def tail_of(row):
    return (row.get("messages") or row["completion"])[-1]["content"]


def test_trl_texts_are_verbatim(export):
    assert read_rows(export(PAIRS, "trl")[0]) == PAIRS
    assert read_rows(export(MESSAGE_PAIRS, "trl", "lists")[0]) == MESSAGE_PAIRS


def test_trl_gives_one_kind_of_row(export):
    rows = read_rows(export(ALPACA + CHATS, "trl")[0])
    assert rows[0]["messages"] == [
        {"role": "user", "content": "Add\n1 2"},
        {"role": "assistant", "content": "3"},
    ]
    assert rows[2:] == CHATS


# --- LLaMA-Factory --------------------------------------------------------------------------------

COLUMNS = {
    "alpaca": {
        "prompt": "instruction",
        "query": "input",
        "response": "output",
        "system": "system",
        "history": "history",
    },
    "sharegpt": {"messages": "conversations", "system": "system", "tools": "tools"},
    "openai": {"messages": "messages"},
}
OPENAI_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}


def read_like_llama_factory(folder):
    """Rows as (system, [(role, text) …]), by the rules of LLaMA-Factory's data/README.md."""
    ((name, info),) = json.loads((folder / "dataset_info.json").read_text()).items()
    assert set(info) <= {"file_name", "formatting", "columns", "tags"}
    assert {p.name for p in folder.iterdir()} == {"dataset_info.json", info["file_name"]}
    columns, tags = info["columns"], info.get("tags", {})
    found = []
    for row in read_rows(folder / info["file_name"]):
        assert set(columns.values()) <= set(row)
        system = row[columns["system"]] if "system" in columns else ""
        if info.get("formatting", "alpaca") == "alpaca":
            said = [text for pair in row[columns["history"]] for text in pair]
            said += ["\n".join(x for x in (row["instruction"], row["input"]) if x), row["output"]]
            found.append((system, said))
            continue
        messages = row[columns["messages"]]
        who, what = tags.get("role_tag", "from"), tags.get("content_tag", "value")
        if messages[0][who] == tags.get("system_tag", "system"):
            system, messages = messages[0][what], messages[1:]
        odd = {tags.get("user_tag", "human"), tags.get("observation_tag", "observation")}
        even = {tags.get("assistant_tag", "gpt"), tags.get("function_tag", "function_call")}
        assert len(messages) % 2 == 0
        for place, message in enumerate(messages):
            assert message[who] in (even if place % 2 else odd)
        found.append((system, [message[what] for message in messages]))
    return name, info, found


@pytest.mark.parametrize(
    ("rows", "flavour"),
    [
        (ALPACA + HISTORY, "alpaca"),
        (ALPACA + PAIRS, "alpaca"),
        (SHAREGPT, "sharegpt"),
        (SHAREGPT + ALPACA, "sharegpt"),
        (CHATS, "openai"),
        (CHATS + ALPACA + SHAREGPT, "openai"),
        (MESSAGE_PAIRS, "openai"),
        (TOOLS + CHATS, "sharegpt"),
    ],
)
def test_llama_factory_folder(export, rows, flavour):
    out, report = export(rows, "llama-factory", "my data")
    name, info, found = read_like_llama_factory(out)
    assert name == "my_data"
    assert info["columns"] == COLUMNS[flavour]
    assert info.get("formatting", "alpaca") == ("alpaca" if flavour == "alpaca" else "sharegpt")
    assert info.get("tags", {}) == (OPENAI_TAGS if flavour == "openai" else {})
    assert len(found) == report.rows == len(rows)


def test_llama_factory_loses_nothing(export):
    said = {
        "alpaca": (ALPACA[0], ("", ["Add\n1 2", "3"])),
        "history": (HISTORY[0], ("Be brief.", ["Add", "3", "And 4?", "7"])),
        "chat": (CHATS[0], ("Be brief.", ["Hello", "Hi!"])),
        "sharegpt": (SHAREGPT[0], ("Be brief.", ["Hello", "Hi!", "Bye", "Bye!"])),
        "call": (TOOLS[0], ("", ["Hello", '{"name": "time", "arguments": {}}', "noon", "Hi!"])),
    }
    for kinds in (["alpaca", "history"], ["chat", "history", "sharegpt"], list(said)):
        out, _ = export([said[k][0] for k in kinds], "llama-factory", "-".join(kinds))
        assert read_like_llama_factory(out)[2] == [said[k][1] for k in kinds]


def test_data_does_not_overwrite_its_own_description(export):
    out, report = export(ALPACA, "llama-factory", "dataset_info")
    assert read_like_llama_factory(out)[1]["file_name"] == "rows.json"
    assert len(report.files) == 2


# --- Axolotl --------------------------------------------------------------------------------------

CHAT_TEMPLATE = {"ds_type": "json", "type": "chat_template", "roles_to_train": ["assistant"]}


@pytest.mark.parametrize(
    ("rows", "entry", "key"),
    [
        (ALPACA + PAIRS, {"ds_type": "json", "type": "alpaca"}, "instruction"),
        (CHATS + ALPACA, {**CHAT_TEMPLATE, "field_messages": "messages"}, "messages"),
        (HISTORY, {**CHAT_TEMPLATE, "field_messages": "messages"}, "messages"),
        (
            [{**ALPACA[0], "system": "Be brief."}],
            {**CHAT_TEMPLATE, "field_messages": "messages"},
            "messages",
        ),
        (TOOLS, {**CHAT_TEMPLATE, "field_messages": "messages"}, "messages"),
        (SHAREGPT + CHATS, {**CHAT_TEMPLATE, "field_messages": "messages"}, "messages"),
        (
            SHAREGPT,
            {
                **CHAT_TEMPLATE,
                "field_messages": "conversations",
                "message_property_mappings": {"role": "from", "content": "value"},
            },
            "conversations",
        ),
    ],
)
def test_axolotl_folder(export, rows, entry, key):
    out, _ = export(rows, "axolotl")
    assert sorted(path.name for path in out.iterdir()) == ["data.jsonl", "dataset.yaml"]
    config = yaml.safe_load((out / "dataset.yaml").read_text())
    assert config == {"datasets": [{"path": "data.jsonl", **entry}]}
    found = [json.loads(line) for line in (out / "data.jsonl").read_text().splitlines()]
    assert len(found) == len(rows)
    assert all(key in row for row in found)


def test_axolotl_reads_system_prompts_from_the_turns(export):
    out, _ = export(SHAREGPT, "axolotl")
    (row,) = read_rows(out / "data.jsonl")
    assert row["conversations"][0] == {"from": "system", "value": "Be brief."}
    assert [turn["value"] for turn in row["conversations"]][1:] == ["Hello", "Hi!", "Bye", "Bye!"]
    assert set(row) == {"conversations"}
