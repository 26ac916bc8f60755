"""Coherence: the formula, the rows without it, and what is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refining import make_work, silent

from core.errors import InputError
from core.refinement.registry import SCORERS, Place
from core.refinement.scorers import coherence as module
from core.refinement.scorers.coherence import from_vectors


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 99))
def test_it_is_the_formula(rows, k, seed):
    rng = np.random.default_rng(seed)
    asked, said = (unit(rng.normal(size=(rows, 6))).astype(np.float32) for _ in range(2))
    labels, both = rng.integers(0, k, rows), rng.random(rows) < 0.8
    found = from_vectors(asked, said, labels, both)
    cosines = asked.astype(float) @ said.astype(float).T
    for i in range(rows):
        others = [j for j in range(rows) if j != i and labels[j] == labels[i] and both[j]]
        if both[i] and others:
            expected = cosines[i, i] - np.mean([cosines[j, i] for j in others])
            assert found[i] == pytest.approx(expected, abs=1e-6)
        else:
            assert np.isnan(found[i])


@pytest.fixture
def scorer(tmp_path):
    def make(labels):
        place = Place(np.asarray(labels, np.int32), tmp_path / "coherence")
        return SCORERS["coherence"].make(SCORERS["coherence"].resolve({}), place)

    return make


def about(topic):
    return f"All on {topic}: {topic} are nice."


def test_answers_of_other_questions_come_last(tmp_path, scorer):
    topics = ["bread", "planets", "football", "python", "violins", "taxes", "coral", "volcanoes"]
    rows = [
        {"instruction": f"Tell me of {t}.", "output": f"All on {t}: {t} are nice."} for t in topics
    ]
    swapped = [
        {"instruction": f"Explain {t} to me.", "output": about(other)}
        for t, other in zip(topics, topics[3:] + topics[:3], strict=True)
    ]
    work = make_work(tmp_path, rows + swapped)
    scores = scorer([0] * 8 + [1] * 8).score(work, None, progress=silent)
    assert scores.values[:8].min() > scores.values[8:].max()
    assert scores.notes == ()


def test_rows_without_an_answer_or_a_neighbour_are_not_scored(tmp_path, scorer):
    rows = [{"text": "only a text"}, {"text": "another text"}]
    work = make_work(tmp_path, rows)
    scores = scorer([0, 0]).score(work, None, progress=silent)
    assert np.isnan(scores.values).all()
    assert scores.notes[0].startswith("2 of 2 rows have no instruction, no answer or no other row")
    rows = [{"instruction": f"q{i}", "output": f"a{i}"} for i in range(3)]
    values = scorer([0, 1, 1]).score(make_work(tmp_path, rows), None, progress=silent).values
    assert np.isnan(values).tolist() == [True, False, False]


def test_it_is_computed_once_for_a_pool_and_its_clusters(tmp_path, scorer, monkeypatch):
    work = make_work(tmp_path, chosen=[1, 4, 40])
    labels = np.arange(48) % 2
    first = scorer(labels).score(work, None, progress=silent)
    assert first.values.shape == (3,)
    computed = []
    original = module.coherence
    monkeypatch.setattr(
        module, "coherence", lambda *a, **k: computed.append(1) or original(*a, **k)
    )
    again = scorer(labels).score(work, None, progress=silent)
    np.testing.assert_array_equal(first.values, again.values)
    assert not computed
    scorer(np.arange(48) % 3).score(work, None, progress=silent)
    assert len(computed) == 1
    for path in (tmp_path / "coherence").glob("*/coherence.npy"):
        path.write_bytes(path.read_bytes()[:100])
    mended = scorer(labels).score(work, None, progress=silent)
    np.testing.assert_array_equal(first.values, mended.values)
    assert len(computed) == 2


def test_labels_of_another_pool_are_refused(tmp_path, scorer):
    with pytest.raises(InputError, match="The clusters are not those of this pool"):
        scorer([0, 1]).score(make_work(tmp_path), None, progress=silent)
