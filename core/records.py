"""One training row in canonical form, whatever format it came in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from core.turns import (
    RecordError,
    Turn,
    check_turns,
    kind,
    names,
    openai_turns,
    sharegpt_turns,
)

__all__ = ["FORMATS", "Record", "RecordError", "Turn", "check_characters", "join_text", "parse"]

FORMATS = ("alpaca", "sharegpt", "openai", "prompt-completion", "text")
COLUMN_ROLES = ("instruction", "input", "output", "messages", "text", "id", "source", "quality")
NO_COLUMNS: Mapping[str, str] = MappingProxyType({})

# Columns that a format can read, besides those which the user maps.
FIELDS = (
    "messages",
    "conversations",
    "prompt",
    "completion",
    "chosen",
    "rejected",
    "instruction",
    "input",
    "output",
    "history",
    "system",
    "tools",
    "text",
)
# When the user maps none, the first of these that a row has names it, and where it is from.
ID_COLUMNS = ("id", "_id", "uid", "uuid", "idx")
SOURCE_COLUMNS = ("source", "dataset", "dataset_name", "data_source")

# What a single column tells when the one that belongs to it is missing.
_LONE_COLUMNS = {"text": "text", "prompt": "prompt-completion", "instruction": "alpaca"}


@dataclass(frozen=True, slots=True)
class Record:
    """A row in canonical form.

    Attributes
    ----------
    format : one of `FORMATS`.
    turns : the conversation; () for the text format. At most one system turn, which is first;
        the last turn is the assistant's, except in a target row that is only a prompt.
    tools : description of the tools as JSON text, if the row has one.
    body : the text of a text row, else "".
    input : an Alpaca row's `input`, else "". The last user turn's content is then
        instruction + newline + input, as LLaMA-Factory joins them.
    """

    format: str
    turns: tuple[Turn, ...] = ()
    tools: str | None = None
    body: str = ""
    input: str = ""

    @property
    def prompt(self) -> str:
        """All that comes before the answer, system turn included; the body of a text row."""
        if not self.turns:
            return self.body
        before = self.turns[:-1] if self.turns[-1].role == "assistant" else self.turns
        return "\n".join([turn.said for turn in before])

    @property
    def answer(self) -> str:
        """The last assistant turn; "" for a text row and for a prompt without an answer."""
        if self.turns and self.turns[-1].role == "assistant":
            return self.turns[-1].said
        return ""

    @property
    def text(self) -> str:
        """What is embedded and compared: the prompt, a newline and the answer."""
        return join_text(self.prompt, self.answer)

    @property
    def n_turns(self) -> int:
        """Turns without the system turn; 0 for a text row."""
        return len(self.turns) - (bool(self.turns) and self.turns[0].role == "system")


def join_text(prompt: str, answer: str) -> str:
    """Join a row's prompt and answer into the text that is embedded."""
    return f"{prompt}\n{answer}" if answer else prompt


def parse(
    row: Mapping[str, Any],
    format: str = "auto",  # noqa: A002 - the option's name, the same everywhere
    columns: Mapping[str, str] = NO_COLUMNS,
    *,
    need_answer: bool = True,
    seen: Sequence[str] | None = None,
) -> Record:
    """Read a row.

    Parameters
    ----------
    row : column name to value, as the file has it.
    format : one of `FORMATS`, or "auto" to look at the row's columns.
    columns : role (one of `COLUMN_ROLES`) to the name of the column that plays it.
    need_answer : whether a row without an answer is refused; target rows may be only a prompt.
    seen : the columns to name in a reason; default: those of `row`.

    Raises
    ------
    RecordError
        The row fits no format, or a field is missing, empty, not text or out of order.
    """
    if not isinstance(row, Mapping):
        raise RecordError(f"not an object but {kind(row)}")
    if format == "auto":
        format = _detect(row, columns, seen)  # noqa: A001
    record = _PARSERS[format](_Fields(row, columns, need_answer, seen))
    check_characters(record.text)
    if record.tools:
        check_characters(record.tools)
    return record


