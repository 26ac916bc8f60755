"""What trainers and scorers can be given: the numbers and choices of rules, and texts."""

from dataclasses import dataclass
from typing import Any, Literal

from core.errors import InputError
from core.selection.base import Parameter


@dataclass(frozen=True)
class Text:
    """A text that a trainer or a scorer can be given; stands beside `Parameter`.

    Attributes
    ----------
    name, label, help : the keyword, what a page calls it, and what it means.
    default : the value when none is given; None where one must be.
    kind : "text", "model" (a folder or a name on the hub), "command" or "url".
    """

    name: str
    label: str
    default: str | None = None
    help: str = ""
    kind: Literal["text", "model", "command", "url"] = "text"

    @property
    def range(self) -> str:
        """The values that are taken, in words."""
        return {
            "text": "a text",
            "model": "a model's folder, or its name on the hub",
            "command": "a command line",
            "url": "an address that begins with http:// or https://",
        }[self.kind]

    def check(self, value: Any) -> str:
        """Return the value.

        Raises
        ------
        InputError
            It is no text, or there is none and one is needed.
        """
        if value is None or (isinstance(value, str) and not value.strip() and not self.default):
            if self.default is None:
                raise InputError(f"{self.label} is missing; give {self.range}.", option=self.name)
            return self.default
        if not isinstance(value, str) or "\0" in value:
            raise InputError(f"{self.label} must be {self.range}.", option=self.name)
        return value.strip()


DEVICE = Parameter(
    "device",
    "Device",
    "choice",
    "auto",
    choices=("auto", "cpu", "cuda"),
    help="Where models are run; auto takes CUDA where there is one.",
)
MAX_TOKENS = Parameter(
    "max_tokens",
    "Tokens of a row",
    "int",
    1024,
    16,
    131_072,
    help="Longer rows are cut: the beginning of the prompt first, then the end of the answer.",
)
NEW_TOKENS = Parameter(
    "new_tokens",
    "Tokens of a generated answer",
    "int",
    256,
    1,
    32_768,
    help="An answer that the model writes ends here at the latest.",
)
EPOCHS = Parameter(
    "epochs", "Epochs", "int", 2, 1, 100, help="How often a round's training sees each row."
)
BATCH_ROWS = Parameter(
    "batch_rows", "Rows of a step", "int", 8, 1, 4096, help="Rows whose gradients are averaged."
)
