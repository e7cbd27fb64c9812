"""The grade books of Canvas and Moodle: as they export them, with the points of a class."""

import csv
import io

import pytest

from tinygrad_lora.commands import main as cli
from tinygrad_lora.errors import ExerciseError
from tinygrad_lora.grading.gradebook import filled

# As the two export them: Canvas's `lib/gradebook_exporter.rb`, Moodle's `grade/export/txt`.
CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Week 3 (771),Current Score
    Points Possible,,,,,10.00,(read only)
"Lovelace, Ada",4211,S-1,ada@school.example,Group 1,9.00,90
"Hopper, Grace",4212,S-2,grace,Group 1,,
"Turing, Alan",4213,S-3,=alan,Group 2,,
"Student, Test",4299,,,Group 2,,
"""
MOODLE = """First name,Last name,ID number,Institution,Department,Email address,Quiz: one (Real),Last downloaded
Ada,Lovelace,S-1,School,Maths,ada@school.example,7.00,1790000000
Grace,Hopper,S-2,School,Maths,grace@school.example,-,1790000000
Alan,Turing,S-3,School,Maths,alan@school.example,-,1790000000
"""


def results(**points):
    return {name: {"points": n, "out_of": 14} for name, n in points.items()}


def rows(book):
    return [*csv.reader(io.StringIO(book.text))]


@pytest.fixture
def book(tmp_path):
    def fill(text, named, title="04"):
        path = tmp_path / "book.csv"
        path.write_text(text, encoding="utf-8-sig")
        return filled(path, named, title)

    return fill


def test_a_book_of_canvas_gets_one_assignment_with_what_it_is_worth(book):
    """Its first columns, Section before the assignments and the line Points Possible are what its importer asks for."""
    made = book(CANVAS, results(**{"4211": 12, "grace": 3, "S-3": 0}))
    head, possible, *students = rows(made)
    assert made.name == "canvas.csv" and made.unknown == []
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "04"]
    assert possible == ["    Points Possible", "", "", "", "", "14"]
    assert {row[1]: row[-1] for row in students} == {"4211": "12", "4212": "3", "4213": "0", "4299": ""}
    assert students[2][3] == "=alan", "who a student is, is not changed"


def test_an_assignment_that_canvas_has_keeps_its_number(book):
    made = book(CANVAS, results(grace=3), "Week 3")
    assert rows(made)[0][-1] == "Week 3 (771)" and rows(made)[0].count("Week 3 (771)") == 1
    assert {row[1]: row[-1] for row in rows(made)[2:]} == {"4211": "", "4212": "3", "4213": "", "4299": ""}


def test_a_book_of_moodle_keeps_all_its_columns(book):
    named = results(**{"ada@school.example": 12, "Grace Hopper": 3, "s-3": 0})
    made = book(MOODLE, named)
    assert made.name == "moodle.csv" and made.unknown == []
    assert rows(made)[0] == [*MOODLE.splitlines()[0].split(","), "04"]
    assert [row[-1] for row in rows(made)[1:]] == ["12", "3", "0"]
    again = book(made.text, named)
    assert rows(again) == rows(made), "a column that is there is filled anew"
    for separator in ";\t":
        other = book(MOODLE.replace(",", separator), named)
        assert [*csv.reader(io.StringIO(other.text), delimiter=separator)] == rows(made)


def test_names_of_downloaded_files_are_understood(book):
    canvas = results(**{"lovelaceada_4211_88213_04_order": 5, "hoppergrace_LATE_4212_88214_04_order-1": 6})
    assert [row[-1] for row in rows(book(CANVAS, canvas))[2:]] == ["5", "6", "", ""]
    moodle = results(**{"Ada Lovelace_1731_assignsubmission_file_": 5})
    assert [row[-1] for row in rows(book(MOODLE, moodle))[1:]] == ["5", "", ""]


def test_who_is_not_in_the_book_or_not_clearly_is_named_and_gets_nobodys_line(book):
    made = book(MOODLE, results(eve=5, School=6, **{"S-1": 7, "Ada Lovelace": 8, "hw_1_2_x": 9}))
    assert made.unknown == ["eve", "School", "Ada Lovelace", "hw_1_2_x"], "School is everybody's, and S-1 is Ada"
    assert [row[-1] for row in rows(made)[1:]] == ["7", "", ""]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", CANVAS.splitlines()[0]])
def test_what_is_no_grade_book_is_refused(book, text):
    with pytest.raises(ExerciseError, match=r"book\.csv is no grade book: export it"):
        book(text, results(ada=1))


def test_a_book_that_is_not_there_is_refused_before_anything_is_graded(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ada.py").write_text("", encoding="utf-8")
    arguments = ["grade", str(tmp_path / "in"), "--exercises", "04-twice", "--out", str(tmp_path / "out")]
    assert cli.main([*arguments, "--gradebook", str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err and not (tmp_path / "out" / "results.csv").exists()
