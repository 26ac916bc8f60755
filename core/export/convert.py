"""Records to the rows that trainers read: Alpaca, ShareGPT, OpenAI messages, TRL."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from core.records import Record
from core.turns import RecordError, Turn, check_turns

_SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
# Keys of an OpenAI turn that ShareGPT says in its own way: calls become a turn of their own, and a
# result belongs to the call before it, so that it needs neither an id nor a name.
_CALL_KEYS = {"tool_calls", "tool_call_id", "kind"}


class UnholdableError(ValueError):
    """A row that a format cannot hold; the message completes "row 5 …"."""


def to_alpaca(record: Record) -> dict[str, Any]:
    """Instruction, input and output.

    A system prompt and a history are written when the row came as Alpaca with them. A chat is not
    turned into them: most readers of Alpaca files look at the three main fields only, and would
    train on its last answer without what was said before.

    Raises
    ------
    UnholdableError
        Plain text, tools, or a chat with a system turn or several turns.
    """
    turns = _turns(record)
    if uses_tools(record):
        raise UnholdableError("has tools")
    system = turns[0].content if turns[0].role == "system" else ""
    turns = turns[1:] if system else turns
    chat = record.format != "alpaca"
    if chat and system:
        raise UnholdableError("has a system turn")
    if chat and len(turns) > 2:
        raise UnholdableError(f"has several turns ({len(turns)})")
    asked = turns[-2].content
    row: dict[str, Any] = {
        "instruction": asked[: -len(record.input) - 1] if record.input else asked,
        "input": record.input,
        "output": turns[-1].content,
    }
    if system:
        row["system"] = system
    history = turns[:-2]
    if history:
        questions, answers = history[::2], history[1::2]
        row["history"] = [[q.content, a.content] for q, a in zip(questions, answers, strict=True)]
    return row


def to_sharegpt(record: Record, *, system_as_turn: bool = False) -> dict[str, Any]:
    """Conversations, with the system prompt in `system` unless it is wanted as the first turn.

    Raises
    ------
    UnholdableError
        Plain text, or a turn that ShareGPT has no place for: several results of one call, or an
        answer and a call in one turn.
    """
    turns = _turns(record, one_tool_turn=True)
    row: dict[str, Any] = {}
    system = turns[0].content if turns[0].role == "system" else ""
    if system and not system_as_turn:
        turns = turns[1:]
    row["conversations"] = [_sharegpt_turn(turn, place) for place, turn in enumerate(turns, 1)]
    if system and not system_as_turn:
        row["system"] = system
    if record.tools:
        row["tools"] = _plain_tools(record)
    return row


def to_openai(record: Record, *, parsed_arguments: bool = False) -> dict[str, Any]:
    """Messages, and `tools` when there are any.

    Parameters
    ----------
    parsed_arguments : give the arguments of calls as objects, which chat templates want, and not as
        the JSON text that OpenAI's format has.

    Raises
    ------
    UnholdableError
        Plain text, or a ShareGPT call that cannot be read.
    """
    row: dict[str, Any] = {"messages": _messages(record, parsed_arguments)}
    if record.tools:
        row["tools"] = _wrapped_tools(record.tools)
    return row


def to_trl_messages(record: Record) -> dict[str, Any]:
    """One conversation: TRL's conversational language modelling."""
    return to_openai(record, parsed_arguments=True)


def to_trl_turns(record: Record) -> dict[str, Any]:
    """Prompt and completion as messages; the completion is the last turn."""
    row = to_openai(record, parsed_arguments=True)
    messages = row.pop("messages")
    return {"prompt": messages[:-1], "completion": messages[-1:], **row}


def to_trl_texts(record: Record) -> dict[str, Any]:
    """Prompt and completion as texts, which TRL joins as they are."""
    turns = _turns(record)
    return {"prompt": turns[0].content, "completion": turns[1].content}


def to_trl_text(record: Record) -> dict[str, Any]:
    """Plain text: TRL's language modelling."""
    return {"text": record.body}


def fits_alpaca(record: Record) -> bool:
    """Whether `to_alpaca` can write the row."""
    try:
        to_alpaca(record)
    except UnholdableError:
        return False
    return True


def uses_tools(record: Record) -> bool:
    """Whether a row describes tools, calls one or holds what one returned."""
    return bool(record.tools) or any(turn.role == "tool" or _calls(turn) for turn in record.turns)


