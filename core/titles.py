"""Names for clusters: the words that are common in a cluster and rare elsewhere.

Class-based TF-IDF (Grootendorst 2022, arXiv 2203.05794, section 3.3) with three changes. A word's
frequency is the share of the rows that hold it, so that one long row does not name its cluster; a
word of the prompt counts for more than one that only the answer has. Its rarity is measured against
all clusters and against the nearest ones, which lie beside it on the map. Two words that go
together are taken as one.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.words import BREAK, SHORT, is_gram, same, singular, stop_words, words

_SAMPLE_ROWS = 150  # of a cluster at most; shares are then known to a few per cent
_ALL_ROWS = 24_000  # of all clusters together, so that naming takes seconds
_FEWEST_ROWS = 60
_PROMPT_CHARS, _ANSWER_CHARS = 600, 300
_ANSWER_WEIGHT = 0.5  # of a word that the prompt does not have
_LABEL_WORDS, _LABEL_WEIGHT = 3, 0.2  # so short an answer is a label: it names no subject
_NEAREST = 6  # clusters that a title must tell apart first
_CONTEXT, _CONTEXT_ROWS = 16, 40  # other clusters that a few new titles are set against
_KEYWORDS = 8
_TITLE_TERMS, _TITLE_WORDS, _TITLE_CHARS = 3, 4, 32
_BETWEEN = " · "  # the terms of a title
_MIN_SHARES = (0.05, 0.02, 0.0)  # of the rows that hold a word; the lower where words are few
_PHRASE = 0.5  # share of its rarer word's rows in which two words must go together
_PHRASE_WORTH = 1.25
_GRAM_PART = 0.65  # a run of ideographs is part of a longer word if that has so many of its rows
_EVER_CAPITAL = 0.8  # of its uses, for a word to be shown with capitals
_ACRONYM = 5  # letters at most


@dataclass(frozen=True)
class ClusterNames:
    """A title and keywords, best first, for each cluster; no two titles are alike."""

    titles: list[str]
    keywords: list[list[str]]


class _Rows(Protocol):
    def page(self, rows: Any) -> Any: ...


def title_clusters(
    pool: _Rows,
    rows: list[NDArray[np.int64]],
    seed: int = 0,
    centroids: NDArray[np.float32] | None = None,
) -> ClusterNames:
    """Name clusters of a pool by a seeded sample of their rows.

    Parameters
    ----------
    rows : for each cluster its rows
    centroids : ndarray of shape (clusters, dim), unit norm, optional
        They say which clusters are near to one another.
    """
    if not rows:
        return ClusterNames([], [])
    rng = np.random.default_rng(seed)
    most = int(np.clip(_ALL_ROWS // len(rows), _FEWEST_ROWS, _SAMPLE_ROWS))
    groups = _sampled(pool, rows, [most] * len(rows), rng)
    near = None
    if centroids is not None and len(rows) > 1:
        near = _nearest(centroids, np.arange(len(rows)))
    return name_groups(groups, near)


def title_some(
    pool: _Rows,
    labels: NDArray[np.int32],
    numbers: list[int],
    titles: list[str],
    centroids: NDArray[np.float32],
    seed: int = 0,
) -> ClusterNames:
    """Name some clusters anew; the others keep their titles, and few of them are read.

    Parameters
    ----------
    labels : int32 ndarray of shape (rows,)
    numbers : the clusters to name.
    titles : of the others; none of them is given again.
    centroids : ndarray of shape (clusters, dim), unit norm

    Notes
    -----
    Told from their nearest clusters and from a seeded sample of the others, not from all: naming
    then takes the same time however many clusters there are.
    """
    rng = np.random.default_rng(seed)
    near = _nearest(centroids, np.array(numbers)) if len(centroids) > 1 else None
    beside = [] if near is None else sorted(set(near.ravel().tolist()) - set(numbers))
    rest = np.setdiff1d(np.arange(len(centroids)), [*numbers, *beside])
    others = rng.choice(rest, min(len(rest), max(0, _CONTEXT - len(beside))), replace=False)
    read = [*numbers, *beside, *sorted(others.tolist())]
    most = int(np.clip(_ALL_ROWS // len(read), _FEWEST_ROWS, _SAMPLE_ROWS))
    counts = [most] * len(numbers) + [_CONTEXT_ROWS] * (len(read) - len(numbers))
    groups = _sampled(pool, [np.flatnonzero(labels == one) for one in read], counts, rng)
    place = {number: at for at, number in enumerate(read)}
    if near is not None:
        near = np.array([[place[one] for one in line] for line in near.tolist()])
    return name_groups(groups, near, first=len(numbers), taken=titles)


def _nearest(centroids: NDArray[np.float32], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """For some clusters the others that are nearest, nearest first."""
    cosines = centroids[numbers] @ centroids.T
    cosines[np.arange(len(numbers)), numbers] = -np.inf
    most = min(_NEAREST, len(centroids) - 1)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :most]


def _sampled(
    pool: _Rows, rows: list[NDArray[np.int64]], most: list[int], rng: np.random.Generator
) -> list[list[tuple[str, str]]]:
    """Beginnings of the prompts and answers of some rows of each cluster."""
    chosen = [
        np.sort(rng.choice(one, min(count, len(one)), replace=False))
        for one, count in zip(rows, most, strict=True)
    ]
    page = pool.page(np.concatenate(chosen))
    texts = [
        (str(prompt)[:_PROMPT_CHARS], str(answer)[:_ANSWER_CHARS])
        for prompt, answer in zip(page["prompt"], page["answer"], strict=True)
    ]
    ends = np.cumsum([len(one) for one in chosen])
    return [texts[end - len(one) : end] for end, one in zip(ends, chosen, strict=True)]


def name_groups(
    groups: list[list[tuple[str, str]]],
    near: NDArray[np.int64] | None = None,
    *,
    first: int | None = None,
    taken: Iterable[str] = (),
) -> ClusterNames:
    """Name groups of (prompt, answer) by the words that tell them from one another.

    Parameters
    ----------
    near : int64 ndarray of shape (groups, m), optional
        For each group those that it must be told from first.
    first : so many groups, from the first, are named; default: all.
    taken : titles that none may have.
    """
    read = _Reader()
    texts = [[(read(prompt), read(answer)) for prompt, answer in group] for group in groups]
    stop = stop_words(set(a) | set(b) for group in texts for a, b in group)
    base = read.singulars(stop)
    shares = [_shares(group, stop, base) for group in texts]
    overall: Counter[str] = Counter()
    for share in shares:
        overall.update(share)
    best = []
    for number, share in enumerate(shares[:first]):
        beside = [shares[i] for i in near[number]] if near is not None else []
        best.append(_keywords(share, overall, len(groups), beside))
    keywords = [[read.written(term) for term in terms] for terms in best]
    return ClusterNames(join_titles(keywords, taken), keywords)


class _Reader:
    """Texts as lists of words in lower case; remembers how the words were written."""

    def __init__(self) -> None:
        self.forms: Counter[str] = Counter()  # as written, but for the first word of a phrase
        self.count: Counter[str] = Counter()
        self.plural: dict[str, str] = {}

    def __call__(self, text: str) -> list[str]:
        last, read = BREAK, []
        for word in words(text):
            low = word.lower()
            if BREAK not in (last, word) and word != SHORT:
                self.forms[word] += 1
            read.append(low)
            last = word
        self.count.update(read)
        return read

    def singulars(self, stop: frozenset[str]) -> dict[str, str]:
        """Plurals whose singular was read too: they count as one word."""
        base = {}
        for word in self.count:
            one = next((o for o in singular(word) if self.count[o] and o not in stop), None)
            if one is not None and word not in stop:
                base[word] = one
        self.plural = {one: word for word, one in base.items()}
        return base

    def written(self, term: str) -> str:
        """The term in its commoner number, with the capitals that it nearly always has."""
        return " ".join(self._written(word) for word in term.split())

    def _written(self, word: str) -> str:
        plural = self.plural.get(word, word)
        if self.count[plural] > self.count[word]:
            word = plural
        forms = {form: self.forms[form] for form in (word, word.title(), word.upper())}
        form = max(forms, key=lambda form: forms[form])
        if forms[form] < _EVER_CAPITAL * sum(forms.values()):
            return word
        return form.title() if form.isupper() and len(form) > _ACRONYM else form


def _shares(
    group: list[tuple[list[str], list[str]]], stop: frozenset[str], base: dict[str, str]
) -> dict[str, float]:
    """Weighted share of a group's rows that hold each word or pair of words."""
    weights: Counter[str] = Counter()
    for prompt, answer in group:
        first = _terms(prompt, stop, base)
        weights.update(first)
        label = sum(map(bool, answer)) <= _LABEL_WORDS
        for term in _terms(answer, stop, base) - first:
            weights[term] += _LABEL_WEIGHT if label else _ANSWER_WEIGHT  # type: ignore[assignment]
    return {term: weight / len(group) for term, weight in weights.items()}


