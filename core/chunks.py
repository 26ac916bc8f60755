"""What the readers of files hand on: some rows of a file, and what could not be read."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

# A row longer than this is refused: it bounds the memory that a broken file can take.
ROW_LIMIT = 64 << 20
CHUNK_ROWS = 512
CHUNK_CHARACTERS = 4 << 20


@dataclass(frozen=True, slots=True)
class Issue:
    """A place where no row could be read, and why."""

    line: int
    reason: str


@dataclass(slots=True)
class Chunk:
    """Some rows of a file, in order.

    Attributes
    ----------
    lines : place of each row.
    rows : column name to value; of a typed file only the columns that were asked for.
    texts : each row's JSON text as the file has it (without line breaks), of a text file.
    table : the rows with all columns, of a typed file.
    issues : what could not be read between these rows.
    columns : all columns of the file, where it says so itself (not JSON).
    position : bytes of the file that are read so far.
    """

    lines: list[int] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] | None = None
    table: pa.Table | None = None
    issues: list[Issue] = field(default_factory=list)
    columns: tuple[str, ...] | None = None
    position: int = 0
