"""The page of questions answers what students really get wrong: the most frequent mistakes in their answers."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = ROOT / "tests" / "benchmarks" / "feedback" / "wrong"
SAYS_ONLY_THAT_IT_IS_WRONG = {"unnamed", "wrong-type", "wrong-shape", "count", "wrong-sign"}


def test_the_most_frequent_mistakes_have_an_entry():
    headers = re.findall(r"^=== [\w-]+: ([\w, -]+?)(?: \||$)", "\n".join(texts()), re.MULTILINE)
    codes = Counter(code.strip() for codes in headers for code in codes.split(","))
    named = [code for code, _ in codes.most_common() if code not in SAYS_ONLY_THAT_IT_IS_WRONG]
    titles = re.findall(r"^## .*", (ROOT / "docs" / "questions.md").read_text(encoding="utf-8"), re.MULTILINE)
    answered = {code for title in titles for code in re.findall(r"`([\w-]+)`", title)}
    assert {*named[:14]} <= answered


def texts():
    return [path.read_text(encoding="utf-8") for path in sorted(ANSWERS.glob("*.txt"))]
