"""Rows as a model reads them: a prompt, and an answer that alone counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.export.convert import to_openai
from core.records import Record

_HEADS = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


@dataclass(frozen=True)
class Example:
    """A row in tokens; `answer` is what counts, and is [] where nothing does."""

    prompt: list[int]
    answer: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


@dataclass(frozen=True)
class Examples:
    """Rows in tokens, and what had to be done to them.

    Attributes
    ----------
    rows : one for each record.
    cut : how many were longer than a model was to read.
    plain : how many the tokenizer's chat template could not hold.
    """

    rows: list[Example]
    cut: int
    plain: int

    def notes(self, max_tokens: int) -> tuple[str, ...]:
        """Sentences on what was done, if anything."""
        said = []
        if self.cut:
            said.append(f"{_rows(self.cut)} longer than {max_tokens:,} tokens and cut.")
        if self.plain:
            said.append(f"{_rows(self.plain)} written plainly: the chat template cannot hold them.")
        return tuple(said)


def encode(
    tokenizer: Any,
    records: Sequence[Record],
    max_tokens: int,
    answers: Sequence[str | None] | None = None,
) -> Examples:
    """Write rows with the tokenizer's chat template, or plainly where it has none.

    Of a row that is too long the prompt loses its beginning, down to half of `max_tokens`, then
    the answer its end. In a text row all of it is the answer.

    Parameters
    ----------
    answers : instead of those that the records have; None or "" for none.
    """
    texts = [
        render(tokenizer, record, record.answer if answers is None else answers[place] or "")
        for place, record in enumerate(records)
    ]
    prompts = _tokens(tokenizer, [text.prompt for text in texts])
    said = _tokens(tokenizer, [text.answer for text in texts])
    bos = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    rows, cut = [], 0
    for text, prompt, answer in zip(texts, prompts, said, strict=True):
        whole = Example(bos + prompt if text.plain else prompt, answer)
        cut += len(whole) > max_tokens
        rows.append(_shortened(whole, max_tokens))
    has_template = bool(getattr(tokenizer, "chat_template", None))
    plain = sum(
        text.plain and record.format != "text" for text, record in zip(texts, records, strict=True)
    )
    return Examples(rows, cut, plain if has_template else 0)


@dataclass(frozen=True)
class _Text:
    prompt: str
    answer: str
    plain: bool


def render(tokenizer: Any, record: Record, answer: str) -> _Text:
    """Write what comes before the answer, and the answer to its end mark; "" for no answer."""
    end = tokenizer.eos_token or ""
    if record.format == "text":
        return _Text("", record.body + end, plain=True)
    if getattr(tokenizer, "chat_template", None):
        try:
            return _by_template(tokenizer, record, answer, end)
        except Exception:  # noqa: S110 - a template is a program, and refuses in its own ways
            pass
    before = record.turns[:-1] if record.turns[-1].role == "assistant" else record.turns
    prompt = "".join(f"{_HEADS[turn.role]}:\n{turn.said}\n\n" for turn in before)
    return _Text(f"{prompt}{_HEADS['assistant']}:\n", answer + end if answer else "", plain=True)


def _by_template(tokenizer: Any, record: Record, answer: str, end: str) -> _Text:
    if record.turns[-1].role == "assistant":
        row = to_openai(record, parsed_arguments=True)
        messages = row["messages"][:-1]
        last = row["messages"][-1]
        if answer != record.answer:
            last = {"role": "assistant", "content": answer}
        tools = row.get("tools")
    else:
        messages = [{"role": turn.role, "content": turn.said} for turn in record.turns]
        last, tools = {"role": "assistant", "content": answer}, None

    def write(turns: list[dict[str, Any]], *, opened: bool) -> str:
        written: str = tokenizer.apply_chat_template(
            turns, tools=tools, add_generation_prompt=opened, tokenize=False
        )
        return written

    prompt = write(messages, opened=True)
    if not answer:
        return _Text(prompt, "", plain=False)
    whole = write([*messages, last], opened=False)
    said = whole.removeprefix(prompt).rstrip("\n") if whole.startswith(prompt) else answer
    return _Text(prompt, said if end and said.endswith(end) else said + end, plain=False)


def _tokens(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    if not texts:
        return []
    found: list[list[int]] = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    return found


def _shortened(row: Example, max_tokens: int) -> Example:
    if len(row) <= max_tokens:
        return row
    answer = row.answer[: max_tokens - min(len(row.prompt), max_tokens // 2)]
    room = max_tokens - len(answer)
    return Example(row.prompt[-room:] if room else [], answer)


def _rows(count: int) -> str:
    return "1 row was" if count == 1 else f"{count:,} rows were"
