import pytest

from core.records import Record, RecordError, Turn, check_characters, parse

USER = {"role": "user", "content": "Hi"}
REPLY = {"role": "assistant", "content": "Hello"}
SYSTEM = {"role": "system", "content": "Be brief."}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
RESULT = {"role": "tool", "content": "42", "tool_call_id": "1"}


def human(text="Hi"):
    return {"from": "human", "value": text}


def gpt(text="Hello"):
    return {"from": "gpt", "value": text}


FITS = [
    ("alpaca", {"instruction": "a", "output": "b"}, "a", "b"),
    ("alpaca", {"instruction": "a", "input": "x", "output": "b"}, "a\nx", "b"),
    ("alpaca", {"instruction": "a", "input": None, "output": "b", "text": "all"}, "a", "b"),
    ("alpaca", {"instruction": "a", "output": "b", "system": "s"}, "s\na", "b"),
    (
        "alpaca",
        {"instruction": "a", "output": "b", "history": [["p", "q"], ["r", "s"]]},
        "p\nq\nr\ns\na",
        "b",
    ),
    ("alpaca", {"instruction": "a", "output": "b", "history": '[["p", "q"]]'}, "p\nq\na", "b"),
    ("alpaca", {"instruction": "a", "output": "b", "messages": None}, "a", "b"),
    ("alpaca", {"instruction": "a", "output": "b", "messages": ""}, "a", "b"),
    ("sharegpt", {"conversations": [human(), gpt()]}, "Hi", "Hello"),
    ("sharegpt", {"conversations": [human(), gpt()], "system": "s"}, "s\nHi", "Hello"),
    (
        "sharegpt",
        {"conversations": [{"from": "system", "value": "t"}, human(), gpt()], "system": "s"},
        "t\nHi",
        "Hello",
    ),
    (
        "sharegpt",
        {
            "conversations": [
                human(),
                {"from": "function_call", "value": "f()"},
                {"from": "observation", "value": "1"},
                gpt(),
            ]
        },
        "Hi\nf()\n1",
        "Hello",
    ),
    ("sharegpt", {"messages": [human(), gpt()]}, "Hi", "Hello"),
    ("openai", {"messages": [USER, REPLY]}, "Hi", "Hello"),
    ("openai", {"conversations": [USER, REPLY]}, "Hi", "Hello"),
    ("openai", {"messages": [SYSTEM, USER, REPLY]}, "Be brief.\nHi", "Hello"),
    ("openai", {"messages": [USER, REPLY, USER, REPLY]}, "Hi\nHello\nHi", "Hello"),
    ("openai", {"messages": [USER, CALL, RESULT, RESULT, REPLY]}, None, "Hello"),
    ("openai", {"messages": [USER, CALL]}, "Hi", '[{"id": "1"}]'),
    ("openai", {"messages": '[{"role": "user", "content": "é"}, ' + '{"role": "assistant", '
                '"content": "b"}]'}, "é", "b"),
    (
        "openai",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, "b"]}, REPLY]},
        "a\nb",
        "Hello",
    ),
    ("openai", {"instruction": "a", "output": "b", "messages": [USER, REPLY]}, "Hi", "Hello"),
    ("prompt-completion", {"prompt": "a", "completion": "b"}, "a", "b"),
    ("prompt-completion", {"prompt": "a", "chosen": "b", "rejected": "c"}, "a", "b"),
    ("prompt-completion", {"prompt": [USER], "completion": [REPLY]}, "Hi", "Hello"),
    ("prompt-completion", {"prompt": [USER], "chosen": [REPLY], "rejected": [USER]}, "Hi", "Hello"),
    ("prompt-completion", {"prompt": "Hi", "chosen": [USER, REPLY]}, "Hi", "Hello"),
    ("prompt-completion", {"chosen": [USER, REPLY], "rejected": [USER, REPLY]}, "Hi", "Hello"),
    ("prompt-completion", {"prompt": "a", "completion": None, "chosen": "b"}, "a", "b"),
    ("openai", {"messages": None, "conversations": [USER, REPLY]}, "Hi", "Hello"),
    ("sharegpt", {"conversations": None, "messages": [human(), gpt()]}, "Hi", "Hello"),
    ("text", {"text": "only this"}, "only this", ""),
    ("text", {"text": "only this", "instruction": "", "output": ""}, "only this", ""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "row", "prompt", "answer"), FITS)
def test_the_format_of_a_row_is_told_by_its_columns(kind, row, prompt, answer):
    record = parse(row)
    assert record.format == kind
    assert record.answer == answer
    if prompt is not None:
        assert record.prompt == prompt
        assert record.text == (f"{prompt}\n{answer}" if answer else prompt)


@pytest.mark.parametrize(("kind", "row", "prompt", "answer"), FITS)
def test_a_named_format_reads_the_same(kind, row, prompt, answer):
    assert parse(row, kind) == parse(row)


