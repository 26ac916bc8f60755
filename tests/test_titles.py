"""Titles: from planted words, in the cluster's language, never two alike."""

import numpy as np
import pandas as pd
import pytest

from core.titles import merged_title, name_groups, title_clusters
from core.words import same, stop_words, words

SUBJECTS = {
    "cooking": ["butter", "oven", "flour", "recipe", "sugar"],
    "astronomy": ["planet", "orbit", "telescope", "galaxy", "comet"],
    "football": ["goalkeeper", "stadium", "referee", "penalty", "striker"],
    "banking": ["mortgage", "deposit", "lender", "collateral", "overdraft"],
}


def sentence(rng, vocabulary):
    """Some words of a subject among what is in every prompt."""
    subject = rng.choice(vocabulary, 3, replace=False)
    frame = "please write a sentence with the {} and the {} for my {} because it is what we need"
    return frame.format(*subject)


def planted(rows=40, seed=0):
    rng = np.random.default_rng(seed)
    return [
        [(sentence(rng, v), "Sure, here it is.") for _ in range(rows)] for v in SUBJECTS.values()
    ]


def plain(names):
    return [[word.lower() for word in words] for words in names]


def test_titles_are_made_of_the_planted_words():
    names = name_groups(planted())
    for vocabulary, title, keywords in zip(
        SUBJECTS.values(), names.titles, names.keywords, strict=True
    ):
        parts = title.lower().replace("·", " ").split()
        assert 2 <= len(parts) <= 4
        assert set(parts) <= set(vocabulary)
        assert set(" ".join(keywords).lower().split()) <= set(vocabulary)


def test_stop_words_of_each_language_in_the_pool_are_left_out():
    german = "der Hund und die Katze sind mit dem Ball im Garten, weil das schön ist"
    french = "le fromage et le vin sont dans la cuisine avec les enfants parce que c'est bon"
    names = name_groups([[(german, "")] * 30, [(french, "")] * 30, *planted()])
    german_words = " ".join(names.keywords[0]).lower().split()
    french_words = " ".join(names.keywords[1]).lower().split()
    assert {"hund", "katze", "garten"} <= set(german_words)
    assert {"fromage", "vin"} <= set(french_words)
    assert not {"der", "und", "die", "sind", "mit", "dem", "weil", "das", "ist"} & set(german_words)
    assert not {"et", "sont", "dans", "avec", "les", "parce", "que"} & set(french_words)


def test_stop_words_need_their_language():
    """'die' is an article in German only."""
    english = [{"the", "and", "with", "many", "people", "die", "because", "of"}] * 50
    german = [{"der", "und", "die", "mit", "nicht", "ist", "das"}] * 50
    assert "die" not in stop_words(english)
    assert "die" in stop_words(german)


def test_a_chinese_cluster_has_a_chinese_title():
    texts = [
        "请介绍人工智能在医疗领域的应用，例如 GPT。",
        "人工智能如何改变医疗行业？",
        "医疗领域中的人工智能有哪些风险？请用 Python 举例。",
        "解释人工智能和医疗数据的关系。",
    ]
    names = name_groups([[(text, "人工智能可以帮助医疗。") for text in texts * 8], *planted()])
    assert "人工智能" in names.keywords[0]
    assert "医疗" in names.titles[0]
    # Not the pieces of one word.
    assert not {"人工", "智能", "工智", "人工智"} & set(names.keywords[0])


def test_markup_code_and_boilerplate_never_win():
    noise = "<|endoftext|> ### Instruction: foo_bar = std::vector(x) -LRB- 12345 \\n https://a.io/b"
    groups = [[(f"{noise} {a}", noise) for a, _ in group] for group in planted()]
    for keywords in plain(name_groups(groups).keywords):
        shown = set(" ".join(keywords).split())
        assert shown <= set().union(*SUBJECTS.values())


def test_words_that_go_together_stay_together():
    group = [
        ("an essay on solar energy and heat", ""),
        ("is solar energy cheap in winter", ""),
    ] * 20
    assert "solar energy" in plain(name_groups([group, *planted()]).keywords)[0]


