"""The rows of a round as a file for other programs."""

from pathlib import Path
from typing import Any

from core.export.convert import UnholdableError, to_openai
from core.json_text import to_json_text
from core.project import atomic_file
from core.refinement.base import RoundWork


def write_round(work: RoundWork, path: Path) -> None:
    """Write JSON Lines: `row`, `cluster`, `prompt`, `answer`, and `messages` or `text`.

    `messages` is OpenAI's form, with `tools` where the row has them; plain text has `text` instead,
    and a conversation that OpenAI's form cannot hold has its turns as they were said.
    """
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as out:
        for row, label, record in zip(work.rows, work.labels, work.records, strict=True):
            line: dict[str, Any] = {"row": int(row), "cluster": int(label)}
            line |= {"prompt": record.prompt, "answer": record.answer}
            if record.format == "text":
                line["text"] = record.body
            else:
                try:
                    line |= to_openai(record)
                except UnholdableError:
                    line["messages"] = [
                        {"role": turn.role, "content": turn.said} for turn in record.turns
                    ]
            out.write(to_json_text(line) + "\n")
