"""The study kit: twelve questions in parallel forms, consent first, and a table without names."""

import csv
import io
import json

import pytest

from tinygrad_lora.commands import main as cli
from tinygrad_lora.errors import ExerciseError
from tinygrad_lora.files import csv_text
from tinygrad_lora.learn.predictions.prediction import UNFORESEEN, all_predictions
from tinygrad_lora.learn.study.export import COLUMNS, collected, summary
from tinygrad_lora.learn.study.sitting import CODE, CONSENT, FORMS, LARGEST, form_for, items, rows_of, sit

CODES = [f"code{i}" for i in range(40)]
each_item = pytest.mark.parametrize("item", items(), ids=lambda item: item.id)


def typed(question, answer):
    """An answer as a person types it."""
    if question.kind == "choice":
        return next(letter for letter, text in question.choices.items() if text == answer)
    return str(answer)


class Person:
    """Answers with the text that `choose` gives for a question; `said` is what was shown."""

    def __init__(self, code, choose=lambda question: typed(question, question.right), consent="yes"):
        self.code, self.choose, self.consent, self.shown = code, choose, consent, []

    def sit(self, form, folder):
        answers = iter([self.consent, *map(self.choose, form_for(self.code, form))])
        return sit(form, self.code, folder, ask=lambda _: next(answers), show=self.shown.append)


def test_there_are_twelve_and_no_tutorial_asks_them():
    assert len(items()) == 12 and len({item.id for item in items()}) == 12
    assert not {item.id for item in items()} & set(all_predictions())


@each_item
def test_two_forms_differ_in_numbers_alone_and_each_mistake_has_a_name(item):
    texts = set()
    for seed in range(60):
        question = item.question(seed)
        texts.add(question.text)
        assert question.judge(typed(question, question.right)) is None
        assert question.kind == item.question(0).kind and len(question.foreseen) >= 2
        codes = [question.judge(typed(question, one.answer)) for one in question.foreseen]
        assert all(codes), f"a mistake that gives the right number tells nobody apart: {question.text}"
        assert all(found.code != UNFORESEEN for found in codes)
        assert codes[0].code == question.foreseen[0].code
        assert str(question.right) not in question.text or question.kind != "number" or question.right in range(100)
    assert len(texts) >= 4, "enough other numbers"


def test_everybody_gets_numbers_of_their_own_the_same_each_time_and_others_after_the_course():
    for code in CODES:
        before, after = (form_for(code, form) for form in FORMS)
        assert [one.text for one in before] == [one.text for one in form_for(code, "pre")]
        assert [one.id for one in before] == [one.id for one in after] == [item.id for item in items()]
        assert all(a.text != b.text for a, b in zip(before, after, strict=True))
    assert len({"".join(one.text for one in form_for(code, "pre")) for code in CODES}) == len(CODES)


def test_without_consent_nothing_is_recorded_and_the_text_comes_first(tmp_path):
    person = Person("nobody1", consent="no")
    assert person.sit("pre", tmp_path) is None and not list(tmp_path.iterdir())
    assert person.shown == [CONSENT.read_text(encoding="utf-8")]
    for word in ("voluntary", "no effect on your grade", "Not your name", "delete"):
        assert word in " ".join(person.shown[0].split())


def test_nothing_is_said_to_an_answer_and_what_is_none_is_asked_again(tmp_path):
    texts = iter(["yes", *(["nonsense", ""] * 12)])
    shown = []
    path = sit("pre", "ada1", tmp_path, ask=lambda _: next(texts), show=shown.append)
    rows = list(rows_of(path))
    assert [row["answer"] for row in rows] == [""] * 12
    assert sum("is no answer here" in text for text in shown) == 12 and len(shown) == 25
    person = Person("ada2", lambda question: typed(question, question.foreseen[0].answer))
    assert set(next(rows_of(person.sit("pre", tmp_path)))) == {"code", "form", "question", "answer", "seconds"}
    (tmp_path / "study-ada1.jsonl").unlink()
    rows = collected(tmp_path).rows
    assert len(person.shown) == 13 and not any(row["right"] for row in rows)
    assert [row["diagnosis"] for row in rows] == [one.foreseen[0].code for one in form_for("ada2", "pre")]


