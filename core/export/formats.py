"""The export formats, in one table: page, command line and documentation read it."""

from dataclasses import dataclass

from core.errors import InputError


@dataclass(frozen=True)
class ExportFormat:
    """One way to write rows.

    Attributes
    ----------
    summary : one sentence for a person who has to choose.
    suffix : of the file, with its dot; "" for a folder.
    is_folder : the export is a folder of files.
    as_they_came : rows keep every original column; else they are converted for a trainer.
    """

    id: str
    label: str
    summary: str
    suffix: str
    is_folder: bool = False
    as_they_came: bool = False

    def default_name(self, stem: str) -> str:
        """File or folder name to propose for an export called `stem`."""
        return stem + self.suffix


_FORMATS = (
    ExportFormat(
        "jsonl", "JSON lines", "The rows as they came, one a line.", ".jsonl", as_they_came=True
    ),
    ExportFormat("json", "JSON", "The rows as they came, one array.", ".json", as_they_came=True),
    ExportFormat(
        "csv",
        "CSV",
        "The rows as they came, for a spreadsheet; formulas are escaped, nested values are JSON.",
        ".csv",
        as_they_came=True,
    ),
    ExportFormat(
        "parquet",
        "Parquet",
        "The rows as they came, with their types.",
        ".parquet",
        as_they_came=True,
    ),
    ExportFormat(
        "hf",
        "Hugging Face folder",
        "The rows as they came, for `datasets.load_from_disk`.",
        "",
        is_folder=True,
        as_they_came=True,
    ),
    ExportFormat(
        "alpaca", "Alpaca", "instruction, input and output; one question, one answer.", ".json"
    ),
    ExportFormat(
        "sharegpt", "ShareGPT", "conversations with system turns, tools and many turns.", ".json"
    ),
    ExportFormat(
        "openai",
        "OpenAI messages",
        "messages with roles, as chat trainers read them.",
        ".jsonl",
    ),
    ExportFormat(
        "trl",
        "TRL",
        "prompt and completion, or messages when the rows are chats; loads with `datasets`.",
        ".jsonl",
    ),
    ExportFormat(
        "llama-factory",
        "LLaMA-Factory",
        "A folder with the data and dataset_info.json.",
        "",
        is_folder=True,
    ),
    ExportFormat(
        "axolotl",
        "Axolotl",
        "A folder with the data and a dataset.yaml to paste into the training config.",
        "",
        is_folder=True,
    ),
)
EXPORT_FORMATS: dict[str, ExportFormat] = {entry.id: entry for entry in _FORMATS}


def export_format(name: str) -> ExportFormat:
    """Return one format; InputError naming all of them when there is no such one."""
    if name not in EXPORT_FORMATS:
        known = ", ".join(EXPORT_FORMATS)
        raise InputError(f"Unknown export format {name!r}; use one of {known}.", option="format")
    return EXPORT_FORMATS[name]
