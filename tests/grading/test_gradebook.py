"""The grade books of Canvas and Moodle: as they export them, with the points of a class."""

import csv
import io
import unicodedata

import pytest

from tinygrad_lora.commands import main as cli
from tinygrad_lora.errors import ExerciseError
from tinygrad_lora.grading.gradebook import filled
from tinygrad_lora.learn.registry import load_exercise

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


def results(out_of=14, **points):
    return {name: {"points": n, "out_of": out_of} for name, n in points.items()}


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
    made = book(CANVAS, results(10, grace=3), "Week 3")
    assert rows(made)[0][-1] == "Week 3 (771)" and rows(made)[0].count("Week 3 (771)") == 1
    assert rows(made)[1][-1] == "10.00", "what it is worth is Canvas's to say"
    assert {row[1]: row[-1] for row in rows(made)[2:]} == {"4211": "9.00", "4212": "3", "4213": "", "4299": ""}


def test_an_assignment_that_is_worth_something_else_is_refused_with_both_numbers(book):
    with pytest.raises(ExerciseError, match=r"Week 3 \(771\) is worth 10.00 points, and the exercises 14: .*--column"):
        book(CANVAS, results(grace=3), "Week 3")
    with pytest.raises(ExerciseError, match=r"Current Score is worth \(read only\) points"):
        book(CANVAS, results(grace=3), "Current Score")
    without = book(CANVAS.replace("10.00", ""), results(grace=3), "Week 3")
    assert rows(without)[1][-1] == "14"


def test_two_assignments_for_one_title_are_refused_by_name(book):
    both = CANVAS.replace("Week 3 (771)", "Week 3 (771),Week 3 (772)").replace("10.00", "10.00,10.00")
    with pytest.raises(ExerciseError, match=r"Week 3 may be Week 3 \(771\) or Week 3 \(772\): say with --column"):
        book(both, results(10, grace=3), "Week 3")
    assert rows(book(both, results(10, grace=3), "Week 3 (772)"))[0][-1] == "Week 3 (772)"
    with pytest.raises(ExerciseError, match=r"has no column Week 3 \(773\): leave out the number"):
        book(both, results(10, grace=3), "Week 3 (773)")
    other = book(CANVAS.replace("Week 3 (", "Week 3 (bonus) ("), results(grace=3), "Week 3")
    assert rows(other)[0][-1] == "Week 3", "another assignment that begins like it is not meant"


@pytest.mark.parametrize("title", ["Section", "id", "SIS Login ID"])
def test_a_column_about_the_students_holds_no_points(book, title):
    with pytest.raises(ExerciseError, match=f"{title} is a column about the students: give another name"):
        book(CANVAS, results(grace=3), title)


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


def test_a_number_in_the_name_of_a_file_is_the_platforms_own(book):
    """Canvas writes its ID there, and Moodle the number of its worksheet; another column may hold the same number."""
    without = CANVAS.replace('"Lovelace, Ada",4211', '"Lovelace, Ada",5000').replace("S-2", "4211")
    assert book(without, results(x_4211_88213_04=5)).unknown == ["x_4211_88213_04"]
    people = "Identifier,Full name,Email address,Status,Grade\n"
    sheet = people + "".join(f"Participant {n},Ada Lovelace,ada{n}@school.example,,\n" for n in (17, 18))
    made = book(sheet, {f"Ada Lovelace_{n}_assignsubmission_file_": {"points": n, "out_of": 20} for n in (18, 17)})
    assert [row[-1] for row in rows(made)[1:]] == ["17", "18"], "two students of one name"


def test_who_is_not_in_the_book_or_not_clearly_is_named_and_gets_nobodys_line(book):
    made = book(MOODLE, results(eve=5, School=6, **{"Ada Lovelace": 8, "hw_1_2_x": 9, "Points Possible": 3}))
    assert made.unknown == ["eve", "School", "hw_1_2_x", "Points Possible"] and made.rivals == []
    assert [row[-1] for row in rows(made)[1:]] == ["8", "", ""]
    assert book(CANVAS, results(**{"Points Possible": 3})).unknown == ["Points Possible"]


def test_two_submissions_for_one_line_are_both_named_and_neither_has_it(book):
    made = book(MOODLE, results(**{"S-1": 7, "Ada Lovelace": 8, "Grace Hopper": 9}))
    assert made.rivals == ["S-1", "Ada Lovelace"] and made.unknown == []
    assert [row[-1] for row in rows(made)[1:]] == ["", "9", ""]


