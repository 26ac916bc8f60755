"""Which shape a trainer gets: chosen by what the rows are, so that nothing in them is lost."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from core.export import convert
from core.records import Record

Row = dict[str, Any]
NEEDS_SURVEY = ("trl", "llama-factory", "axolotl")  # the others have one shape


@dataclass(frozen=True)
class Survey:
    """What kinds of rows there are, plain text left aside.

    Attributes
    ----------
    formats : of `core.records.FORMATS`, those seen; "text" is not among them.
    texts : number of plain text rows.
    tools, system, several : whether any row has tools, a system turn, several questions.
    alpaca : whether every row fits Alpaca.
    lists : whether a prompt/completion row came as lists of messages.
    """

    formats: frozenset[str]
    texts: int
    tools: bool
    system: bool
    several: bool
    alpaca: bool
    lists: bool = False

    @property
    def only_text(self) -> bool:
        """Whether there is nothing but plain text."""
        return self.texts > 0 and not self.formats


NO_SURVEY = Survey(frozenset(), 0, False, False, False, True)


@dataclass(frozen=True)
class Shape:
    """How to write rows for a trainer.

    Attributes
    ----------
    id : alpaca, sharegpt, openai, or one of TRL's four.
    label : the same in the words of a message.
    convert : record to row; raises `convert.UnholdableError`.
    array : one JSON array, else one row a line.
    file_name : of the data inside a folder, else "".
    beside : name to text of the other files of a folder.
    """

    id: str
    label: str
    convert: Callable[[Record], Row]
    array: bool = False
    file_name: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)


def survey(records: Iterable[Record]) -> Survey:
    """Look at every record once."""
    formats: set[str] = set()
    texts = 0
    tools = system = several = False
    alpaca = True
    for record in records:
        if record.format == "text":
            texts += 1
            continue
        formats.add(record.format)
        tools = tools or convert.uses_tools(record)
        system = system or record.turns[0].role == "system"
        several = several or sum(turn.role == "user" for turn in record.turns) > 1
        alpaca = alpaca and convert.fits_alpaca(record)
    return Survey(frozenset(formats), texts, tools, system, several, alpaca)


def choose_shape(format_id: str, seen: Survey, name: str) -> Shape:
    """Choose the shape of a converted format; `name` is that of the data set.

    - TRL: text when all rows are; prompt and completion as texts when all rows came so; as messages
      when every row is one question and its answer, or came as such messages; else `messages` for
      all, since TRL wants one kind of row in a file.
    - LLaMA-Factory: Alpaca when the rows came as instructions and fit; ShareGPT for rows with tools
      or when all chats came as ShareGPT; else OpenAI messages.
    - Axolotl: Alpaca for single instructions with no system prompt (its `alpaca` type reads no
      other field); ShareGPT when all rows came so, without tools; else OpenAI messages.
    """
    match format_id:
        case "alpaca":
            return Shape("alpaca", "Alpaca", convert.to_alpaca, array=True)
        case "sharegpt":
            return Shape("sharegpt", "ShareGPT", convert.to_sharegpt, array=True)
        case "openai":
            return Shape("openai", "the OpenAI format", convert.to_openai)
        case "trl":
            return _trl(seen)
        case "llama-factory":
            return _llama_factory(seen, name)
        case _:
            return _axolotl(seen, name)


def _trl(seen: Survey) -> Shape:
    if seen.only_text:
        return Shape("text", "TRL text", convert.to_trl_text)
    asked = {"alpaca", "prompt-completion"}
    if seen.formats == {"prompt-completion"} and not seen.lists:
        return Shape("prompt-completion", "TRL prompt/completion", convert.to_trl_texts)
    if seen.formats == {"prompt-completion"} or (seen.formats <= asked and not seen.several):
        return Shape("prompt-completion-turns", "TRL prompt/completion", convert.to_trl_turns)
    return Shape("messages", "TRL messages", convert.to_trl_messages)


def _llama_factory(seen: Survey, name: str) -> Shape:
    if seen.alpaca and seen.formats <= {"alpaca", "prompt-completion"}:
        return _llama_factory_shape("alpaca", name)
    if seen.tools or ("openai" not in seen.formats and "sharegpt" in seen.formats):
        return _llama_factory_shape("sharegpt", name)
    return _llama_factory_shape("openai", name)


def _llama_factory_shape(flavour: str, name: str) -> Shape:
    """Keys as in LLaMA-Factory's data/README.md; a mapped column has to be in every row."""
    file_name = f"{name}.{'jsonl' if flavour == 'openai' else 'json'}"
    info: dict[str, Any] = {"file_name": file_name}
    if flavour == "alpaca":
        info["columns"] = {
            "prompt": "instruction",
            "query": "input",
            "response": "output",
            "system": "system",
            "history": "history",
        }
    elif flavour == "sharegpt":
        info["formatting"] = "sharegpt"
        info["columns"] = {"messages": "conversations", "system": "system", "tools": "tools"}
    else:
        info["formatting"] = "sharegpt"
        info["columns"] = {"messages": "messages"}
        info["tags"] = {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        }
    converters: dict[str, Callable[[Record], Row]] = {
        "alpaca": lambda record: {"system": "", "history": [], **convert.to_alpaca(record)},
        "sharegpt": lambda record: {"system": "", "tools": "", **convert.to_sharegpt(record)},
        "openai": convert.to_openai,
    }
    return Shape(
        flavour,
        f"LLaMA-Factory's {flavour} format",
        converters[flavour],
        array=flavour != "openai",
        file_name=file_name,
        beside={"dataset_info.json": json.dumps({name: info}, ensure_ascii=False, indent=2) + "\n"},
    )


def _axolotl(seen: Survey, name: str) -> Shape:
    entry: dict[str, Any] = {"path": f"{name}.jsonl", "ds_type": "json"}
    to_row: Callable[[Record], Row]
    single = not (seen.tools or seen.system or seen.several)
    if single and seen.formats <= {"alpaca", "prompt-completion"}:
        flavour, to_row = "alpaca", convert.to_alpaca
        entry["type"] = "alpaca"
    elif seen.formats == {"sharegpt"} and not seen.tools:
        flavour = "sharegpt"
        to_row = _sharegpt_with_system_turn
        entry["type"] = "chat_template"
        entry["field_messages"] = "conversations"
        entry["message_property_mappings"] = {"role": "from", "content": "value"}
        entry["roles_to_train"] = ["assistant"]
    else:
        flavour, to_row = "openai", convert.to_openai
        entry["type"] = "chat_template"
        entry["field_messages"] = "messages"
        entry["roles_to_train"] = ["assistant"]
    fragment = yaml.safe_dump({"datasets": [entry]}, sort_keys=False, allow_unicode=True)
    note = "# Paste into the training config; `path` is relative to where axolotl is started.\n"
    return Shape(
        flavour,
        f"Axolotl's {entry['type']} type",
        to_row,
        file_name=entry["path"],
        beside={"dataset.yaml": note + fragment},
    )


def _sharegpt_with_system_turn(record: Record) -> Row:
    """Convert for Axolotl, which reads a system prompt only from the turns."""
    return convert.to_sharegpt(record, system_as_turn=True)
