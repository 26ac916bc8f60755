"""Make the bundled demo data out of the mixture pool: `build.py MIX_POOL.parquet TARGETS_DIR`.

Rows are picked by the hash of their id, so the same inputs give the same files. Only sources
whose licence allows it are taken; see README.md beside this file for each of them.
"""

import gzip
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).parent
ROWS_BY_SOURCE = {
    "dolly": 1500,
    "gsm8k": 900,
    "medquad": 700,
    "nl2bash": 600,
    "sgd": 600,
    "scitldr": 400,
    "taskmaster4": 300,
}
LONGEST = 6000  # characters; the 1 row in 200 beyond it would be 6 % of all text


def rank(identifier: str) -> str:
    """Sort key that shuffles rows in the same way everywhere."""
    return hashlib.sha256(identifier.encode()).hexdigest()


def as_row(row: pd.Series) -> dict[str, Any]:
    """One line of the pool: Alpaca columns, or `messages` when the row is a chat."""
    kept = {"id": row["id"], "source": row["source"], "licence": row["licence"]}
    if row["messages"] is not None:
        return kept | {
            "messages": [{"role": m["role"], "content": m["content"]} for m in row["messages"]]
        }
    return kept | {column: row[column] for column in ("instruction", "input", "output")}


def text_of(row: dict[str, Any]) -> str:
    """What makes two rows the same: their text without case and spacing."""
    turns = [m["content"] for m in row.get("messages", ())]
    texts = turns or [row["instruction"], row["input"], row["output"]]
    return " ".join("\n".join(texts).split()).lower()


def usable(row: dict[str, Any]) -> bool:
    """A row that ends in an answer and is not one of the few giants."""
    answered = "messages" not in row or row["messages"][-1]["role"] == "assistant"
    return answered and len(text_of(row)) <= LONGEST


def pick(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """`count` rows; rows that their authors published twice come first, all copies together."""
    copies: dict[str, int] = {}
    for row in rows:
        copies[text_of(row)] = copies.get(text_of(row), 0) + 1
    return sorted(rows, key=lambda row: (copies[text_of(row)] == 1, rank(row["id"])))[:count]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write JSONL; gzip without a time stamp when the name ends in .gz."""
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data, 9, mtime=0) if path.suffix == ".gz" else data)


def main(mixture: Path, targets: Path) -> None:
    """Write pool.jsonl.gz and the two target sets beside this file."""
    pool = pd.read_parquet(mixture)
    pool = pool[~pool["non_commercial"]]
    chosen: list[dict[str, Any]] = []
    for source, count in ROWS_BY_SOURCE.items():
        rows = [as_row(row) for _, row in pool[pool["source"] == source].iterrows()]
        chosen += pick([row for row in rows if usable(row)], count)
    write_lines(HERE / "pool.jsonl.gz", sorted(chosen, key=lambda row: rank(row["id"])))

    gsm8k = pd.read_parquet(targets / "target_gsm8k.parquet").query("use == 'query'")
    columns = gsm8k[["id", "instruction", "output"]]
    write_lines(HERE / "target-gsm8k.jsonl", columns.to_dict("records"))
    mt_bench = pd.read_parquet(targets / "target_mt_bench.parquet")
    mt_bench = mt_bench.sort_values("id", key=lambda ids: ids.str.split("-").str[1].astype(int))
    columns = mt_bench[["id", "subset", "instruction"]].rename(columns={"subset": "category"})
    write_lines(HERE / "target-mt-bench.jsonl", columns.to_dict("records"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