def check_characters(text: str) -> None:
    """Refuse what cannot be stored as UTF-8 text.

    Raises
    ------
    RecordError
        `text` holds a NUL or half of a surrogate pair.
    """
    if "\0" in text:
        raise RecordError("the text holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        # Readers decode with surrogateescape, which puts a byte that is not UTF-8 here.
        if 0xDC80 <= code <= 0xDCFF:
            raise RecordError("the text is not UTF-8") from None
        raise RecordError("the text holds half of a surrogate pair (not UTF-8)") from None


@dataclass(frozen=True, slots=True)
class _Fields:
    """A row and how to look into it."""

    row: Mapping[str, Any]
    columns: Mapping[str, str]
    need_answer: bool
    seen: Sequence[str] | None

    def name(self, role: str, default: str | None = None) -> str:
        """Return the column that plays `role`."""
        return self.columns.get(role, default or role)

    def missing(self, name: str) -> RecordError:
        """Say that a column is absent or null."""
        if name in (self.row if self.seen is None else self.seen):
            return RecordError(f"{name} is empty")
        return RecordError(
            f"{name} is missing; the columns are {names(self.row, self.seen)}: "
            "name the right ones with a column mapping (--column ROLE=NAME)"
        )

    def text(self, role: str, default: str | None = None, *, required: bool = True) -> str:
        """Return the text of the column that plays `role`; "" if it may be absent and is.

        A mapped column may also hold a number, or (not for an output) a list of texts, which
        are joined by newlines.
        """
        name = self.name(role, default)
        value = self.row.get(name)
        if isinstance(value, str):
            if required and (not value or value.isspace()):
                raise RecordError(f"{name} is empty")
            return value
        if value is None:
            if required:
                raise self.missing(name)
            return ""
        mapped = role in self.columns
        if mapped and isinstance(value, bool | int | float):
            return json.dumps(value)
        if mapped and _is_texts(value):
            if role == "output" and len(value) != 1:
                raise RecordError(f"{name} is a list of {len(value)} texts, not one")
            joined = "\n".join(value)
            if required and (not joined or joined.isspace()):
                raise RecordError(f"{name} is empty")
            return joined
        raise RecordError(f"{name} is {kind(value)}, not text")


def _detect(row: Mapping[str, Any], columns: Mapping[str, str], seen: Sequence[str] | None) -> str:
    """Find the format by the first column, in a fixed order, that is there and not empty."""
    for filled in (True, False):  # an empty column counts only if no other tells the format
        found = _mapped_format(row, columns, filled) or _own_format(row, filled)
        if found:
            return found
    raise RecordError(
        f"no known format fits; the columns are {names(row, seen)}: say which is which with a "
        "column mapping (--column instruction=NAME --column output=NAME)"
    )


def _mapped_format(row: Mapping[str, Any], columns: Mapping[str, str], filled: bool) -> str:
    for role in ("messages", "instruction", "output", "text"):
        if role in columns and _there(row, columns[role], filled):
            if role == "messages":
                return _chat_style(row.get(columns[role]))
            if role == "text":
                return "text"
            asked, answered = columns.get("instruction"), columns.get("output")
            half = (not asked and "prompt" in row and "instruction" not in row) or (
                not answered and "output" not in row and ("completion" in row or "chosen" in row)
            )
            return "prompt-completion" if half else "alpaca"
    return ""


def _own_format(row: Mapping[str, Any], filled: bool) -> str:
    for name in ("messages", "conversations"):
        if _there(row, name, filled):
            return _chat_style(row.get(name), name)
    if _there(row, "prompt", filled) and ("completion" in row or "chosen" in row):
        return "prompt-completion"
    if _there(row, "instruction", filled) and "output" in row:
        return "alpaca"
    if isinstance(row.get("chosen"), list | tuple):
        return "prompt-completion"
    for name, found in _LONE_COLUMNS.items():
        if _there(row, name, filled):
            return found
    return ""


def _there(row: Mapping[str, Any], name: str, filled: bool) -> bool:
    if not filled:
        return name in row
    value = row.get(name)
    return value is not None and value not in ("", [])


def _first(row: Mapping[str, Any], *names: str) -> str:
    """Return the first of some columns that is not empty, else the first that there is."""
    for filled in (True, False):
        for name in names:
            if _there(row, name, filled):
                return name
    return names[0]


def _chat_style(value: Any, name: str = "messages") -> str:
    """Tell ShareGPT turns from OpenAI turns by their keys, else by the column's name."""
    turns = _from_json(value)
    if isinstance(turns, list | tuple) and turns and isinstance(turns[0], Mapping):
        if "role" in turns[0] or "content" in turns[0]:
            return "openai"
        if "from" in turns[0] or "value" in turns[0]:
            return "sharegpt"
    return "sharegpt" if name == "conversations" else "openai"


def _alpaca(fields: _Fields) -> Record:
    turns = _system_turn(fields)
    instruction = fields.text("instruction")
    more = fields.text("input", required=False)
    answer = fields.text("output", required=fields.need_answer)
    history = _from_json(fields.row.get("history"))
    if history is not None and not isinstance(history, list | tuple):
        raise RecordError(f"history is {kind(history)}, not a list of pairs")
    for pair in history or ():
        if not _is_texts(pair) or len(pair) != 2:
            raise RecordError("history is not a list of pairs of texts")
        turns += [Turn("user", pair[0]), Turn("assistant", pair[1])]
    turns.append(Turn("user", f"{instruction}\n{more}" if more else instruction))
    if answer and not answer.isspace():
        turns.append(Turn("assistant", answer))
    return Record("alpaca", tuple(turns), input=more)


def _openai(fields: _Fields) -> Record:
    name = fields.columns.get("messages") or _first(fields.row, "messages", "conversations")
    turns = openai_turns(_turn_list(fields, name))
    check_turns(turns, fields.need_answer)
    return Record("openai", tuple(turns), tools=_tools(fields))


def _sharegpt(fields: _Fields) -> Record:
    name = fields.columns.get("messages") or _first(fields.row, "conversations", "messages")
    turns = sharegpt_turns(_turn_list(fields, name))
    if turns and turns[0].role != "system":
        turns = _system_turn(fields) + turns
    check_turns(turns, fields.need_answer, one_tool_turn=True)
    return Record("sharegpt", tuple(turns), tools=_tools(fields))


def _prompt_completion(fields: _Fields) -> Record:
    row = fields.row
    asked = fields.name("instruction", "prompt")
    answered = fields.columns.get("output") or _first(row, "completion", "chosen")
    prompt, completion = _from_json(row.get(asked)), _from_json(row.get(answered))
    after = openai_turns(completion) if _is_turns(completion) else []
    if after and after[0].role != "assistant":  # the answer repeats the whole conversation
        turns = after
    else:
        if _is_turns(prompt):
            turns = openai_turns(prompt)
        else:
            turns = [Turn("user", fields.text("instruction", "prompt"))]
        if not after:
            answer = fields.text("output", answered, required=fields.need_answer)
            after = [Turn("assistant", answer)] if answer and not answer.isspace() else []
        turns = turns + after
    check_turns(turns, fields.need_answer)
    return Record("prompt-completion", tuple(turns), tools=_tools(fields))


def _text(fields: _Fields) -> Record:
    return Record("text", body=fields.text("text"))


_PARSERS = {
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "openai": _openai,
    "prompt-completion": _prompt_completion,
    "text": _text,
}


def _system_turn(fields: _Fields) -> list[Turn]:
    system = fields.text("system", required=False)
    return [Turn("system", system)] if system and not system.isspace() else []


def _tools(fields: _Fields) -> str | None:
    tools = fields.row.get("tools")
    if not tools:
        return None
    return tools if isinstance(tools, str) else json.dumps(tools, ensure_ascii=False, default=str)


def _turn_list(fields: _Fields, name: str) -> Sequence[Any]:
    value = _from_json(fields.row.get(name))
    if value is None:
        raise fields.missing(name)
    if not isinstance(value, list | tuple):
        raise RecordError(f"{name} is {kind(value)}, not a list of turns")
    if not value:
        raise RecordError(f"{name} is empty")
    return value


def _from_json(value: Any) -> Any:
    """Read a list that a CSV cell or a string column holds as JSON text."""
    if not isinstance(value, str):
        return value
    if value.lstrip()[:1] != "[":
        return value or None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _is_turns(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and isinstance(value[0], Mapping)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
