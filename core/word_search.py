"""Words that are looked for: what a person wrote, as tests of the database and as places in a text.

A word is found where a word of the text begins with it: `cat` in "Cats" and "category", not in
"locate". A phrase in double quotes is found whole: `"cat"` in "the cat." alone. `*cat` is found
anywhere. Case never counts. In scripts without spaces between words any place is a beginning.
"""

import re
import unicodedata
from dataclasses import dataclass

_TERM = re.compile(r'"([^"]+)"|(\S+)')
_ANYWHERE = "*"
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
# Scripts without spaces between words, by the names that Python and RE2 have for their letters.
_SPACELESS_NAMES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# What may stand beside a word: no letter, number or accent, or one of a script without spaces.
_BESIDE = rf"[^\pL\pN\pM]|[{_SPACELESS}]"


@dataclass(frozen=True)
class Term:
    """A word or a phrase that is looked for.

    Attributes
    ----------
    text : as it was written.
    begins, ends : whether a word of the text must begin, or end, where it does.
    """

    text: str
    begins: bool
    ends: bool


def terms(text: str) -> list[Term]:
    """The words and phrases of what a person wrote."""
    found = []
    for phrase, word in _TERM.findall(text):
        if word.startswith(_ANYWHERE) and len(word) > 1:
            found.append(Term(word[1:], False, False))
        else:
            part = phrase.strip() or phrase or word
            found.append(Term(part, _joins(part[0]), bool(phrase) and _joins(part[-1])))
    return found


def sql_test(term: Term, columns: tuple[str, ...]) -> tuple[str, list[str]]:
    """A test in DuckDB's SQL that one of some text columns has a term, and its parameters."""
    plain = "(?i)" + _PUNCTUATION.sub(r"\\\g<0>", term.text)
    # The plain pattern first: it is three times as fast, and leaves few texts to the other.
    patterns = [plain]
    if term.begins or term.ends:
        before = f"(^|{_BESIDE})" if term.begins else ""
        after = f"({_BESIDE}|$)" if term.ends else ""
        patterns.append(plain.replace("(?i)", f"(?i){before}", 1) + after)
    tests = [" AND ".join([f"regexp_matches({column}, ?)"] * len(patterns)) for column in columns]
    return f"(({') OR ('.join(tests)}))", patterns * len(columns)


def sql_tests(text: str, columns: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Tests in DuckDB's SQL, all of which hold where every term is found, and their parameters."""
    found = [sql_test(term, columns) for term in terms(text)]
    return [test for test, _ in found], [value for _, values in found for value in values]


def places(text: str, wanted: list[Term]) -> list[tuple[int, int]]:
    """Where terms stand in a text: start and end, ascending, apart from one another."""
    found = []
    for term in wanted:
        for match in re.finditer(re.escape(term.text), text, re.IGNORECASE):
            start, stop = match.span()
            begins = not (term.begins and start and _joins(text[start - 1]))
            ends = not (term.ends and stop < len(text) and _joins(text[stop]))
            if begins and ends:
                found.append((start, stop))
    apart: list[tuple[int, int]] = []
    for start, stop in sorted(found):
        if apart and start <= apart[-1][1]:
            apart[-1] = apart[-1][0], max(stop, apart[-1][1])
        else:
            apart.append((start, stop))
    return apart


def _joins(letter: str) -> bool:
    """Whether a letter belongs to one word with a letter beside it."""
    if unicodedata.category(letter)[0] not in "LNM":
        return False
    return not unicodedata.name(letter, "").startswith(_SPACELESS_NAMES)