MATHS = MOODLE.replace("Ada,Lovelace,S-1,School,Maths", "Ada,Lovelace,S-1,Uni,Physics")
GERMAN = MATHS.replace("First name,Last name,ID number,Institution,Department,Email address",
                       "Vorname,Nachname,ID-Nummer,Institution,Abteilung,E-Mail-Adresse")  # fmt: skip


@pytest.mark.parametrize("text", [
    MATHS, GERMAN, CANVAS.replace("4211,S-1,ada@school.example,Group 1", "4211,S-1,ada@school.example,Physics"),
    CANVAS.replace("Student,ID", "LastName,FirstName,ID").replace('"Lovelace, Ada"', "Lovelace,Ada")
    .replace("Possible,", "Possible,,").replace('"Hopper, Grace"', "Hopper,Grace").replace('"Turing, Alan"', "x,y")
    .replace('"Student, Test"', "v,w"),
], ids=["moodle", "german", "canvas", "names apart"])  # fmt: skip
def test_a_first_name_a_department_or_a_section_is_nobodys_name(book, text):
    """Even if only one line has it: `Ada.py` may be another Ada's, and whoever wrote `Physics.py` is not the book's."""
    parts = results(Ada=1, Lovelace=2, Physics=3, Uni=4, **{"7.00": 5, "9.00": 5})
    made = book(text, parts)
    assert made.unknown == [*parts] and {row[-1] for row in rows(made)[1:]} <= {"", "14"}
    for name in ("Ada Lovelace", "Lovelace, Ada", "S-1", "ada@school.example", "ADA  LOVELACE"):
        made = book(text, results(**{name: 7}) | parts)
        assert made.unknown == [*parts], name
        assert [row[-1] for row in rows(made)[1:] if "S-1" in row] == ["7"], name


def test_a_name_is_found_however_a_system_spells_its_accents(book):
    """macOS writes the names of files with letters and accents apart."""
    people = CANVAS.replace("Lovelace, Ada", "K\u00e4se, J\u00f6rg")
    for form in ("NFC", "NFD"):
        made = book(unicodedata.normalize(form, people), results(**{"Jo\u0308rg Ka\u0308se": 1, "Alan Turing": 2}))
        assert made.unknown == [] and [row[-1] for row in rows(made)[2:]] == ["1", "", "2", ""]
    named = book(CANVAS.replace("Week 3", "\u00dcbung 3"), results(10, grace=3), "U\u0308bung 3")
    assert rows(named)[0][-1] == "\u00dcbung 3 (771)"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16"])
def test_a_book_in_another_encoding_is_refused(tmp_path, encoding):
    path = tmp_path / "book.csv"
    path.write_text(CANVAS.replace("Ada", "J\u00f6rg"), encoding=encoding)
    with pytest.raises(ExerciseError, match=r"book\.csv: this is no text in UTF-8: save it as UTF-8"):
        filled(path, results(grace=1), "04")
    for other in ("utf-8", "utf-8-sig"):
        path.write_text(CANVAS.replace("Ada", "J\u00f6rg"), encoding=other)
        assert "Lovelace, J\u00f6rg" in filled(path, results(grace=1), "04").text


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "a,b,c\n1,2,3\n", CANVAS.splitlines()[0]])
def test_what_is_no_grade_book_is_refused(book, text):
    with pytest.raises(ExerciseError, match=r"book\.csv is no grade book: export it"):
        book(text, results(ada=1))


def test_a_book_that_is_not_there_is_refused_before_anything_is_graded(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ada.py").write_text("", encoding="utf-8")
    arguments = ["grade", str(tmp_path / "in"), "--exercises", "04-twice", "--out", str(tmp_path / "out")]
    assert cli.main([*arguments, "--gradebook", str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err and not (tmp_path / "out" / "results.csv").exists()


def test_a_book_whose_column_does_not_fit_is_refused_before_anything_is_graded(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ada.py").write_text("", encoding="utf-8")
    (tmp_path / "book.csv").write_text(CANVAS, encoding="utf-8")
    arguments = ["grade", str(tmp_path / "in"), "--exercises", "04-twice", "--out", str(tmp_path / "out")]
    assert cli.main([*arguments, "--gradebook", str(tmp_path / "book.csv"), "--column", "Week 3"]) == 2
    points = load_exercise("04-twice").points
    assert f"is worth 10.00 points, and the exercises {points}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