MAPPED = [
    ({"question": "a", "answer": "b"}, {"instruction": "question", "output": "answer"}, "a", "b"),
    (
        {"q": "a", "x": "c", "r": "b"},
        {"instruction": "q", "input": "x", "output": "r"},
        "a\nc",
        "b",
    ),
    ({"q": "a", "label": 3}, {"instruction": "q", "output": "label"}, "a", "3"),
    ({"q": "a", "label": True}, {"instruction": "q", "output": "label"}, "a", "true"),
    ({"q": ["a", "b"], "r": ["c"]}, {"instruction": "q", "output": "r"}, "a\nb", "c"),
    ({"prompt": "a", "solution": "b"}, {"output": "solution"}, "a", "b"),
    ({"q": "a", "completion": "b"}, {"instruction": "q"}, "a", "b"),
    ({"dialogue": [USER, REPLY]}, {"messages": "dialogue"}, "Hi", "Hello"),
    ({"dialogue": [human(), gpt()]}, {"messages": "dialogue"}, "Hi", "Hello"),
    ({"body": "all", "text": "no"}, {"text": "body"}, "all", ""),
    ({"body": None, "instruction": "a", "output": "b"}, {"text": "body"}, "a", "b"),
]


@pytest.mark.parametrize(("row", "columns", "prompt", "answer"), MAPPED)
def test_a_column_mapping_says_which_column_is_which(row, columns, prompt, answer):
    record = parse(row, columns=columns)
    assert (record.prompt, record.answer) == (prompt, answer)


def test_the_roles_are_kept_and_what_a_turn_held_besides():
    turns = parse({"messages": [SYSTEM, USER, CALL, RESULT, {**REPLY, "weight": 0}]}).turns
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "tool", "assistant"]
    assert turns[2].extra == {"tool_calls": [{"id": "1"}]}
    assert turns[3].extra == {"tool_call_id": "1"}
    assert turns[4].extra == {"weight": 0}
    calls = [human(), {"from": "function_call", "value": "f"}]
    assert parse({"conversations": calls}).turns[1] == Turn(
        "assistant", "f", {"kind": "function_call"}
    )


def test_tools_are_kept_as_text():
    tools = [{"name": "é"}]
    assert parse({"messages": [USER, REPLY], "tools": tools}).tools == '[{"name": "é"}]'
    assert parse({"conversations": [human(), gpt()], "tools": "[1]"}).tools == "[1]"
    assert parse({"messages": [USER, REPLY], "tools": []}).tools is None


def test_the_input_of_an_alpaca_row_can_be_told_from_its_instruction():
    record = parse({"instruction": "a", "input": "x\ny", "output": "b"})
    assert record.input == "x\ny"
    assert record.turns[-2].content == "a\nx\ny"


def test_turns_are_counted_without_the_system_turn():
    assert parse({"messages": [SYSTEM, USER, REPLY]}).n_turns == 2
    assert parse({"messages": [USER, REPLY]}).n_turns == 2
    assert parse({"text": "a"}).n_turns == 0


