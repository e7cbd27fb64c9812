"""WordPiece, BERT's tokenizer: words, lower-cased and without accents, cut into the longest pieces that are known.

Source: Devlin et al. 2018 (arXiv:1810.04805), section 3; the rules are those of the original `tokenization.py`.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Self

from ...errors import ModelFileError
from ...files import FilePath, read_bytes, reading
from .tokens import Batch, SpecialTokens, known_numbers, padded

_INVISIBLE = ("Cc", "Cf", "Co", "Cs")  # what controls, formats or is private; not what has no character yet
LARGEST_VOCABULARY = 16 * 2**20  # bytes
_LONGEST_WORD = 100  # characters; a longer one is not looked up
# Characters that are words of their own, because Chinese is written without spaces.
_CHINESE = [
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
]  # fmt: skip
# How the pieces of English are joined again, in this order.
_TIDY = [
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
    (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
]  # fmt: skip


class WordPiece:
    """A vocabulary of pieces of words, one to a number; "##ing" is a piece that continues a word.

    `encode(sentence)` gives token numbers, [CLS] first and [SEP] last; `encode_batch(sentences)` pads them to one array
    with a mask; `decode(numbers)` gives the sentence back as far as it was kept: in lower case, without accents.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = list(vocabulary)
        self.numbers = {piece: number for number, piece in enumerate(self.vocabulary)}
        special = {token: self.numbers[token] for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")}
        self.special = SpecialTokens(special)
        self.padding, self.unknown, self.begin, self.end, self.mask = special.values()

    @classmethod
    def from_file(cls, path: FilePath) -> Self:
        """The tokenizer of a file `vocab.txt`, one piece a line. Raises ModelFileError if it is none."""
        with reading(path, ModelFileError):
            text = read_bytes(path, LARGEST_VOCABULARY).decode().replace("\r\n", "\n").replace("\r", "\n")
            try:
                return cls(text.removesuffix("\n").split("\n"))
            except KeyError as missing:
                raise ModelFileError(f"a BERT vocabulary has a line {missing}, and this one does not") from None

    def __len__(self) -> int:
        return len(self.vocabulary)

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text, without special tokens."""
        return [self.vocabulary[number] for number in self.numbers_of(text)]

    def encode(self, text: str, longest: int | None = None, *, special: bool = False) -> list[int]:
        """The token numbers of a sentence, between [CLS] and [SEP].

        At most `longest` numbers, those two included: what is more is cut off at the end. The text "[MASK]" in a
        sentence is text, unless `special` is True; then it is the token.
        """
        if not isinstance(text, str):
            raise TypeError(f"a sentence is a string, not {type(text).__name__}")
        pieces = self.special.split(text) if special else [text]
        numbers = [n for piece in pieces for n in ([piece] if isinstance(piece, int) else self.numbers_of(piece))]
        if longest is not None:
            if longest < 2:
                raise ValueError(f"longest is {longest}, and [CLS] and [SEP] alone are 2 tokens")
            numbers = numbers[: longest - 2]
        return [self.begin, *numbers, self.end]

    def encode_batch(self, texts: Iterable[str], longest: int | None = None, *, special: bool = False) -> Batch:
        """Token numbers (sentences, longest sentence) and their mask, for many sentences at once."""
        if isinstance(texts, str):
            raise TypeError("texts is a list of sentences: for one, pass [sentence]")
        return padded([self.encode(text, longest, special=special) for text in texts], self.padding)

    def decode(self, numbers: Iterable[int], *, special: bool = False) -> str:
        """The text of token numbers; special tokens are left out, unless `special` is True."""
        known = known_numbers(numbers, len(self))
        text = ""
        for number in known:
            if special or number not in self.special.names:
                piece = self.vocabulary[number]
                text += piece[2:] if text and piece.startswith("##") else f" {piece}" if text else piece
        for apart, together in _TIDY:
            text = text.replace(apart, together)
        return text

    def numbers_of(self, text: str) -> list[int]:
        """The token numbers of a text, without special tokens."""
        return [number for word in _words(_plain(text)) for number in self._pieces(word)]

    def _pieces(self, word: str) -> list[int]:
        """From the left, always the longest piece that is in the vocabulary; [UNK] if some part has none."""
        if len(word) > _LONGEST_WORD:
            return [self.unknown]
        pieces, start, prefix = [], 0, ""
        while start < len(word):
            for end in range(len(word), start, -1):
                number = self.numbers.get(prefix + word[start:end])
                if number is not None:
                    break
            else:
                return [self.unknown]
            pieces.append(number)
            start, prefix = end, "##"
        return pieces


def _plain(text: str) -> str:
    """The text without control characters and accents, in lower case, with every Chinese character set apart."""
    kept = "".join(_cleaned(c) for c in text)
    unaccented = (c for c in unicodedata.normalize("NFD", kept) if unicodedata.category(c) != "Mn")
    return "".join(c.lower() for c in unaccented)  # one by one: a word's last sigma is a sigma


def _cleaned(c: str) -> str:
    if c in "\t\n\r":
        return " "
    if c == "\ufffd" or unicodedata.category(c) in _INVISIBLE:
        return ""
    if c.isspace():
        return " "
    return f" {c} " if any(low <= ord(c) <= high for low, high in _CHINESE) else c


def _words(text: str) -> list[str]:
    """The text cut at spaces, and before and after every punctuation mark."""
    return "".join(f" {c} " if _is_punctuation(c) else c for c in text).split()


def _is_punctuation(c: str) -> bool:
    # In ASCII, signs such as "$" and "^" count too, though Unicode does not call them punctuation.
    return unicodedata.category(c).startswith("P") or ("!" <= c <= "~" and not c.isalnum())