def _calls(turn: Turn) -> bool:
    return bool(turn.extra.get("tool_calls")) or turn.extra.get("kind") == "function_call"


def _turns(record: Record, *, one_tool_turn: bool = False) -> Sequence[Turn]:
    """Return the turns, checked: the order of roles is what a trainer relies on."""
    if record.format == "text":
        raise UnholdableError("is plain text without an answer")
    try:
        check_turns(record.turns, need_answer=True, one_tool_turn=one_tool_turn)
    except RecordError as error:
        raise UnholdableError(f"is out of order ({error.reason})") from None
    return record.turns


def _sharegpt_turn(turn: Turn, place: int) -> dict[str, Any]:
    kind, value = turn.extra.get("kind", _SHAREGPT[turn.role]), turn.content
    if turn.extra.get("tool_calls"):
        if turn.content:
            raise UnholdableError(f"answers and calls a tool in one turn (turn {place})")
        kind, value = "function_call", _function_calls(turn.extra["tool_calls"], place)
    rest = {key: value for key, value in turn.extra.items() if key not in _CALL_KEYS}
    if turn.role == "tool":
        rest.pop("name", None)
    return {"from": kind, "value": value, **rest}


def _function_calls(tool_calls: Any, place: int) -> str:
    """OpenAI's calls as the value of a ShareGPT function call: one object, or a list of them."""
    try:
        called = [call["function"] for call in tool_calls]
        calls = [
            {"name": function["name"], "arguments": _parsed(function.get("arguments"))}
            for function in called
        ]
    except (TypeError, KeyError):
        raise UnholdableError(f"calls a tool in an unknown way (turn {place})") from None
    return _json(calls[0] if len(calls) == 1 else calls)


def _messages(record: Record, parsed_arguments: bool) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    open_calls: list[dict[str, Any]] = []
    for place, turn in enumerate(_turns(record), 1):
        extra = {key: value for key, value in turn.extra.items() if key != "kind"}
        if not extra.get("tool_calls", True):
            del extra["tool_calls"]
        content = turn.content
        if turn.extra.get("kind") == "function_call":
            extra["tool_calls"], content = _tool_calls(content, place), ""
        if turn.role == "tool" and record.format == "sharegpt":
            if len(open_calls) != 1:
                known = "several calls" if open_calls else "no call"
                raise UnholdableError(f"has an observation that answers {known} (turn {place})")
            extra["tool_call_id"] = open_calls[0]["id"]
        open_calls = extra.get("tool_calls", [])
        if parsed_arguments and open_calls:
            extra["tool_calls"] = [_with_parsed_arguments(call) for call in open_calls]
        messages.append({"role": turn.role, "content": content, **extra})
    return messages


def _tool_calls(value: str, place: int) -> list[dict[str, Any]]:
    """Turn the value of a ShareGPT function call into OpenAI's calls."""
    parsed = _parsed(value)
    calls: list[dict[str, Any]] = []
    for call in parsed if isinstance(parsed, list) else [parsed]:
        if not isinstance(call, Mapping) or not isinstance(call.get("name"), str):
            raise UnholdableError(f"has a function call without a name (turn {place})")
        arguments = call.get("arguments", {})
        text = arguments if isinstance(arguments, str) else _json(arguments)
        calls.append(
            {
                "id": f"call_{place}_{len(calls) + 1}",
                "type": "function",
                "function": {"name": call["name"], "arguments": text},
            }
        )
    return calls


def _with_parsed_arguments(call: Any) -> Any:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or "arguments" not in function:
        return call
    return {**call, "function": {**function, "arguments": _parsed(function["arguments"])}}


def _wrapped_tools(tools: str) -> list[Any]:
    """Tools as OpenAI lists them: each a function inside an object with a type."""
    found = _parsed(tools)
    if not isinstance(found, list) or not all(isinstance(tool, Mapping) for tool in found):
        raise UnholdableError("has tools that are not a JSON list of objects")
    return [
        tool if "function" in tool else {"type": "function", "function": tool} for tool in found
    ]


def _plain_tools(record: Record) -> str:
    """Tools as JSON text the way LLaMA-Factory writes them: the bare functions."""
    tools = record.tools or ""
    if record.format == "sharegpt":
        return tools
    found = _parsed(tools)
    if not isinstance(found, list):
        return tools
    return _json([t.get("function", t) if isinstance(t, Mapping) else t for t in found])


def _parsed(value: Any) -> Any:
    """Return what JSON text says; anything else, and text that is not JSON, as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
