"""The words of a text that could stand in a title, and the stop words of its languages."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache

BREAK = ""  # between two words that do not follow one another
SHORT = "-"  # in place of a word too short to name anything

_MARKUP = re.compile(
    r"<\|?/?[A-Za-z_][^<>\n]{0,40}>|<<[^<>\n]*>>|\[\[|\]\]|-[LR][RSC]B-|\\[nt]|https?://\S+"
    r"|www\.\S+|\S+@\S+"
)
_EDGES = "\"'`“”‘’«»„()[]{}<>*_#~.,;:!?…|=&-–—/\\"
_ENDS = re.compile(r"[.,;:!?…|)\]}]$")
_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
_IDEOGRAPHIC = re.compile(rf"[{_HAN}\u3040-\u30ff]")
_IDEOGRAPHIC_RUNS = re.compile(rf"[{_HAN}]+|[\u30a1-\u30ff]+|[A-Za-z]+")
_HANGUL = re.compile(r"^[\uac00-\ud7af]+$")
# Postpositions that stick to a Korean noun, the longer first.
_KOREAN_ENDS = (
    "에서",
    "으로",
    "에게",
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "에",
    "의",
    "도",
    "로",
    "와",
    "과",
)
# Characters that in Chinese and Japanese join words and are seldom part of a noun; the second set
# only at an end of what they join.
_JOINTS = frozenset("的了是我你您他她它们們这這那吗嗎呢吧啊和与與或及把被将將么麼哪谁誰")
_EDGE_JOINTS = frozenset(
    "在为為而于於之其所也很就都不一个個有使让讓给給着著并並且等如但因请請些还還又从從到以可"
)
_GRAMS = (2, 3, 4)
_LANGUAGE_SHARE = 0.01  # of the texts: a language with fewer has no cluster of its own
# On the English list because they are frequent, and yet what a cluster may be about.
_TELLING = """
bill building computer computers faces family fire group home homepage information interest kids
man member members microsoft million mill money order page places problem problems program research
room rooms school side site sites sports state states system systems test tests web website women
work working works world young
"""
# What people write to a model whatever the subject is, fillers of talk, dates, units of counting,
# and the words that hold programs together. Like stop words they are frequent everywhere; but a
# pool of one kind, where nothing is rare elsewhere, would be named by them.
_BOILERPLATE = """
answer answers answered question questions following follow given give gives giving using use used
uses write writes written writing generate generated create created creating explain describe
described provide provided providing list lists sentence sentences text texts input output outputs
instruction instructions please example examples based make makes making need needs needed help
helps tell know known like likes want wants also many much would could may might must shall thing
things way ways etc passage passages assistant user response responses task tasks statement context
prompt identify identified determine classify classified consider suggest summarize rewrite correct
option options name names word words called different various several certain include includes
including included important common possible specific useful best better good great nice sure okay
thanks thank hello yes yeah sounds sound lovely perfect alright confirm anything something someone
everything everyone let lets find found look looking get got take takes taken show shows shown add
added see seen think say says said come goes going keep put set sets able available right left part
parts kind type types case cases imagine people person persons current currently popular famous
encountered located belong belongs happen happens background previous method result results human
abbreviation unknown therefore thus however sense choice choices step steps total number numbers
one two three four five six seven eight nine ten first second third new per average each every half
twice more most less least time times day days week weeks weekly month months year years today
tomorrow yesterday monday tuesday wednesday thursday friday saturday sunday january february march
april june july august september october november december morning afternoon evening tonight
lrb rrb lsb rsb lcb rcb eos endoftext nbsp http https www com org html href utf def return returns
returned print prints printf println self none null true false int str bool char void const var std
cout cin endl public private static final elif else args argv len foo bar baz todo async await
lambda struct typedef namespace alias select distinct san united
句子 提供 生成 描述 创建 解释 问题 列出 列表 给出 以下 下列 进行 确定 重要 使用 根据 回答 编写
单词 输入 输出 文本 段落 例子 示例 帮助 一段 一篇 文章 写出 给定 内容 需要 主要 方法 不同 建议
包括 通过 提出 重写 找出 识别 分类 短语 任务 指令 要求 选择 正确 答案 信息 相同 类型 包含 结果
情况 时间 自己 此外
"""


def words(text: str) -> Iterator[str]:
    """Yield the words of a text as they are written, with `BREAK` where a phrase ends.

    Chinese and Japanese give every run of two to four characters that could be a word, each with a
    `BREAK` behind it. Markup, numbers, identifiers and code give a `BREAK`, words of one or two
    letters (unless in capitals) `SHORT`.
    """
    for token in _MARKUP.sub(" | ", text).replace("\n", " | ").split():
        yield from _token(token)


@lru_cache(maxsize=1 << 16)  # few tokens make up most of any text
def _token(token: str) -> tuple[str, ...]:
    bare = token.strip(_EDGES)
    if _IDEOGRAPHIC.search(bare):
        return tuple(_unspaced(bare))
    # An opening bracket in front ends a phrase as a stop behind does.
    front = (BREAK,) if token[0] in "([{|" and bare else ()
    back = (BREAK,) if _ENDS.search(token) else ()
    return (*front, *(_spaced(bare) if _is_word(bare) else (BREAK,)), *back)


def is_gram(word: str) -> bool:
    """Whether a word is a run of ideographs, cut without knowing where words end."""
    return bool(_IDEOGRAPHIC.match(word))


def stop_words(texts: Iterable[set[str]]) -> frozenset[str]:
    """Stop words of the languages of some texts, each given as the set of its words in lower case.

    Each text counts for the language whose stop words it has most of; a language needs 1 % of the
    texts, for by chance there are a few for every language.
    """
    lists, by_word = _stop_lists()
    votes: Counter[str] = Counter()
    total = 0
    for text in texts:
        total += 1
        hits = Counter(code for word in text for code in by_word.get(word, ()))
        if hits:
            votes[hits.most_common(1)[0][0]] += 1
    found = {code for code, count in votes.items() if count >= max(1, _LANGUAGE_SHARE * total)}
    stop = frozenset().union(*(lists[code] for code in found | {"en"}))
    return stop.difference(_TELLING.split()).union(_BOILERPLATE.split())


@lru_cache(maxsize=1)  # tenths of a second, which an edit of a few titles would feel
def _stop_lists() -> tuple[dict[str, frozenset[str]], dict[str, list[str]]]:
    """The stop words of each language, and the languages of each stop word."""
    import stopwordsiso

    lists = {code: frozenset(stopwordsiso.stopwords(code)) for code in sorted(stopwordsiso.langs())}
    by_word: dict[str, list[str]] = {}
    for code, entries in lists.items():
        for entry in entries:
            by_word.setdefault(entry, []).append(code)
    return lists, by_word


def same(one: str, other: str) -> bool:
    """Whether two words in lower case are forms of one, or one holds the other."""
    short, long = sorted((one, other), key=len)
    if is_gram(short) or is_gram(long):
        return short in long or bool(_pairs(short) & _pairs(long))
    if " " in long:
        return any(same(a, b) for a in short.split() for b in long.split())
    if len(short) < 4:
        return long in (short, short + "s")
    extra = len(long) - len(short)
    return long.startswith(short[:-1]) and extra <= (2 if len(short) == 4 else 3)


def singular(word: str) -> list[str]:
    """Candidates for the singular of an English plural, the likeliest first."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return []
    if word.endswith("ies"):
        return [word[:-3] + "y", word[:-1]]
    return [word[:-1], word[:-2]] if word.endswith("es") else [word[:-1]]


