"""Conditions on rows that a user writes in SQL: read, checked, and nothing but a condition."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import InputError

if TYPE_CHECKING:
    import duckdb

ALIASES = {"length": "n_chars"}  # other names of canonical columns: as filters and colours say it
ROW_COLUMN = "row_"  # the row number beside original columns; none of them is called that
_LONGEST = 10_000  # characters; more is no condition that a person wrote
_NODES = {
    "COLUMN_REF",
    "CONSTANT",
    "COMPARISON",
    "CONJUNCTION",
    "OPERATOR",
    "BETWEEN",
    "CASE",
    "CAST",
    "TYPE",
    "FUNCTION",
}
# What a condition may call: all of it looks at its arguments alone, gives the same today and
# tomorrow, and makes no text much longer than they are. Operators such as LIKE (~~) are functions.
_ALLOWED = """
+ - * / // % ^ ** || ~~ !~~ ~~* !~~* ~~~ ~ !~ -> ->>
like_escape not_like_escape ilike_escape not_ilike_escape
abs round floor ceil ceiling sign sqrt ln log log2 log10 exp pow power greatest least
lower upper trim ltrim rtrim length len strlen char_length left right substr substring
contains starts_with prefix suffix ends_with position strpos instr reverse
regexp_matches regexp_full_match regexp_extract split_part concat
list_contains array_contains list_has list_value array_length list_extract array_extract
struct_extract coalesce ifnull nullif isnan isfinite isinf
json_extract json_extract_string json_array_length json_type json_exists
date_part year month day
"""
FUNCTIONS = frozenset(_ALLOWED.split())
_REFUSED = (
    "The condition must be one expression that is true or false for a row, such as "
    "n_chars > 200 AND source = 'dolly'"
)


@dataclass(frozen=True)
class Condition:
    """A checked condition.

    Attributes
    ----------
    sql : the expression, written anew from what was checked.
    originals : the original columns that it looks at, and what each is called in `sql`.
    """

    sql: str
    originals: dict[str, str]


def check_condition(
    connection: "duckdb.DuckDBPyConnection",
    condition: str,
    own: Collection[str],
    originals: Collection[str],
) -> Condition:
    """Read a condition with DuckDB's own parser and let through what is on a list.

    DuckDB does not tell cases apart, so that an original column whose name is taken gets another.

    Parameters
    ----------
    connection : only its parser is used.
    own, originals : names of the canonical and of the original columns; a canonical one comes
        before an original one of the same name. Case matters where it must.

    Raises
    ------
    InputError
        It is no single expression, looks at an unknown column or at one of several that differ
        in case alone, or holds anything but comparisons, arithmetic, text functions, casts and
        CASE: no subquery, no file, no setting, no parameter.
    """
    if len(condition) > _LONGEST:
        raise InputError(f"The condition is longer than {_LONGEST:,} characters; shorten it.")
    try:
        return _checked(connection, condition, own, originals)
    except RecursionError:
        raise InputError(f"{_REFUSED}; this one is nested too deeply.") from None


def _checked(
    connection: "duckdb.DuckDBPyConnection",
    condition: str,
    own: Collection[str],
    originals: Collection[str],
) -> Condition:
    tree = _parse(connection, f"SELECT 1 FROM pool WHERE ({condition}\n)", condition)  # noqa: S608
    # Only read, not run. What closes the parenthesis and opens another fails inside brackets.
    inside = _parse(connection, f"SELECT [{condition}\n]")["select_list"][0]
    where = tree.pop("where_clause")
    plain = _parse(connection, "SELECT 1 FROM pool WHERE (TRUE)")
    plain.pop("where_clause")
    if _bare(tree) != _bare(plain) or len(inside.get("arguments", ())) != 1:
        raise InputError(f"{_REFUSED}.")
    taken = {*map(str.lower, own), ROW_COLUMN}
    called: dict[str, str] = {}
    for node in _nodes(where):
        _check_node(node)
        if node["class"] == "COLUMN_REF":
            name = _find(node["column_names"][0], [*dict.fromkeys([*own, *originals])])
            if name not in own and name not in called:
                free = name
                while free.lower() in taken:
                    free += "_"
                taken.add(free.lower())
                called[name] = free
            node["column_names"][0] = called.get(name, name)
    return Condition(_write(connection, where), called)


def _find(asked: str, known: list[str]) -> str:
    """The column that is meant: of exactly this name, the only one but for case, or an alias."""
    alike = [name for name in known if name.lower() == asked.lower()]
    if not alike:
        alias = ALIASES.get(asked.lower())
        if alias in known:
            return alias
        text = asked.replace("'", "''")
        raise InputError(
            f"There is no column {asked!r}; the columns are {', '.join(known)}. Put text in "
            f"single quotes: '{text}'."
        )
    if asked not in alike and len(alike) > 1:
        listed = " and ".join(alike)
        raise InputError(f"{asked!r} may be {listed}; write the column's name in its own case.")
    return asked if asked in alike else alike[0]


def _check_node(node: dict[str, Any]) -> None:
    if node["class"] not in _NODES:
        kind = node["class"].lower().replace("_", " ")
        raise InputError(f"{_REFUSED}; a {kind} is not allowed.")
    if node["class"] != "FUNCTION":
        return
    name = node["function_name"].lower()
    plain = not (node["schema"] or node["catalog"] or node["filter"] or node["distinct"])
    if name not in FUNCTIONS or not plain or node["order_bys"]["orders"]:
        raise InputError(f"{_REFUSED}; the function {name} is not allowed.")


def _parse(
    connection: "duckdb.DuckDBPyConnection", sql: str, written: str | None = None
) -> dict[str, Any]:
    """Return the parse tree of one SELECT; `written` is what a person wrote of it, if not all."""
    import duckdb

    try:
        answer = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
        tree = json.loads(answer[0] if answer else "{}")
    except (duckdb.Error, UnicodeError, RecursionError):
        raise InputError(f"{_REFUSED}.") from None
    if tree.get("error", True):
        why = _first_line(tree.get("error_message", ""))
        if written is not None and '")"' in why and ")" not in written:
            why = "it ends too early"
        raise InputError(f"{_REFUSED}; {why}.")
    statements = tree["statements"]
    if len(statements) != 1 or statements[0]["node"]["type"] != "SELECT_NODE":
        raise InputError(f"{_REFUSED}.")
    node: dict[str, Any] = statements[0]["node"]
    return node


def _write(connection: "duckdb.DuckDBPyConnection", where: dict[str, Any]) -> str:
    """Turn a checked tree into SQL, and see that the SQL reads as the same tree."""
    import duckdb

    prefix = "SELECT 1 FROM pool WHERE "
    empty = connection.execute("SELECT json_serialize_sql(?)", [prefix + "(TRUE)"]).fetchone()
    whole = json.loads(empty[0] if empty else "{}")
    whole["statements"][0]["node"]["where_clause"] = where
    try:
        written = connection.execute(
            "SELECT json_deserialize_sql(?::JSON)", [json.dumps(whole)]
        ).fetchone()
    except duckdb.Error as error:
        raise InputError(f"{_REFUSED}; {_first_line(str(error))}.") from None
    sql = str(written[0] if written else "")
    again = _parse(connection, sql)["where_clause"] if sql.startswith(prefix) else None
    if _bare(again) != _bare(where):
        raise InputError(f"{_REFUSED}; write it more simply.")
    return sql.removeprefix(prefix)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield each expression of a parse tree; a query inside it is refused."""
    if isinstance(tree, list):
        for item in tree:
            yield from _nodes(item)
    elif isinstance(tree, dict):
        if "node" in tree or "cte_map" in tree:
            raise InputError(f"{_REFUSED}; a subquery is not allowed.")
        if "class" in tree:
            yield tree
        for item in tree.values():
            yield from _nodes(item)


def _bare(tree: Any) -> Any:
    """Leave out where in the text each node stood, and how it was spelt."""
    if isinstance(tree, list):
        return [_bare(item) for item in tree]
    if isinstance(tree, dict):
        left_out = ("query_location", "is_operator")  # the latter: x LIKE y, or like(x, y)
        return {k: _bare(v) for k, v in tree.items() if not k.startswith(left_out)}
    return tree


def _first_line(message: str) -> str:
    return message.strip().partition("\n")[0].rstrip(".") or "it cannot be read"