REFUSED = [
    ("auto", 3, "not an object but a number"),
    ("auto", None, "not an object but null"),
    ("auto", {}, "no known format fits; the columns are none"),
    ("auto", {"question": "a", "answer": "b"}, "the columns are question, answer"),
    ("auto", {"question": "a"}, "column mapping"),
    ("auto", {"instruction": "a"}, "output is missing; the columns are instruction"),
    ("auto", {"instruction": "a", "output": ""}, "output is empty"),
    ("auto", {"instruction": "a", "output": None}, "output is empty"),
    ("auto", {"instruction": "a", "output": " \n\t"}, "output is empty"),
    ("auto", {"instruction": "", "output": "b"}, "instruction is empty"),
    ("auto", {"instruction": "a", "output": 3}, "output is a number, not text"),
    ("auto", {"instruction": "a", "output": True}, "output is true or false, not text"),
    ("auto", {"instruction": "a", "output": ["b"]}, "output is a list, not text"),
    ("auto", {"instruction": "a", "output": "b", "input": {}}, "input is an object, not text"),
    ("auto", {"instruction": "a", "output": "b", "history": 3}, "history is a number"),
    ("auto", {"instruction": "a", "output": "b", "history": [["x"]]}, "history is not a list of"),
    ("auto", {"prompt": "a"}, "completion is missing; the columns are prompt"),
    ("auto", {"prompt": "", "completion": "b"}, "prompt is empty"),
    ("auto", {"prompt": "a", "completion": ""}, "completion is empty"),
    ("auto", {"prompt": "a", "chosen": ""}, "chosen is empty"),
    ("auto", {"prompt": "a", "chosen": [USER]}, "the last turn is the user's"),
    ("auto", {"text": ""}, "text is empty"),
    ("auto", {"text": "  "}, "text is empty"),
    ("auto", {"text": ["a"]}, "text is a list, not text"),
    ("auto", {"messages": []}, "messages is empty"),
    ("auto", {"messages": None}, "messages is empty"),
    ("auto", {"messages": "hello"}, "messages is text, not a list of turns"),
    ("auto", {"messages": ["hello"]}, "turn 1 is text, not an object"),
    ("auto", {"messages": [{"content": "a"}]}, "turn 1 has no 'role'; its keys are content"),
    ("auto", {"messages": [{"role": "robot", "content": "a"}]}, "turn 1 has the unknown role"),
    ("auto", {"messages": [{"role": ["user"], "content": "a"}]}, "turn 1 has the unknown role"),
    ("auto", {"messages": [USER, {"role": "assistant", "content": 3}]}, "turn 2 is a number"),
    ("auto", {"messages": [USER, {"role": "assistant"}]}, "turn 2 (the assistant's) is empty"),
    ("auto", {"messages": [{"role": "user", "content": ""}, REPLY]}, "turn 1 (the user's) is"),
    ("auto", {"messages": [REPLY]}, "the first turn is the assistant's"),
    ("auto", {"messages": [SYSTEM]}, "there is no user turn"),
    ("auto", {"messages": [SYSTEM, REPLY]}, "turn 2 is the assistant's after the system's"),
    ("auto", {"messages": [USER, REPLY, SYSTEM]}, "turn 3 is a system turn"),
    ("auto", {"messages": [USER, USER, REPLY]}, "turn 2 is the user's after another"),
    ("auto", {"messages": [USER, REPLY, REPLY]}, "turn 3 is the assistant's after another"),
    ("auto", {"messages": [USER, RESULT]}, "turn 2 is the tool's after the user's"),
    ("auto", {"messages": [USER, REPLY, USER]}, "the last turn is the user's"),
    ("auto", {"messages": [USER, CALL, RESULT]}, "the last turn is the tool's"),
    (
        "auto",
        {"messages": [USER, CALL, RESULT, USER, REPLY]},
        "turn 4 is the user's after the tool",
    ),
    (
        "auto",
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}, REPLY]},
        "turn 1 holds a part of type 'image_url', not text",
    ),
    (
        "auto",
        {"messages": [{"role": "user", "content": [3]}, REPLY]},
        "turn 1 holds a part that is a number",
    ),
    ("auto", {"conversations": [gpt(), human()]}, "the first turn is the assistant's"),
    ("auto", {"conversations": [human()]}, "the last turn is the user's"),
    ("auto", {"conversations": [{"from": "alien", "value": "a"}]}, "unknown role 'alien'"),
    (
        "auto",
        {"conversations": [human(), gpt(), *2 * [{"from": "observation", "value": "1"}], gpt()]},
        "turn 4 is the tool's after another",
    ),
    ("auto", {"text": "a\0b"}, "NUL"),
    ("auto", {"instruction": "a", "output": "\ud800"}, "surrogate"),
    ("alpaca", {"text": "a"}, "instruction is missing; the columns are text"),
    ("sharegpt", {"messages": [USER, REPLY]}, "turn 1 has no 'from'"),
    ("openai", {"instruction": "a", "output": "b"}, "messages is missing"),
    ("text", {"instruction": "a", "output": "b"}, "text is missing"),
    ("prompt-completion", {"text": "a"}, "prompt is missing"),
]


@pytest.mark.parametrize(("kind", "row", "reason"), REFUSED)
def test_a_row_that_cannot_be_used_is_refused_with_the_reason(kind, row, reason):
    with pytest.raises(RecordError) as refused:
        parse(row, kind)
    assert reason in refused.value.reason
    assert not refused.value.reason.endswith(".")


PROMPTS = [
    ({"instruction": "a"}, "a"),
    ({"instruction": "a", "output": ""}, "a"),
    ({"prompt": "a"}, "a"),
    ({"messages": [USER]}, "Hi"),
    ({"messages": [USER, REPLY, USER]}, "Hi\nHello\nHi"),
    ({"messages": [USER, USER]}, "Hi\nHi"),
    ({"conversations": [human()]}, "Hi"),
]


@pytest.mark.parametrize(("row", "prompt"), PROMPTS)
def test_a_target_row_may_be_only_a_prompt(row, prompt):
    record = parse(row, need_answer=False)
    assert (record.prompt, record.answer, record.text) == (prompt, "", prompt)
    with pytest.raises(RecordError):
        parse(row)


def test_a_long_list_of_columns_is_cut_in_a_reason():
    with pytest.raises(RecordError, match="c11 and 88 more"):
        parse({f"c{i}": 1 for i in range(100)})


def test_the_columns_of_the_file_are_named_when_they_are_given():
    with pytest.raises(RecordError, match="the columns are a, b: say"):
        parse({}, seen=("a", "b"))


def test_control_characters_other_than_nul_are_text():
    check_characters("".join(chr(code) for code in range(1, 32)))
    assert parse({"text": "a\x07\r\n"}).text == "a\x07\r\n"


def test_a_byte_that_was_not_utf8_is_said_to_be():
    with pytest.raises(RecordError, match="not UTF-8"):
        check_characters(b"\xff".decode("utf-8", "surrogateescape"))


def test_records_compare_by_value():
    assert parse({"text": "a"}) == Record("text", body="a")
