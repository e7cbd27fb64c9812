"""The width of a text in Helvetica, Arial and fonts with the same metrics. No font file is read."""

from unicodedata import category, combining, east_asian_width

# Widths in thousandths of the font size, each with the characters of that width.
REGULAR = {
    191: "'", 222: "ijl", 260: "|", 278: " !,./:;I[\\]ft", 333: "()-`r", 334: "{}", 355: '"', 389: "*", 469: "^",
    500: "Jcksvxyz", 556: "#$0123456789?L_abdeghnopqu", 584: "+<=>~", 611: "FTZ", 667: "&ABEKPSVXY", 722: "CDHNRUw",
    778: "GOQ", 833: "Mm", 889: "%", 944: "W", 1015: "@",
}  # fmt: skip
BOLD = {
    238: "'", 278: " ,./I\\ijl", 280: "|", 333: "!()-:;[]`ft", 389: "*r{}", 474: '"', 500: "z",
    556: "#$0123456789J_aceksvxy", 584: "+<=>^~", 611: "?FLTZbdghnopqu", 667: "EPSVXY", 722: "&ABCDHKNRU", 778: "GOQw",
    833: "M", 889: "%m", 944: "W", 975: "@",
}  # fmt: skip
OTHER, WIDE = 620, 1300  # widths of characters not in the table; of Chinese, Japanese and Korean ones, and emoji

TABLES = [{letter: width for width, letters in table.items() for letter in letters} for table in (REGULAR, BOLD)]


def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of one line of text, in the unit of `size`."""
    table = TABLES[bold]
    return sum(table.get(letter) or _other(letter) for letter in text) * size / 1000


def _other(letter: str) -> int:
    if combining(letter) or category(letter) in ("Cf", "Mn", "Me"):
        return 0
    return WIDE if east_asian_width(letter) in "WF" else OTHER