def _terms(text: list[str], stop: frozenset[str], base: dict[str, str]) -> set[str]:
    kept = [BREAK if word in stop or word == SHORT else base.get(word, word) for word in text]
    pairs = {f"{a} {b}" for a, b in pairwise(kept) if a and b and a != b}
    return pairs.union(kept) - {BREAK}


def _keywords(
    share: dict[str, float],
    overall: Counter[str],
    groups: int,
    beside: list[dict[str, float]],
) -> list[str]:
    for least in _MIN_SHARES:
        common = _whole({term: part for term, part in share.items() if part >= least})
        if len(common) >= 2 * _KEYWORDS:
            break
    score = {}
    for term, part in common.items():
        lift = np.log1p(part * groups / overall[term]) if groups > 1 else 1.0
        if beside:
            around = sum(other.get(term, 0.0) for other in beside) / len(beside)
            lift += np.log((part + 0.02) / (around + 0.02))
        score[term] = part**0.8 * max(lift, 0.01) * (_PHRASE_WORTH if " " in term else 1.0)
    best: list[str] = []
    for term in sorted(score, key=lambda term: (-score[term], term)):
        if not any(same(term, other) for other in best):
            best.append(term)
        if len(best) == _KEYWORDS:
            break
    return best


def _whole(share: dict[str, float]) -> dict[str, float]:
    """Keep pairs of words that go together, and runs of ideographs that are not part of a word."""
    parts = set()
    for term, part in share.items():
        if is_gram(term) and len(term) > 2:
            inner = {term[i : i + n] for n in range(2, len(term)) for i in range(len(term) - n + 1)}
            parts |= {gram for gram in inner if part >= _GRAM_PART * share.get(gram, 0.0)}
    kept = {}
    for term, part in share.items():
        rarer = min((share.get(word, part) for word in term.split()), default=part)
        if term not in parts and (" " not in term or part >= _PHRASE * rarer):
            kept[term] = part
    return kept