def test_a_sitting_that_was_stopped_goes_on_and_none_is_answered_twice(tmp_path):
    answers = iter(["yes", "1", "2"])

    def ask(_):
        if (text := next(answers, None)) is None:
            raise EOFError
        return text

    with pytest.raises(EOFError):
        sit("pre", "ada1", tmp_path, ask=ask, show=len)
    path = tmp_path / "study-ada1.jsonl"
    assert len(list(rows_of(path))) == 2
    answers = iter(["yes", *[""] * 10])
    assert sit("pre", "ada1", tmp_path, ask=ask, show=len) == path
    assert [row["question"] for row in rows_of(path)] == [item.id for item in items()]


@pytest.mark.parametrize("code", ["", "abc", "a b c d", "Ada Lovelace", "../../etc", "ümlaut", "a" * 13])
def test_a_code_that_could_be_a_name_or_a_path_is_refused(code, tmp_path):
    with pytest.raises(ExerciseError, match="4 to 12 letters"):
        sit("pre", code, tmp_path, ask=lambda _: "yes", show=len)
    assert not list(tmp_path.iterdir()) and not CODE.fullmatch(code)


@pytest.fixture
def study(tmp_path):
    """Three people: one knows nothing before and all after, one came once, one handed in the same file twice."""
    folder = tmp_path / "handed in"
    for name in ("Lovelace Ada", "Babbage Charles", "Babbage Charles late"):
        (folder / name).mkdir(parents=True)
    Person("engine", lambda question: "").sit("pre", folder / "Lovelace Ada")
    Person("engine").sit("post", folder / "Lovelace Ada")
    path = Person("tables").sit("pre", folder / "Babbage Charles")
    (folder / "Babbage Charles late" / path.name).write_bytes(path.read_bytes())
    (folder / "study-notes.jsonl").write_text(
        '{"code": "x"}\n[[[\nnull\n' + json.dumps({"form": "pre"}), encoding="utf-8"
    )
    return folder


def test_the_table_has_diagnoses_and_times_and_no_names(study):
    table, others, _ = collected(study)
    text = csv_text(COLUMNS, table)
    assert others == 0, "the same file twice is no other answer"
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS and len(rows) == 3 * 12
    assert {row["participant"] for row in rows} == {"1", "2"}
    for secret in ("engine", "tables", "Ada", "Lovelace", "Babbage", "study-engine"):
        assert secret not in text
    firsts = {collected(study).rows[-1]["form"] for _ in range(40)}
    assert len(firsts) > 1, "whose number is 1 is drawn, and follows neither from names nor from codes"


def test_nothing_in_the_table_depends_on_the_code(tmp_path):
    """Two people who know the same have the same rows, whatever their codes are: so no code finds its row."""
    tables = []
    for code in CODES[:8]:
        folder = tmp_path / code
        for form in FORMS:
            path = Person(code).sit(form, folder)
        rows = [row | {"seconds": 3.26} for row in rows_of(path)]
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        tables.append(collected(folder).rows)
    assert all(table == tables[0] for table in tables)
    assert set(tables[0][0]) == set(COLUMNS) and {row["seconds"] for row in tables[0]} == {3}


@each_item
def test_the_same_mistakes_are_told_apart_whatever_the_numbers_are(item):
    codes = set()
    for seed in range(400):
        question = item.question(seed)
        found = [question.judge(typed(question, one.answer)).code for one in question.foreseen]
        codes.add(tuple(found))
    assert codes == {tuple(one.code for one in item.question(0).foreseen)}, "else a diagnosis excludes some codes"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"], ids=lambda name: name)
