"""Known wrong answers: train a tokenizer."""

from collections import Counter
from itertools import pairwise

from tinygrad_lora.learn.exercises.t14.pairs import cut, exercise, training


@exercise.mutant("counted-once", name="train_pairs")
def counts_once(words, count):
    often = Counter(pair for word in words for pair in pairwise(word))
    return sorted(often, key=lambda pair: (-often[pair], pair))[:count]


@exercise.mutant("not-joined", name="train_pairs")
def forgets_to_join(words, count):
    return training(join=lambda word, joins: list(word))(words, count)


@exercise.mutant("tie-by-appearance", name="train_pairs")
def takes_the_first_it_meets(words, count):
    return training(lambda often: max(often, key=often.get))(words, count)


@exercise.mutant("across-words", name="train_pairs")
def reads_on_into_the_next_word(words, count):
    return training(texts=lambda words: ["".join(words)])(words, count)


@exercise.mutant("same-word-once", name="train_pairs")
def takes_a_set(words, count):
    return training(texts=lambda words: sorted(set(words)))(words, count)


@exercise.mutant("reversed-order", name="cut")
def starts_with_the_last(word, joins):
    return cut(word, joins[::-1])


@exercise.mutant("longest-first", name="cut")
def takes_the_longest(word, joins):
    tokens, known = [], {left + right for left, right in joins}
    while word:
        size = max((n for n in range(2, len(word) + 1) if word[:n] in known), default=1)
        tokens.append(word[:size])
        word = word[size:]
    return tokens