def test_forms_of_one_word_are_one_keyword():
    group = [("the file and other files in directories", ""), ("one directory of files", "")] * 20
    keywords = plain(name_groups([group, *planted()]).keywords)[0]
    assert sum("file" in word for word in keywords) == 1
    assert sum("director" in word for word in keywords) == 1


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("file", "files", True),
        ("country", "countries", True),
        ("write", "writing", True),
        ("gene", "general", False),
        ("communication", "community", False),
        ("war", "warm", False),
        ("network", "neural network", True),
        ("医疗", "医疗数据", True),
        ("数据", "数学", False),
    ],
)
def test_same(one, other, expected):
    assert same(one, other) is expected
    assert same(other, one) is expected


def test_no_two_titles_alike():
    group = planted()[0]
    names = name_groups([group, group, group, [("", "")], [("", "")]])
    assert len({title.casefold() for title in names.titles}) == 5
    assert all(names.titles)


def test_the_nearest_clusters_are_told_apart_first():
    """A word that only the neighbour shares says little; one that only far ones share says more."""
    shared = [(f"kettle {word}", "") for word in ("boiler", "steam", "tap", "mug") * 10]
    near = [(f"kettle {word}", "") for word in ("whistle", "stove", "lid", "pot") * 10]
    groups = [shared, near, *planted()]
    blind = plain(name_groups(groups).keywords)[0]
    order = np.array([[1], [0], [3], [2], [5], [4]])
    seeing = plain(name_groups(groups, order).keywords)[0]
    assert blind[0] == "kettle"
    assert seeing[0] != "kettle"


def test_a_label_names_no_subject():
    group = [(prompt, "entailment") for prompt, _ in planted()[0]]
    names = name_groups([group, *planted()[1:]])
    assert "entailment" not in names.titles[0].lower()


def test_capitals_are_those_of_use():
    group = [("about the SQL tables in London and their rows", "")] * 30
    keywords = name_groups([group, *planted()]).keywords[0]
    assert "SQL" in " ".join(keywords)
    assert "London" in " ".join(keywords)
    assert "Row" not in " ".join(keywords)


def test_words_of_scripts():
    assert list(words("naïve Café")) == ["naïve", "Café"]
    assert list(words("मशीन लर्निंग")) == ["मशीन", "लर्निंग"]
    assert [word for word in words("한국어에서 데이터를") if word] == ["한국어", "데이터"]
    assert "データ" in list(words("機械学習のデータを使う"))
    assert "学習" in list(words("機械学習のデータを使う"))


def test_title_clusters_reads_a_seeded_sample():
    texts = [prompt for group in planted(400) for prompt, _ in group]

    class Pool:
        asked = 0

        def page(self, rows):
            self.asked = len(rows)
            return pd.DataFrame({"prompt": [texts[i] for i in rows], "answer": [""] * len(rows)})

    rows = list(np.arange(1600).reshape(4, 400))
    centroids = np.eye(4, dtype=np.float32)
    pool = Pool()
    first = title_clusters(pool, rows, 3, centroids)
    assert pool.asked == 600
    assert first == title_clusters(Pool(), rows, 3, centroids)
    assert title_clusters(Pool(), [], 3).titles == []


@pytest.mark.parametrize(
    ("titles", "name"),
    [
        (["life · story · world", "series · founder · films"], "life · story · series"),
        (["cost · money · buys", "cost · pay · money"], "cost · money · pay"),
        (["a1 · a2 · a3", "bb · b2 · b3", "cc · c2", "dd"], "a1 · bb · cc"),
        (["files", "tea · fruit · drink"], "files · tea · fruit"),
        (["Questions about flights of a customer", "tea · fruit"],
         "Questions about flights of a customer · tea"),
        (["x" * 80, "tea"], "x" * 80),
        (["Files", "file"], "Files"),
        (["same · thing", "same · thing 2"], "same · thing"),
    ],
)  # fmt: skip
def test_a_merged_title_names_the_larger_parts_first(titles, name):
    assert merged_title(titles) == name


def test_a_merged_title_that_is_taken_gets_a_number():
    taken = ["Tea · Milk", "tea · milk 2"]
    assert merged_title(["tea", "milk"], taken) == "tea · milk 3"
    assert merged_title(["x" * 80, "tea"], ["x" * 80]) == "x" * 76 + " 2"
