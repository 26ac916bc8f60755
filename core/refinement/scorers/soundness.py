"""Soundness: how little a row looks like a spoiled copy of a row; needs no model.

Some rows of the pool are copied and their answers spoiled: that of another row, cut short, or with
the letters of each word in another order. A logistic regression learns to tell the copies from the
rows (noise-contrastive estimation, Gutmann & Hyvärinen 2010), by four numbers:

- the cosine of instruction and answer, and that of the answer and the mean instruction;
- the familiarity of the answer's letters, less that of the instruction's;
- how often the pool's answers end as this one does.

Four numbers cannot learn a source by heart: rows that are spoiled already look like the copies.
To them an answer that says the instruction again is the best of all. A second regression learns to
tell such echoes from the rows, by how many n-grams instruction and answer share: where many of the
pool's answers are edits of what they were given, sharing many says less. The lower of the two
probabilities counts.

Of two rows that are sounder than most neither is preferred: what is wanted is not more of what
looks least like a copy, but less of what looks like one.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.encoders import Encoder
from core.pool import Pool
from core.progress import Progress
from core.refinement.scorers.ngrams import Ngrams, resemblance
from core.refinement.scorers.whole_pool import PoolScorer, pair_of

Numbers = NDArray[np.float64]

_VERSION = 2  # another number computes all anew
_BLOCK = 8192  # rows in memory together
_COPIES = 3000  # more of them change the scores little
_FEWEST = 30  # copies that differ from their rows; fewer teach nothing
_KEPT = (0.05, 0.8)  # of an answer that is cut short
_WORD = re.compile(r"\S+")


def soundness_scorer(folder: Path) -> PoolScorer:
    """The scorer; what it found is kept in `folder`."""
    return PoolScorer(
        "soundness",
        (_VERSION,),
        soundness,
        folder,
        "no instruction, no answer or too few others to learn from",
    )


def soundness(pool: Pool, encoder: Encoder, *, progress: Progress) -> Numbers:
    """Compute the soundness of every row: the probability that it is a row, no copy and no echo.

    Returns
    -------
    float64 ndarray of shape (pool rows,), from 0 to at most the median of all rows before that
    bound, which half of them have then; not a number for a row without instruction or
    answer, and for all where the pool is too small to learn from.
    """
    generator = np.random.default_rng(0)
    ngrams, usable = Ngrams(), np.zeros(pool.rows, bool)
    blocks = [
        np.arange(start, min(start + _BLOCK, pool.rows)) for start in range(0, pool.rows, _BLOCK)
    ]
    for block in blocks:
        asked, said, usable[block] = pair_of(pool, block)
        ngrams.add(asked, said)
        progress(int(block[-1] + 1) // 2, pool.rows, "reading instructions and answers")
    sample = np.sort(generator.permutation(np.flatnonzero(usable))[:_COPIES])
    found = np.full(pool.rows, np.nan)
    judge = _learn(*pair_of(pool, sample)[:2], encoder, ngrams, generator) if len(sample) else None
    if judge is None:
        return found
    for block in blocks:
        rows = block[usable[block]]
        if len(rows):
            asked, said, _ = pair_of(pool, rows)
            found[rows] = judge.soundness(asked, said)
        progress(int(pool.rows + block[-1] + 1) // 2, pool.rows, "judging answers")
    return np.minimum(found, np.nanmedian(found))


@dataclass(frozen=True)
class _Regression:
    """A logistic regression on numbers as they come."""

    weights: Numbers
    bias: float

    def probability(self, given: Numbers) -> Numbers:
        """That each line of `given` is of a row, shape (lines,)."""
        return 1.0 / (1.0 + np.exp(-(given @ self.weights + self.bias)))


@dataclass(frozen=True)
class _Judge:
    encoder: Encoder
    ngrams: Ngrams
    typical: NDArray[np.float32]  # the mean instruction
    copies: _Regression  # on the four numbers
    echoes: _Regression  # on what instruction and answer share

    def soundness(self, asked: list[str], said: list[str]) -> Numbers:
        given, shared = _numbers(asked, said, self.typical, self.encoder, self.ngrams)
        return np.minimum(self.copies.probability(given), self.echoes.probability(shared))


def _learn(
    asked: list[str],
    said: list[str],
    encoder: Encoder,
    ngrams: Ngrams,
    generator: np.random.Generator,
) -> _Judge | None:
    """Learn from rows, spoiled copies and echoes of them; None where too few copies differ."""
    copies = spoiled(said, generator)
    other = [at for at, copy in enumerate(copies) if copy != said[at]]
    if len(other) < _FEWEST:
        return None
    typical = encoder.encode(asked).vectors.mean(axis=0, dtype=np.float32)
    numbers = partial(_numbers, typical=typical, encoder=encoder, ngrams=ngrams)
    of_rows, shared = numbers(asked, said)
    of_copies, _ = numbers([asked[at] for at in other], [copies[at] for at in other])
    return _Judge(
        encoder, ngrams, typical, _fitted(of_rows, of_copies), _fitted(shared, np.ones_like(shared))
    )


def _fitted(of_rows: Numbers, of_copies: Numbers) -> _Regression:
    """What tells rows from copies."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(of_rows)
    given = scaler.transform(np.vstack([of_rows, of_copies]))
    genuine = np.arange(len(given)) < len(of_rows)
    model = LogisticRegression().fit(given, genuine)
    weights = model.coef_[0] / scaler.scale_
    return _Regression(weights, float(model.intercept_[0] - weights @ scaler.mean_))


def _numbers(
    asked: list[str],
    said: list[str],
    typical: NDArray[np.float32],
    encoder: Encoder,
    ngrams: Ngrams,
) -> tuple[Numbers, Numbers]:
    """The four numbers of rows, (rows, 4), and what instruction and answer share, (rows, 1)."""

    def of_letters() -> list[Numbers]:
        return [
            ngrams.familiarity(said) - ngrams.familiarity(asked),
            ngrams.ending(said),
            resemblance(asked, said),
        ]

    # Beside the encoder, which leaves Python's lock alone most of the time.
    with ThreadPoolExecutor(1) as beside:
        letters = beside.submit(of_letters)
        instructions, answers = encoder.encode(asked).vectors, encoder.encode(said).vectors
        own = np.einsum("ij,ij->i", instructions, answers, dtype=np.float64)
        *others, shared = letters.result()
        return np.column_stack([own, answers @ typical, *others]), shared[:, None]


def spoiled(answers: list[str], generator: np.random.Generator) -> list[str]:
    """Spoiled copies of answers, in turn: another row's, with letters in disorder, cut short.

    Parameters
    ----------
    generator : for whose, which order, and where.
    """
    others = generator.permutation(len(answers))
    copies = []
    for at, answer in enumerate(answers):
        if at % 3 == 0:
            copies.append(answers[others[at]])
        elif at % 3 == 1:
            copies.append(_WORD.sub(partial(_disorder, generator=generator), answer))
        else:
            copies.append(_cut(answer, generator))
    return copies


def _disorder(word: re.Match[str], generator: np.random.Generator) -> str:
    letters = list(word.group())
    return "".join(letters[at] for at in generator.permutation(len(letters)))


def _cut(answer: str, generator: np.random.Generator) -> str:
    """The first words of an answer, or the first letters of one without spaces."""
    words = list(_WORD.finditer(answer))
    ends = [word.end() for word in words]
    if len(words) == 1:
        ends = list(range(words[0].start() + 1, words[0].end() + 1))
    kept = generator.uniform(*_KEPT)
    return answer[: ends[int(len(ends) * kept)]]
