"""What the user gave to read: files, folders and hub data sets, opened and recognised."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.paths import user_path
from core.records import FIELDS

HUB_PREFIX = "hf://"
_COMPRESSION_SUFFIXES = (".gz", ".zst", ".zstd", ".gzip")
_KIND_BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
KNOWN_KINDS = "JSON, JSONL, CSV, TSV, Parquet or Arrow"


@dataclass(frozen=True)
class Input:
    """One thing to read.

    Attributes
    ----------
    name : as the user gave it; what rejections call it.
    kind : "file", "dataset" (a folder saved by `datasets`) or "hub".
    path : the file or folder; None for the hub.
    revision : the hub's commit to read; "" for the newest.
    """

    name: str
    kind: str
    path: Path | None = None
    revision: str = ""

    @property
    def stem(self) -> str:
        """The name without folder and suffixes; the default source of its rows."""
        if self.path is None:
            return self.name.removeprefix(HUB_PREFIX).partition("#")[0]
        name = self.path.name
        while self.kind == "file" and Path(name).suffix.lower() in _ALL_SUFFIXES:
            name = Path(name).stem
        return name or self.path.name

    @property
    def data_files(self) -> list[Path]:
        """The files that hold the data, in order; [] for the hub."""
        if self.path is None:
            return []
        return saved_files(self.path) if self.kind == "dataset" else [self.path]


_ALL_SUFFIXES = (*_KIND_BY_SUFFIX, *_COMPRESSION_SUFFIXES)


def find_inputs(files: Sequence[str | Path]) -> list[Input]:
    """Resolve what the user gave, in order; a folder of data files gives its files by name.

    Raises
    ------
    InputError
        Nothing was given, something is missing, empty or given twice, or a folder has no data.
    """
    found: list[Input] = []
    for file in [files] if isinstance(files, str | Path) else files:
        if str(file).startswith(HUB_PREFIX):
            found.append(Input(str(file), "hub"))
        else:
            found += _find_local(str(file))
    if not found:
        raise InputError("No file was given; give one or more data files.")
    seen: set[str] = set()
    for one in found:
        key = one.name if one.path is None else str(one.path.resolve())
        if key in seen:
            raise InputError(f"{one.name} is given twice; give each file once.")
        seen.add(key)
    return found


def _find_local(name: str) -> list[Input]:
    path = user_path(name)
    if path.is_file():
        return [Input(name, "file", path)]
    if not path.is_dir():
        raise InputError(f"There is no file {name}; check the path.")
    if (path / "state.json").is_file():
        return [Input(name, "dataset", path)]
    if (path / "dataset_dict.json").is_file():
        splits = sorted(p.parent.name for p in path.glob("*/state.json"))
        if len(splits) == 1:
            return [Input(name, "dataset", path / splits[0])]
        raise InputError(
            f"{name} holds the splits {', '.join(splits) or 'none'}; give one, such as "
            f"{path / (splits[0] if splits else 'train')}."
        )
    inside = sorted(p for p in path.iterdir() if p.is_file() and _kind_of(p) is not None)
    if not inside:
        raise InputError(
            f"The folder {name} holds no data; give a folder of {KNOWN_KINDS} files, or one "
            "saved by datasets."
        )
    return [Input(str(user_path(p)), "file", p) for p in inside]


def saved_files(folder: Path) -> list[Path]:
    """Return the Arrow files of a folder saved by `datasets.Dataset.save_to_disk`, in order.

    Raises
    ------
    InputError
        The folder's state cannot be read, or a file that it names is missing.
    """
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        names = [entry["filename"] for entry in state["_data_files"]]
        # Only names: a state file must not lead out of its folder.
        paths = [folder / Path(name).name for name in names]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{folder} is not a data set that datasets can read; save it again."
        ) from None
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path} is missing; save the data set again.")
    return paths


def sniff(path: Path, head: bytes, columns: Sequence[str]) -> str:
    """Tell what a file holds by its first bytes, then by its suffix.

    Parameters
    ----------
    columns : names that the user mapped; a CSV with another suffix is known by them.

    Returns
    -------
    str
        "parquet", "arrow-file", "arrow-stream", "lines" (JSON, one object a line), "array",
        "keyed" (rows under a key of one object), "values" (JSON objects, each over several
        lines) or "csv".

    Raises
    ------
    InputError
        It is none of these, empty, or not what its suffix says.
    """
    kind = _kind_of(path)
    for magic, found in _MAGIC.items():
        if head.startswith(magic):
            return found
    if kind in ("parquet", "arrow"):
        raise InputError(f"{path} is not {kind.title()} as its suffix says; it may be damaged.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path} is UTF-16 text; save it as UTF-8.")
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    start = text.lstrip()
    if not start:
        raise InputError(f"{path} is empty; give a file with rows.")
    if kind == "csv" and not _object_on_first_line(start):
        return "csv"
    if kind == "jsonl":
        return "array" if start[0] == "[" and _first_element(start) else "lines"
    if start[0] == "[":
        return "array"
    if start[0] == "{":
        return _sniff_object(start, columns)
    if kind == "json":
        return "lines"
    first = start.splitlines()[0]
    names = {name.strip().strip('"') for name in first.replace("\t", ",").split(",")}
    if len(names) > 1 and names & {*FIELDS, *columns}:
        return "csv"
    raise InputError(f"{path} is not a kind of file that Winnow reads; give {KNOWN_KINDS}.")


_MAGIC = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow-file",
    b"\xff\xff\xff\xff": "arrow-stream",
}
_DECODER = json.JSONDecoder()


def delimiter(path: Path, header: str) -> str:
    """Return what separates the columns, by the suffix and the header line."""
    suffixes = {suffix.lower() for suffix in path.suffixes}
    if suffixes & {".tsv", ".tab"}:
        return "\t"
    if "," not in header:
        for other in ("\t", ";"):
            if other in header:
                return other
    return ","


def holds_rows(key: str, value: Any, columns: Sequence[str]) -> bool:
    """Tell whether `key` of an outer object holds rows, and is no field of a row itself."""
    own = key in FIELDS or key in columns
    return not own and isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _sniff_object(text: str, columns: Sequence[str]) -> str:
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        # Cut off by the end of the first block, or broken.
        return "keyed" if _opens_rows(text, columns) else "lines"
    fields = {*FIELDS, *columns}
    if not fields & value.keys() and any(holds_rows(k, v, columns) for k, v in value.items()):
        return "keyed"
    one_line = "\n" not in text[:end]
    alone_on_line = not text[end:].partition("\n")[0].strip()
    return "lines" if one_line and alone_on_line else "values"


def _opens_rows(text: str, columns: Sequence[str]) -> bool:
    """Follow an object's keys until one opens a list of objects that are rows."""
    at = 1
    try:
        while True:
            key, at = _DECODER.raw_decode(text, at + _space(text, at))
            at += _space(text, at)
            if not isinstance(key, str) or key in FIELDS or key in columns or text[at] != ":":
                return False
            at += 1 + _space(text, at + 1)
            if text[at] == "[" and text[at + 1 + _space(text, at + 1)] == "{":
                return True
            _, at = _DECODER.raw_decode(text, at)
            at += _space(text, at)
            if text[at] != ",":
                return False
            at += 1
    except (ValueError, IndexError, RecursionError):
        return False


def _space(text: str, at: int) -> int:
    return len(text) - at - len(text[at:].lstrip()) if text[at : at + 1].isspace() else 0


def _object_on_first_line(text: str) -> bool:
    try:
        return isinstance(json.loads(text.partition("\n")[0]), dict)
    except (ValueError, RecursionError):
        return False


def _first_element(text: str) -> bool:
    """Tell whether the array that `text` opens has a first element that can be read."""
    try:
        value, _ = _DECODER.raw_decode(text, 1 + _space(text, 1))
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)


def _kind_of(path: Path) -> str | None:
    name = path.name.lower()
    for suffix in _COMPRESSION_SUFFIXES:
        name = name.removesuffix(suffix)
    return _KIND_BY_SUFFIX.get(Path(name).suffix)
