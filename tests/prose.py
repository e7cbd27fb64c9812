"""The prose of a page: its sentences without code, equations and tables, and how hard they are to read."""

import re
from collections.abc import Iterator

FENCE = re.compile(r"^(`{3,}|:{3,}).*?^\1 *$", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
EQUATION = re.compile(r"\$\$.*?\$\$|\$[^$\n]+(?:\n[^$\n]+)?\$", re.DOTALL)
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
ROLE = re.compile(r"\{[\w:]+\}`([^`<]*)(?:<[^>]*>)?`")
CODE = re.compile(r"`+[^`]*`+")
TAG = re.compile(r"<[^>]*>")
MARK = re.compile(r"^\s*(?:[*+-]|\d+\.)\s+|^#+\s.*$|^\s*\|.*\|\s*$", re.MULTILINE)
WORD = re.compile(r"[A-Za-z][A-Za-z'’]*")
SENTENCE = re.compile(r"(?<=[.!?])[\"”)*_]*\s+|\n\s*\n+")
NAME = "number"  # stands where code or an equation was, as a word of two syllables


def of_a_notebook(source: str) -> str:
    """The Markdown cells of a tutorial's source, where each line is a comment. Cells for instructors are left out."""
    cells = re.split(r"^# %%", source, flags=re.MULTILINE)
    kept = [
        cell for cell in cells if cell.startswith(" [markdown]") and "instructor=true" not in cell.partition("\n")[0]
    ]
    lines = [line.removeprefix("#").strip() for cell in kept for line in [*cell.partition("\n")[2].splitlines(), "#"]]
    return "\n".join(lines)


def plain(markdown: str, name: str = NAME) -> str:
    """The running text: no code, headings, tables or links' addresses. `name` stands for code and equations."""
    text = COMMENT.sub("", FENCE.sub("\n\n", markdown))
    text = ROLE.sub(r"\1", LINK.sub(r"\1", text))
    text = EQUATION.sub(name, CODE.sub(name, text))
    text = MARK.sub("\n\n", TAG.sub("", text))
    return re.sub(r"(?<!\w)[*_]{1,2}(?=\w)|(?<=[\w.:!?,])[*_]{1,2}(?!\w)", "", text)


def sentences(text: str) -> Iterator[list[str]]:
    """The words of each sentence. A list's item, and a paragraph that ends with a colon, end one as well."""
    for sentence in SENTENCE.split(text):
        words = WORD.findall(sentence)
        if words:
            yield words


def syllables(word: str) -> int:
    """How many times a voice begins anew, by the usual rules: groups of vowels, without a silent e at the end."""
    word = re.sub(r"[^a-z]", "", word.lower())
    groups = len(re.findall(r"[aeiouy]+", word)) + len(re.findall(r"(?<![tscg])i[aou]|(?<![tscg])ien|ea$|creat", word))
    silent = re.search(r"[^aeiouyl]e$|[^aeiouytd]ed$|[^aeiouycgszxh]es$", word) is not None
    return max(1, groups - silent)


def grade(text: str) -> float:
    """The Flesch-Kincaid grade: years of school after which a text is read with ease. Kincaid et al. 1975."""
    found = list(sentences(text))
    words = [word for sentence in found for word in sentence]
    return 0.39 * len(words) / len(found) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59
