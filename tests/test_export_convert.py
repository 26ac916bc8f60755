"""Records to trainers' rows and back: nothing lost, nothing squeezed in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.export.convert import (
    UnholdableError,
    to_alpaca,
    to_openai,
    to_sharegpt,
    to_trl_messages,
    to_trl_turns,
)
from core.records import parse

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Weather in Ulm?"}
CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Ulm"}'},
}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "name": "weather", "content": "rain"}
ANSWER = {"role": "assistant", "content": "It rains."}
TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {}}}}


def openai(*messages, **more):
    return parse({"messages": list(messages), **more})


def sharegpt(*turns, **more):
    turns = [{"from": who, "value": value} for who, value in turns]
    return parse({"conversations": turns, **more})


CHAT = openai(USER, ANSWER, USER, ANSWER)
TOOLS = openai(USER, CALLS, RESULT, ANSWER, tools=[{"type": "function", "function": TOOL}])
FUNCTION_CALL = sharegpt(
    ("human", "a"), ("function_call", "{}"), ("observation", "1"), ("gpt", "b")
)
TEXT = parse({"text": "Once upon a time."})


def test_alpaca_row_comes_back_exactly():
    row = {"instruction": "Add", "input": "1\n2", "output": "3"}
    assert to_alpaca(parse(row)) == row
    full = {**row, "system": "Be brief.", "history": [["hi", "hello"], ["a", "b"]]}
    assert to_alpaca(parse(full)) == full


def test_single_question_of_a_chat_fits_alpaca():
    assert to_alpaca(openai(USER, ANSWER)) == {
        "instruction": "Weather in Ulm?",
        "input": "",
        "output": "It rains.",
    }


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (CHAT, "several turns"),
        (openai(SYSTEM, USER, ANSWER), "system turn"),
        (TOOLS, "tools"),
        (openai(USER, ANSWER, tools=[TOOL]), "tools"),
        (
            sharegpt(("human", "a"), ("function_call", "{}"), ("observation", "1"), ("gpt", "b")),
            "tools",
        ),
        (TEXT, "plain text"),
    ],
)
def test_alpaca_refuses_what_it_cannot_hold(record, reason):
    with pytest.raises(UnholdableError, match=reason):
        to_alpaca(record)


@pytest.mark.parametrize("convert", [to_alpaca, to_sharegpt, to_openai, to_trl_turns])
def test_plain_text_has_no_place_in_a_conversation(convert):
    with pytest.raises(UnholdableError, match="plain text without an answer"):
        convert(TEXT)


def test_sharegpt_keeps_system_apart_so_that_humans_stand_at_odd_places():
    record = openai(SYSTEM, USER, ANSWER)
    assert to_sharegpt(record) == {
        "conversations": [
            {"from": "human", "value": "Weather in Ulm?"},
            {"from": "gpt", "value": "It rains."},
        ],
        "system": "Be brief.",
    }
    first = to_sharegpt(record, system_as_turn=True)
    assert first["conversations"][0] == {"from": "system", "value": "Be brief."}
    assert "system" not in first


def test_openai_calls_become_sharegpt_function_calls():
    row = to_sharegpt(TOOLS)
    assert [turn["from"] for turn in row["conversations"]] == [
        "human",
        "function_call",
        "observation",
        "gpt",
    ]
    call = json.loads(row["conversations"][1]["value"])
    assert call == {"name": "weather", "arguments": {"city": "Ulm"}}
    assert set(row["conversations"][2]) == {"from", "value"}
    assert json.loads(row["tools"]) == [TOOL]


def test_sharegpt_calls_become_openai_calls_and_back():
    call = json.dumps({"name": "weather", "arguments": {"city": "Ulm"}})
    row = {
        "conversations": [
            {"from": "human", "value": "Weather?"},
            {"from": "function_call", "value": call},
            {"from": "observation", "value": "rain"},
            {"from": "gpt", "value": "It rains."},
        ],
        "system": "Be brief.",
        "tools": json.dumps([TOOL]),
    }
    there = to_openai(parse(row))
    assert [m["role"] for m in there["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    calling, result = there["messages"][2:4]
    assert calling["content"] == ""
    assert calling["tool_calls"][0]["function"] == {
        "name": "weather",
        "arguments": '{"city": "Ulm"}',
    }
    assert result["tool_call_id"] == calling["tool_calls"][0]["id"]
    assert there["tools"] == [{"type": "function", "function": TOOL}]
    back = to_sharegpt(parse(there))
    assert back == row


def test_openai_row_comes_back_with_ids_names_and_weights():
    messages = [SYSTEM, USER, {**CALLS, "content": ""}, RESULT, {**ANSWER, "weight": 0}]
    row = {"messages": messages, "tools": [{"type": "function", "function": TOOL}]}
    assert to_openai(parse(row)) == row


def test_trl_gets_arguments_as_objects():
    messages = to_trl_messages(TOOLS)["messages"]
    assert messages[1]["tool_calls"][0]["function"]["arguments"] == {"city": "Ulm"}
    assert to_openai(TOOLS)["messages"][1]["tool_calls"] == [CALL]


def test_trl_completion_is_the_last_turn():
    row = to_trl_turns(openai(SYSTEM, USER, ANSWER))
    assert row == {"prompt": [SYSTEM, USER], "completion": [ANSWER]}


def test_empty_lists_that_a_table_filled_in_are_no_calls():
    record = openai({**USER, "tool_calls": []}, {**ANSWER, "tool_calls": []})
    assert to_openai(record)["messages"] == [USER, ANSWER]
    assert to_alpaca(record)["output"] == "It rains."


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (
            openai(USER, {**CALLS, "tool_calls": [CALL, CALL]}, RESULT, RESULT, ANSWER),
            "out of order .turn 4 .* alternate",
        ),
        (openai(USER, {**CALLS, "content": "Let me see."}, RESULT, ANSWER), "one turn .turn 2"),
        (openai(USER, {**CALLS, "tool_calls": ["weather"]}, RESULT, ANSWER), "unknown way .turn 2"),
    ],
)
def test_sharegpt_refuses_what_it_cannot_hold(record, reason):
    with pytest.raises(UnholdableError, match=reason):
        to_sharegpt(record)


TWO_CALLS = '[{"name": "f", "arguments": {}}, {"name": "g", "arguments": {}}]'


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("look it up", "without a name .turn 2"),
        ('{"arguments": {}}', "without a name"),
        (TWO_CALLS, "answers several calls .turn 3"),
    ],
)
def test_openai_refuses_calls_it_cannot_read(call, reason):
    record = sharegpt(("human", "a"), ("function_call", call), ("observation", "1"), ("gpt", "b"))
    with pytest.raises(UnholdableError, match=reason):
        to_openai(record)
    assert to_sharegpt(record)["conversations"][1]["value"] == call


def test_tools_that_are_not_json_stay_in_sharegpt_only():
    record = sharegpt(("human", "a"), ("gpt", "b"), tools="a hammer")
    assert to_sharegpt(record)["tools"] == "a hammer"
    with pytest.raises(UnholdableError, match="tools that are not"):
        to_openai(record)


said = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
said = said.filter(lambda text: not text.isspace())
alpaca_rows = st.fixed_dictionaries(
    {"instruction": said, "output": said, "input": st.just("") | said},
    optional={"system": said, "history": st.lists(st.tuples(said, said), min_size=1, max_size=3)},
)


def turns(record):
    return [(turn.role, turn.content) for turn in record.turns]


@given(alpaca_rows)
def test_turns_survive_every_way_round(row):
    record = parse(row)
    for convert in (to_sharegpt, to_openai, to_trl_messages):
        there = parse(json.loads(json.dumps(convert(record))))
        assert turns(there) == turns(record)
        assert turns(parse(to_openai(there))) == turns(record)
        assert turns(parse(to_sharegpt(there))) == turns(record)
    back = to_alpaca(record)
    assert turns(parse(back)) == turns(record)
    assert back["input"] == row["input"]
    assert back["instruction"] == row["instruction"]


chats = st.lists(st.tuples(said, said), min_size=1, max_size=4)


@given(chats, st.none() | said)
def test_chats_survive_sharegpt_and_openai(pairs, system):
    first = [("system", system)] if system else []
    record = sharegpt(*first, *((w, t) for q, a in pairs for w, t in (("human", q), ("gpt", a))))
    assert turns(parse(to_openai(record))) == turns(record)
    assert turns(parse(to_sharegpt(record))) == turns(record)
    assert turns(parse(to_sharegpt(parse(to_openai(record)), system_as_turn=True))) == turns(record)