def test_what_an_editor_makes_of_a_file_is_read(encoding, tmp_path):
    path = Person("tables").sit("pre", tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    path.rename(tmp_path / "Study-tables.JSONL.txt")
    rows, others, unread = collected(tmp_path)
    assert len(rows) == 12 and not others and not unread


def test_an_answer_begins_a_line_of_its_own(tmp_path):
    for encoding in ("utf-8", "utf-16"):
        path = Person("tables").sit("pre", tmp_path)
        path.write_bytes(path.read_text(encoding="utf-8").rstrip("\n").encode(encoding))
        Person("tables").sit("post", tmp_path)
        assert len(list(rows_of(path))) == 24 and path.read_bytes().count(b"\n") == 24
        path.unlink()


def test_what_cannot_be_read_is_named_and_counted(study, monkeypatch, tmp_path, capsys):
    notes = study / "study-notes.jsonl"
    whole = study / "Lovelace Ada" / "study-engine.jsonl"
    lines = whole.read_text(encoding="utf-8").splitlines()
    whole.write_text("\n\n".join([*lines[:-2], lines[-2] + lines[-1], "{", ""]), encoding="utf-8")
    (study / "study-empty.jsonl").touch()
    (study / "study-large.jsonl").write_bytes(b"x" * (LARGEST + 1))
    (study / "study-photo.zip").write_bytes(bytes(range(256)))
    (study / "essay.txt").write_text("not of the study", encoding="utf-8")
    (study / "study-folder.jsonl").mkdir()
    rows, others, unread = collected(study)
    names = {path.name: count for path, count in unread.items()}
    lost = {notes.name: 0, "study-empty.jsonl": 0, "study-large.jsonl": 0, "study-photo.zip": 0}
    assert names == {**lost, whole.name: 2} and len(rows) == 3 * 12 - 2 and not others
    monkeypatch.chdir(tmp_path)
    assert cli.main(["study", "export", str(study)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{whole}: 2 lines were left out" in said and f"{notes}: all lines were left out" in said


def test_the_summary_counts_those_who_came_both_times(study):
    lines = summary(collected(study).rows)
    assert lines[-1] == ("all", 12, 0, 12) and lines[0] == ("study-sharing", 1, 0, 1)
    assert [line[0] for line in lines[:-1]] == [item.id for item in items()]


def test_a_file_that_was_changed_says_what_its_answers_say(study):
    path = study / "Lovelace Ada" / "study-engine.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines[1] |= {"answer": "=HYPERLINK(1)"}
    lines += [{**lines[-1], "answer": "12345"}, {**lines[-1], "form": "other"}]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    table, others, unread = collected(study)
    assert unread[path] == 1 and others == 2 and len(table) == 3 * 12 - 1
    assert table[0]["diagnosis"] == "left-out" or table[-1]["form"] == "post"
    text = csv_text(COLUMNS, table)
    assert "HYPERLINK" not in text and "Ada" not in text and "12345" not in text
    assert summary(table)[-1] == ("all", 11, 0, 11)


def test_the_command_exports_and_says_when_there_is_nothing(study, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["study", "export", str(study)]) == 0
    said = capsys.readouterr().out
    assert "2 took part" in said and (tmp_path / "study.csv").read_text(encoding="utf-8").count("\n") == 37
    (tmp_path / "empty").mkdir()
    assert cli.main(["study", "export", "empty"]) == 2
    assert cli.main(["study", "pre"]) == 2 and "choose a code" in capsys.readouterr().err
    (tmp_path / "mine.txt").write_text("Our own text.", encoding="utf-8")
    assert cli.main(["study", "consent", "--consent", "mine.txt"]) == 0
    assert capsys.readouterr().out == "Our own text.\n"


def test_a_person_in_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    answers = iter(["yes", "7"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers, None) or stop())
    assert cli.main(["study", "pre", "--code", "Fig7"]) == 0
    assert "The same command goes on" in capsys.readouterr().out
    assert [row["answer"] for row in rows_of(tmp_path / "study-fig7.jsonl")] == ["7"]
    answers = iter(["no"])
    assert cli.main(["study", "post", "--code", "fig7"]) == 0 and "Nothing was recorded" in capsys.readouterr().out


def stop():
    raise EOFError


def test_the_page_lists_the_questions_and_claims_nothing(request):
    page = (request.config.rootpath / "docs" / "study.md").read_text(encoding="utf-8")
    for item in items():
        assert f"`{item.id.removeprefix('study-')}`" in page
    for column in COLUMNS:
        assert f"`{column}`" in page
    assert "No such data has been collected" in " ".join(page.split())
