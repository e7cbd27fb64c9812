"""Classes that nobody taught: results of students, as the grader gives them."""

from tinygrad_lora.learn.diagnosis import NOT_STARTED


def student(*checks, hints=()):
    """The result of a student: each check is its exercise, its points of 2, and its diagnosis."""
    rows = [
        {"exercise": id, "test": f"test_{i}", "points": points, "out_of": 2, "diagnosis": code,
         "sentence": f"{code} in exercise {id}" if code else "", "passed": code is None}
        for i, (id, points, code) in enumerate(checks)
    ]  # fmt: skip
    points = sum(row["points"] for row in rows)
    return {"results": rows, "points": points, "out_of": 2 * len(rows), "hints": [*hints], "unreadable": []}


def hard_and_easy(n):
    """Students, the better the higher their number: the hard exercise is for the better half, the other for nobody."""
    return {
        f"student {i:03}": student(
            ("04-topo", 2 * (i >= n / 2), None if i >= n / 2 else "reversed"),
            ("04-twice", 2 * (i >= n / 4), None if i >= n / 4 else NOT_STARTED),
            ("04-diamond", 0 if i % 2 else 2, "sign" if i % 2 else None), hints=["04-topo"] * (i % 5 == 0),
        )
        for i in range(n)
    }  # fmt: skip