def join_titles(keywords: list[list[str]], taken: Iterable[str] = ()) -> list[str]:
    """Join the best words; where a title is taken, a further word tells the two apart."""
    taken = {title.casefold() for title in taken}
    titles = []
    for terms in keywords:
        names = [_join(terms)]
        names += [_join([*terms[: _TITLE_TERMS - 1], term]) for term in terms[_TITLE_TERMS:]]
        title = next((name for name in names if name.casefold() not in taken), None)
        number = 2
        while title is None:
            candidate = f"{names[0]} {number}"
            title = candidate if candidate.casefold() not in taken else None
            number += 1
        taken.add(title.casefold())
        titles.append(title)
    return titles


def merged_title(titles: Sequence[str], taken: Iterable[str] = (), longest: int = 80) -> str:
    """Name several groups as one by their titles, so that the larger ones are named first.

    Each title in turn gives a word, and the two largest are named whatever room that takes; the
    words of one stay together.

    Parameters
    ----------
    titles : of the groups, the largest first.
    taken : titles that the new one must not be.
    longest : characters that it may have.
    """
    left: list[list[str]] = []
    for title in titles:  # a word of a larger one says nothing new
        known = [term.casefold() for terms in left for term in terms]
        terms = title.split(_BETWEEN)
        left.append([one for one in terms if not any(same(one.casefold(), it) for it in known)])
    chosen: list[list[str]] = [[] for _ in titles]

    def fits(term: str, part: int) -> bool:
        terms = [*chain.from_iterable(chosen), term]
        if part < 2 and not chosen[part]:
            return len(_BETWEEN.join(terms)) <= longest
        return len(terms) <= _TITLE_TERMS and _is_short(terms)

    while any(left):
        for part, terms in enumerate(left):
            while terms:
                term = terms.pop(0)
                if fits(term, part):
                    chosen[part].append(term)
                    break
    name = _BETWEEN.join(chain.from_iterable(chosen)) or titles[0]
    taken = {title.casefold() for title in taken}
    title, number = name, 2
    while title.casefold() in taken:
        title, number = f"{name[: longest - 4]} {number}", number + 1
    return title


def _is_short(terms: list[str]) -> bool:
    words = len(" ".join(terms).split())
    return words <= _TITLE_WORDS and len(_BETWEEN.join(terms)) <= _TITLE_CHARS


def _join(terms: list[str]) -> str:
    chosen = terms[:1]
    for term in terms[1:_TITLE_TERMS]:
        if _is_short([*chosen, term]):
            chosen = [*chosen, term]
    return _BETWEEN.join(chosen) or "untitled"
