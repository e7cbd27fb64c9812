"""Byte-pair encoding on bytes, as GPT-2 and SmolLM2 use it: any text becomes tokens, and the same text comes back.

Every byte is a token. Training joined the pair of neighbors that was most frequent, again and again, and wrote the
joins down in order; encoding applies the same joins, earliest first.
Source: Sennrich et al. 2015 (arXiv:1508.07909); Radford et al. 2019, section 2.2, for bytes.
"""

import codecs
import heapq
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from ...errors import ModelFileError
from .tokens import SpecialTokens, known_numbers


def visible_bytes() -> dict[int, str]:
    """A printable character for each byte: itself where it has one, else the next from U+0100 on (a space is "Ġ")."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


_VISIBLE = visible_bytes()
_FREQUENT = 40  # characters; the tokens of longer words are not remembered
_BYTE = {character: byte for byte, character in _VISIBLE.items()}


class BytePairEncoding:
    """Tokens by number, and joins such as "Ġt he" in order, both written with one visible character for each byte.

    `encode(text)` gives token numbers, `decode(numbers)` the text; `decode(encode(text)) == text`.
    `special` are the numbers of tokens that are not text, such as "<|im_end|>".
    A vocabulary may lack bytes that its makers never saw: a character that needs one is refused with a ValueError.
    Raises ModelFileError if a join makes a token that is not in the vocabulary, and for a token that is no text.
    """

    def __init__(self, vocabulary: Sequence[str], joins: Iterable[str], special: Iterable[int] = ()) -> None:
        self.vocabulary = list(vocabulary)
        self.numbers = {token: number for number, token in enumerate(self.vocabulary)}
        self.special = SpecialTokens({self.vocabulary[number]: number for number in special})
        for token in self.numbers.keys() - self.special.numbers.keys():
            if strange := set(token) - _BYTE.keys():
                raise ModelFileError(f"the token {token[:40]!r} has the character {min(strange)!r}, which is no byte")
        self._joins = dict(self._numbered(joins))
        self._frequent = lru_cache(maxsize=1 << 16)(self._join_pieces)

    def _numbered(self, joins: Iterable[str]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """(left, right) and (its place in the order, the token that it makes), all as numbers."""
        for rank, join in enumerate(joins):
            left, _, right = join.partition(" ")
            try:
                yield (self.numbers[left], self.numbers[right]), (rank, self.numbers[left + right])
            except KeyError as missing:
                raise ModelFileError(f"the join {join!r} needs the token {missing}, which does not exist") from None

    def __len__(self) -> int:
        return len(self.vocabulary)

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a text, as the vocabulary writes them."""
        return [self.vocabulary[number] for number in self.encode(text)]

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """The token numbers of a text. "<|im_end|>" in it is text, unless `special` is True; then it is the token."""
        numbers: list[int] = []
        for piece in self.special.split(text) if special else [text]:
            if isinstance(piece, int):
                numbers.append(piece)
            else:
                for word in words(piece):
                    numbers += self._frequent(word) if len(word) <= _FREQUENT else self._join_pieces(word)
        return numbers

    def decode(self, numbers: Iterable[int], *, special: bool = False) -> str:
        """The text of token numbers; special tokens are left out, unless `special` is True.

        Bytes that are not UTF-8, as when the numbers end within a character, become the replacement character U+FFFD.
        """
        return "".join(self.decode_each(numbers, special=special))

    def decode_each(self, numbers: Iterable[int], *, special: bool = False) -> Iterator[str]:
        """The text of each token as it comes, to be shown while a model is writing.

        A character of several tokens comes with the last of them.
        """
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for number in numbers:
            (known,) = known_numbers([number], len(self))
            if known in self.special.names:
                yield decoder.decode(b"", final=True) + (self.special.names[known] if special else "")
            else:
                yield decoder.decode(bytes(_BYTE[c] for c in self.vocabulary[known]))
        yield decoder.decode(b"", final=True)

    def _byte_tokens(self, character: str) -> list[int]:
        try:
            return [self.numbers[_VISIBLE[byte]] for byte in character.encode("utf-8")]
        except (UnicodeEncodeError, KeyError):
            raise ValueError(f"no tokens stand for the character U+{ord(character):04X}: remove it") from None

    def _join_pieces(self, word: str) -> tuple[int, ...]:
        """The tokens of one word: its bytes, with the earliest join applied, leftmost first, until none applies.

        A heap holds the joins that may be applied; the tokens are a list with links to the neighbors. So a word of n
        bytes takes n log n steps, however long a hostile text makes it.
        """
        tokens = [number for character in word for number in self._byte_tokens(character)]
        after = [*range(1, len(tokens)), -1]
        before = list(range(-1, len(tokens) - 1))
        heap: list[tuple[int, int, int, int]] = []

        def propose(left: int, right: int) -> None:
            join = self._joins.get((tokens[left], tokens[right])) if left >= 0 and right >= 0 else None
            if join:
                heapq.heappush(heap, (join[0], left, tokens[left], tokens[right]))

        for i in range(len(tokens) - 1):
            propose(i, i + 1)
        while heap:
            _, left, first, second = heapq.heappop(heap)
            right = after[left]
            if right < 0 or (tokens[left], tokens[right]) != (first, second):
                continue  # one of the two was joined to another meanwhile
            tokens[left], tokens[right] = self._joins[first, second][1], -1
            after[left] = after[right]
            if after[left] >= 0:
                before[after[left]] = left
            propose(before[left], left)
            propose(left, after[left])
        return tuple(token for token in tokens if token >= 0)


# A text is first cut into words, and no token reaches over a cut. The rule is a pattern over kinds of characters:
# a letter is "L", a digit "N", a space " " or, if it is not U+0020, "s", and anything else "o".
_CONTRACTION = re.compile(r"'(?:s|t|re|ve|m|ll|d)")
_WORD = re.compile(r" ?L+|N| ?o+|[ s]+(?![^ sN])|[ s]+")


class _Kinds(dict[int, str]):
    """The kind of every character, found when it is first asked for."""

    def __missing__(self, code: int) -> str:
        c = chr(code)
        group = unicodedata.category(c)[0]
        space = c.isspace() and not 0x1C <= code <= 0x1F  # Python counts four control characters as spaces
        self[code] = kind = " " if c == " " else "s" if space else group if group in "LN" else "o"
        return kind


_KINDS = _Kinds()


def words(text: str) -> list[str]:
    """The text cut as SmolLM2 was trained: words with the space before them, and every digit alone.

    >>> words("It's 2024,  isn't it?")
    ['It', "'s", ' ', '2', '0', '2', '4', ',', ' ', ' isn', "'t", ' it', '?']
    """
    kinds, cut, at = text.translate(_KINDS), [], 0
    while at < len(text):
        match = _CONTRACTION.match(text, at) or _WORD.match(kinds, at)
        assert match, kinds
        cut.append(text[at : match.end()])
        at = match.end()
    return cut
