r"""Train a tokenizer

Tokens need not be letters. Byte-pair encoding finds longer ones: it cuts every word into letters, then joins the pair
of neighbors that occurs most often, again and again. Write two functions:

* `train_pairs(words, count)`: the joins, a list of `count` pairs such as `("a", "n")`, in the order in which they were
  found. "anna" has the pairs an, nn and na. Every occurrence counts; if a word is in the list twice, its pairs count
  twice. Pairs never reach from one word into the next. Of equally frequent pairs, take the one that comes first in the
  alphabet. After each join count again: the new token has neighbors, too. There are always enough pairs.
* `cut(word, joins)`: the word as a list of tokens. Cut it into letters, then make all joins in their order, each
  wherever its pair occurs, from left to right.

With "banana" and "ban" the first join is ("a", "n"), three times. Then "banana" is b, an, an, a.
"""

from collections import Counter
from itertools import pairwise

from tinygrad_lora.learn.authoring import Exercise, example, generators, kind_of, refuse, require

HINTS = (
    "Write `cut` first. If a word is a list of tokens, one join walks through it and makes a new list.",
    "In `train_pairs` keep all words as lists of tokens. Count with a dictionary over all pairs `tokens[i]`, "
    "`tokens[i + 1]`. For the tie: `min(pairs, key=lambda pair: (-count[pair], pair))`.",
    "In `join`: `if tokens[i : i + 2] == [left, right]`, append `left + right` and go on at i + 2; else append "
    "`tokens[i]` and go on at i + 1. `train_pairs` may call `cut(word, joins)` for each word, and count again.",
)
ABOUT = (
    "Frequent pieces get tokens of their own, so common words become short, and no word is unknown. The joins are "
    "learned from counts alone, without a gradient, and the model afterwards sees only the numbers of the tokens."
)
NEXT = "Join 200 pairs in the list of names. Which tokens are whole names, and why are they in there?"
exercise = Exercise("14-pairs", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def train_pairs(words, count):
    """The joins of the most frequent neighbors, in the order in which they were found."""
    texts, joins = [list(word) for word in words], []
    for _ in range(count):
        often = {}
        for tokens in texts:
            for i in range(len(tokens) - 1):
                pair = tokens[i], tokens[i + 1]
                often[pair] = often.get(pair, 0) + 1
        joins.append(min(often, key=lambda pair: (-often[pair], pair)))
        texts = [cut(word, joins) for word in words]
    return joins


@exercise.reference
def cut(word, joins):
    """The word as a list of tokens."""
    tokens = list(word)
    for left, right in joins:
        i = 0
        while i < len(tokens) - 1:
            if tokens[i] == left and tokens[i + 1] == right:
                tokens[i : i + 2] = [left + right]
            i += 1
    return tokens


@exercise.another("cut")
def by_replacing_text(word, joins):
    """Keep the word as a text with gaps between its tokens: then a join is the loss of a gap."""
    text = " " + "  ".join(word) + " "
    for left, right in joins:
        text = text.replace(f" {left}  {right} ", f" {left}{right} ")
    return text.split()


right_joins, right_cut = train_pairs, cut


def counts(texts):
    return Counter(pair for tokens in texts for pair in pairwise(tokens))


def first(often):
    return min(often, key=lambda pair: (-often[pair], pair))


def training(choose=first, count_pairs=counts, join=right_cut, texts=lambda words: words, again=True):
    """A training with something else in one place."""

    def train(words, count):
        words, joins = texts(words), []
        often = count_pairs([list(word) for word in words])
        for _ in range(count):
            joins.append(choose(often))
            if again:
                often = count_pairs([join(word, joins) for word in words])
            else:
                del often[joins[-1]]
        return joins

    return train


def join_once(word, joins):
    """Joins only the first occurrence of each pair."""
    tokens = list(word)
    for left, right in joins:
        for i, pair in enumerate(pairwise(tokens)):
            if pair == (left, right):
                tokens[i : i + 2] = [left + right]
                break
    return tokens


def join_from_the_right(word, joins):
    tokens = list(word)
    for left, right in joins:
        for i in range(len(tokens) - 2, -1, -1):
            if tokens[i : i + 2] == [left, right]:
                tokens[i : i + 2] = [left + right]
    return tokens


def join_any(word, joins):
    """Joins whatever may be joined, from left to right, in no order."""
    tokens, changed = list(word), True
    while changed:
        changed = False
        for i, pair in enumerate(pairwise(tokens)):
            if pair in [tuple(join) for join in joins]:
                tokens[i : i + 2], changed = ["".join(pair)], True
                break
    return tokens


def longest_first(word, joins):
    """Takes the longest token that fits, from left to right."""
    known, tokens, i = {left + right for left, right in joins}, [], 0
    while i < len(word):
        size = next((n for n in range(len(word) - i, 1, -1) if word[i : i + n] in known), 1)
        tokens.append(word[i : i + size])
        i += size
    return tokens


TRAININGS = (
    ("counted-once", "You counted the pairs once, at the start; count again after each join", training(again=False)),
    ("not-joined", "You count the same letters each time; make the joins found so far before you count again",
     training(join=lambda word, joins: list(word))),
    ("across-words", "A pair reaches from one word into the next; count each word by itself",
     training(texts=lambda words: ["".join(words)])),
    ("same-word-once", "If a word is in the list twice, its pairs must count twice",
     training(texts=lambda words: list(dict.fromkeys(words)))),
    ("once-a-word", "If a word has a pair twice, it must count twice",
     training(count_pairs=lambda texts: Counter(pair for tokens in texts for pair in set(pairwise(tokens))))),
    ("tie-by-appearance", "Of equally frequent pairs, you take the one met first; take the first in the alphabet",
     training(lambda often: max(often, key=often.get))),
    ("tie-from-the-end", "Of equally frequent pairs, you take the last in the alphabet; take the first",
     training(lambda often: max(often, key=lambda pair: (often[pair], pair)))),
    ("rarest-first", "You join the rarest pair; join the most frequent one",
     training(lambda often: min(often, key=lambda pair: (often[pair], pair)))),
    ("alphabet-only", "You join the first pair in the alphabet; join the most frequent one", training(min)),
    ("first-occurrence-only", "You joined only the first occurrence in each word; join all of them",
     training(join=join_once)),
    ("from-the-right", "You joined a word from the right; join from the left", training(join=join_from_the_right)),
)  # fmt: skip
CUTS = (
    ("letters", "These are the letters; no join was made", lambda word, joins: list(word)),
    ("first-occurrence-only", "You joined a pair only at its first occurrence; join all of them", join_once),
    ("from-the-right", "You joined the word from the right; join from the left", join_from_the_right),
    ("reversed-order", "You made the joins in reverse order; make them in the order of the list",
     lambda word, joins: right_cut(word, joins[::-1])),
    ("longest-first", "You take the longest token that fits; make the joins in the order of the list", longest_first),
    ("no-order", "You join whatever fits, from left to right; make one join after the other, in order", join_any),
    ("one-join-only", "You made only the first join; make all of them", lambda word, joins: right_cut(word, joins[:1])),
    ("last-join-missing", "The last join is missing", lambda word, joins: right_cut(word, joins[:-1])),
)  # fmt: skip


def explained(slip, cases):
    """Whether a slip gives what the student's function gave, in every case that is wrong."""
    try:
        return all(list(slip(*case)) == answer for case, answer in cases)
    except Exception:  # it does not get that far
        return False


def shown(tokens):
    """Tokens or joins in a sentence."""
    return ", ".join(" + ".join(one) if isinstance(one, tuple) else repr(one) for one in tokens) or "nothing"


WORDS = (
    (["banana", "ban"], 2),
    (["anna", "hanna", "anna"], 3),
    (["aaaa", "aab"], 2),
    (["ab", "ab", "cd", "cd", "cd"], 1),
    (["zaza", "yaya", "yb"], 2),
    (["abab", "cd", "cd", "ce"], 2),
    (["cab", "cab", "ab", "ba", "abc"], 2),
    (["ca", "ac", "xyz"], 1),
    (["abb", "cdd", "cdd", "abb", "bc"], 3),
)


def lists(seed, budget):
    """Words of few letters and how often to join: fixed ones for each mistake, then random ones."""
    yield from WORDS
    for size, rng in generators(seed, min(budget, 10)):
        letters = "aabbbcn"
        words = ["".join(letters[i] for i in rng.integers(0, 7, 3 + int(rng.integers(4)))) for _ in range(3 + size)]
        yield words, 1 + size % 4


PIECES = (
    ("banana", [("a", "n")]),
    ("banana", [("a", "n"), ("an", "a")]),
    ("banana", [("n", "a"), ("a", "n"), ("na", "na")]),
    ("aaaaa", [("a", "a")]),
    ("abc", [("b", "c"), ("a", "b")]),
    ("abcabd", [("b", "d"), ("a", "b"), ("ab", "c")]),
    ("xyz", [("a", "b"), ("x", "y")]),
)


@exercise.check(points=2)
def test_a_word_is_cut_by_the_joins_in_their_order(cut, seed, budget):
    judge_cut(cut, seed, budget)


def judge_cut(cut, seed, budget):
    """Raise, and say what is wrong, unless all words are cut as they should be."""
    cases = list(PIECES)
    for words, count in lists(seed, budget):
        cases += [(word, right_joins(words, count)) for word in words[:3]]
    wrong = []
    for word, joins in cases:
        answer = cut(word, list(joins))
        if type(answer) not in (list, tuple) or not all(type(token) is str for token in answer):
            raise refuse("wrong-type", f"cut must return a list of texts, not {kind_of(answer)}")
        if list(answer) != right_cut(word, joins):
            wrong.append(((word, joins), list(answer)))
    if not wrong:
        return
    (word, joins), answer = wrong[0]
    sentence = f"{word!r} with the joins {shown(joins)} is {shown(right_cut(word, joins))}; yours is {shown(answer)}"
    for code, why, slip in CUTS:
        require(not explained(slip, wrong), code, f"{sentence}. {why}")
    lost = "".join(answer) != word
    require(not lost, "letters-lost", f"{sentence}. Put together, your tokens are {''.join(answer)!r}")
    raise refuse("differs", sentence, example(shown(answer), shown(right_cut(word, joins)), word=word))


@exercise.check(points=3)
def test_the_most_frequent_pair_is_joined_again_and_again(train_pairs, cut, seed, budget):
    wrong = []
    for words, count in lists(seed, budget):
        answer = train_pairs(list(words), count)
        if type(answer) not in (list, tuple):
            raise refuse("wrong-type", f"train_pairs must return a list of pairs, not {kind_of(answer)}")
        if odd := [one for one in answer if type(one) not in (list, tuple) or len(one) != 2]:
            raise refuse("no-pair", f'a join must be a pair such as ("a", "n"), not {odd[0]!r}')
        answer = [tuple(one) for one in answer]
        if answer != right_joins(words, count):
            wrong.append(((words, count), answer))
    if not wrong:
        return
    judge_cut(cut, seed, budget)  # a training may use it, and then this is what is wrong
    (words, count), answer = wrong[0]
    right = right_joins(words, count)
    sentence = f"for {words} and {count} the joins are {shown(right)}; yours are {shown(answer)}"
    if len(answer) != count:
        raise refuse("wrong-number", f"{sentence}. There must be {count}, and you return {len(answer)}")
    for code, why, slip in TRAININGS:
        require(not explained(slip, wrong), code, f"{sentence}. {why}")
    i = next(i for i in range(count) if answer[i] != right[i])
    often = counts([right_cut(word, right[:i]) for word in words])
    yours = f"{shown([right[i]])} occurs {often[right[i]]} times, and {shown([answer[i]])} {often[answer[i]]}"
    raise refuse("differs", f"{sentence}. Before join {i + 1}, {yours}")
