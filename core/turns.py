"""The turns of a conversation: reading them, and the order in which they must stand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_OPENAI_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_SHAREGPT_ROLES = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "function_call": "assistant",
    "observation": "tool",
    "tool": "tool",
}
# Which turn may follow which. ShareGPT alternates strictly: human and observation stand at odd
# places, so one observation answers one function call; OpenAI allows several tool results.
_FOLLOWS = {
    "": ("system", "user"),
    "system": ("user",),
    "user": ("assistant",),
    "assistant": ("user", "tool"),
    "tool": ("tool", "assistant"),
}


class RecordError(ValueError):
    """A row that cannot be used; `reason` is a short phrase for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation.

    Attributes
    ----------
    role : "system", "user", "assistant" or "tool".
    content : its text; "" for an assistant turn that only calls tools.
    extra : whatever else the turn held and was not null, as it came (`tool_calls`,
        `tool_call_id`, `name` …). A ShareGPT function call or observation has
        `kind` "function_call" or "observation".
    """

    role: str
    content: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """The content, or the tool calls as JSON when there is no content."""
        if self.content or not self.extra.get("tool_calls"):
            return self.content
        return json.dumps(self.extra["tool_calls"], ensure_ascii=False, default=str)


def openai_turns(messages: Sequence[Any]) -> list[Turn]:
    """Read turns of the form {"role", "content"}.

    Raises
    ------
    RecordError
        A turn is not an object, has an unknown role, or holds something else than text.
    """
    turns = []
    for place, turn in enumerate(messages, 1):
        role = _role(turn, "role", _OPENAI_ROLES, place)
        extra = {k: v for k, v in turn.items() if k not in ("role", "content") and v is not None}
        turns.append(Turn(role, _content(turn.get("content"), place), extra))
    return turns


def sharegpt_turns(conversations: Sequence[Any]) -> list[Turn]:
    """Read turns of the form {"from", "value"}.

    Raises
    ------
    RecordError
        A turn is not an object, has an unknown role, or holds something else than text.
    """
    turns = []
    for place, turn in enumerate(conversations, 1):
        role = _role(turn, "from", _SHAREGPT_ROLES, place)
        extra = {k: v for k, v in turn.items() if k not in ("from", "value") and v is not None}
        if turn["from"] in ("function_call", "observation"):
            extra["kind"] = turn["from"]
        turns.append(Turn(role, _content(turn.get("value"), place), extra))
    return turns


def _role(turn: Any, key: str, roles: Mapping[str, str], place: int) -> str:
    if not isinstance(turn, Mapping):
        raise RecordError(f"turn {place} is {kind(turn)}, not an object")
    said = turn.get(key)
    if said is None:
        raise RecordError(f"turn {place} has no {key!r}; its keys are {names(turn)}")
    role = roles.get(said) if isinstance(said, str) else None
    if role is None:
        raise RecordError(f"turn {place} has the unknown role {short(said)}")
    return role


def _content(value: Any, place: int) -> str:
    """Return a turn's text; a list of parts must hold only text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if not isinstance(value, list | tuple):
        raise RecordError(f"turn {place} is {kind(value)}, not text")
    texts = []
    for part in value:
        if isinstance(part, Mapping):
            sort = part.get("type", "text")
            text = part.get("text") if sort == "text" else None
            if text is None:
                raise RecordError(f"turn {place} holds a part of type {short(sort)}, not text")
        else:
            text = part
        if not isinstance(text, str):
            raise RecordError(f"turn {place} holds a part that is {kind(text)}, not text")
        texts.append(text)
    return "\n".join(texts)


def check_turns(turns: Sequence[Turn], need_answer: bool, *, one_tool_turn: bool = False) -> None:
    """Check that the turns alternate, and end with an answer.

    Parameters
    ----------
    need_answer : whether the last turn must be the assistant's, and each user turn be answered.
    one_tool_turn : whether two tool turns in a row are wrong (ShareGPT).

    Raises
    ------
    RecordError
        A turn is out of order or empty.
    """
    before = ""
    for place, turn in enumerate(turns, 1):
        role = turn.role
        fits = role in _FOLLOWS[before] and not (one_tool_turn and role == before == "tool")
        # A target may be all that a user asked in a conversation, without the answers.
        if not fits and (need_answer or not role == before == "user"):
            if not before:
                raise RecordError(f"the first turn is the {role}'s; it must be the user's")
            if role == "system":
                raise RecordError(f"turn {place} is a system turn; only the first may be")
            after = "another" if role == before else f"the {before}'s"
            raise RecordError(
                f"turn {place} is the {role}'s after {after}: the turns do not alternate"
            )
        blank = not turn.content or turn.content.isspace()
        if blank and (role == "user" or (role == "assistant" and not turn.extra.get("tool_calls"))):
            raise RecordError(f"turn {place} (the {role}'s) is empty")
        before = role
    if before == "system" or not before:
        raise RecordError("there is no user turn")
    if need_answer and before != "assistant":
        raise RecordError(f"the last turn is the {before}'s; it must be the assistant's")


def kind(value: Any) -> str:
    """Name what a value is, for a reason."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    return f"a {type(value).__name__}"


def short(value: Any) -> str:
    """Show a value in a reason, at most 40 characters of it."""
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def names(row: Mapping[str, Any], seen: Sequence[str] | None = None) -> str:
    """List column names for a reason: those `seen`, else those of `row`."""
    found = [str(name) for name in (row if seen is None else seen)]
    if not found:
        return "none"
    shown = ", ".join(name if len(name) <= 40 else name[:39] + "…" for name in found[:12])
    return shown + (f" and {len(found) - 12} more" if len(found) > 12 else "")
