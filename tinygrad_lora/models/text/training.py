"""How a byte-pair encoding is learned: the most frequent pair of neighbors becomes a token, again and again.

Source: Sennrich et al. 2015 (arXiv:1508.07909), algorithm 1. Pairs are counted once; after that a join changes only the
counts in the words that it touches.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from ...nn.checks import check_size
from .bpe import BytePairEncoding, visible_bytes, words

Pair = tuple[str, str]


def train_byte_pairs(texts: str | Iterable[str], size: int, special: Sequence[str] = ()) -> BytePairEncoding:
    """A byte-pair encoding: the 256 bytes, the joins in the order found, and special tokens.

    The most frequent pair is joined first; of equally frequent ones, that which comes first in the alphabet. It ends
    early where no pair occurs twice.

    texts: a text, or a list of them
    size: how many tokens there may be at most
    special: the names of tokens that are not text, such as "<|end|>"
    Returns a `BytePairEncoding`, with `encode` and `decode`.
    Raises ValueError for a size that has no room for the bytes and the special tokens, or special names that repeat.

    >>> tokens = tl.train_byte_pairs("low lower lowest", 260)
    >>> tokens.encode("lower"), tokens.decode(tokens.encode("lower"))
    ([258, 81], 'lower')
    """
    texts = [texts] if isinstance(texts, str) else texts
    least = 256 + len(special)
    if check_size(size, "size") < least:
        raise ValueError(f"a vocabulary of {size} has no room: 256 bytes and {len(special)} special tokens come first")
    if len(set(special)) < len(special) or not all(special):
        raise ValueError(f"special tokens need names of their own, not {list(special)}")
    joins = _joins(Counter(word for text in texts for word in words(text)), size - least)
    vocabulary = [*visible_bytes().values(), *dict.fromkeys(left + right for left, right in joins)]
    if taken := set(special) & set(vocabulary):
        raise ValueError(f"{min(taken)!r} is a token of text already: give the special token another name")
    numbers = range(len(vocabulary), len(vocabulary) + len(special))
    return BytePairEncoding([*vocabulary, *special], [f"{left} {right}" for left, right in joins], numbers)


def _joins(counts: Counter[str], most: int) -> list[Pair]:
    """The pairs to join, in order, for words that occur so often."""
    visible = visible_bytes()
    tokens = [[visible[byte] for byte in word.encode("utf-8", "surrogatepass")] for word in counts]
    often = list(counts.values())
    frequency: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)  # the words in which a pair occurs, or did
    for i, word in enumerate(tokens):
        for pair in pairwise(word):
            frequency[pair] += often[i]
            places[pair].add(i)
    heap = [(-n, pair) for pair, n in frequency.items()]
    heapq.heapify(heap)
    joins: list[Pair] = []
    while heap and len(joins) < most:
        n, pair = heapq.heappop(heap)
        if -n != frequency[pair]:
            continue  # it was counted anew meanwhile, and is in the heap with that number, too
        if n > -2:
            break
        joins.append(pair)
        changed: Counter[Pair] = Counter()
        for i in places.pop(pair):
            old, new = tokens[i], _joined(tokens[i], pair)
            for other in pairwise(old):
                changed[other] -= often[i]
            for other in pairwise(new):
                changed[other] += often[i]
                places[other].add(i)
            tokens[i] = new
        for other, change in changed.items():
            if change:
                frequency[other] += change
                heapq.heappush(heap, (-frequency[other], other))
    return joins


def _joined(word: list[str], pair: Pair) -> list[str]:
    """A word in which each such pair is one token, leftmost first."""
    new: list[str] = []
    for token in word:
        if new and (new[-1], token) == pair:  # what was joined is longer than the first of the pair
            new[-1] += token
        else:
            new.append(token)
    return new