def _pairs(word: str) -> set[str]:
    return {word[i : i + 2] for i in range(len(word) - 1)}


def _is_word(token: str) -> bool:
    if token.isalpha():
        return True
    return bool(token) and all(
        ch.isalpha() or ch in "'’-" or unicodedata.category(ch).startswith("M") for ch in token
    )


def _spaced(token: str) -> Iterator[str]:
    if _HANGUL.match(token):
        ends = (end for end in _KOREAN_ENDS if token.endswith(end) and len(token) - len(end) >= 2)
        yield token.removesuffix(next(ends, ""))
        return
    for part in re.split(r"[-'’]", token):
        if not (part.islower() or part.istitle() or part.isupper()) and part.isascii():
            yield BREAK  # mixed case: an identifier
        elif 3 <= len(part) <= 20 or (len(part) == 2 and (part.isupper() or not part.isascii())):
            yield part
        elif part not in ("s", "t"):
            yield SHORT if len(part) < 3 else BREAK


def _unspaced(token: str) -> Iterator[str]:
    yield BREAK
    for run in _IDEOGRAPHIC_RUNS.findall(token):
        if not is_gram(run):
            yield from _spaced(run)
            yield BREAK
        elif "\u30a0" < run[0] < "\u3100":
            if len(run) > 1:
                yield run  # katakana: a word as it stands
                yield BREAK
        else:
            for size in _GRAMS:
                for at in range(len(run) - size + 1):
                    gram = run[at : at + size]
                    if not _JOINTS & set(gram) and not _EDGE_JOINTS & {gram[0], gram[-1]}:
                        yield gram
                        yield BREAK
