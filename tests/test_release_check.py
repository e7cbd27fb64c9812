"""What is looked at before a release, and the links and workflows that a release needs."""

import io
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from release import checks, command, texts

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    "tinygrad_lora/__init__.py": '"""Words."""\n\n__version__ = "1.2.3"\n',
    "pyproject.toml": '[project]\nname = "x"\nversion = "1.2.3"\n',
    "CITATION.cff": "version: 1.2.3\ndate-released: 2026-12-01\n",
    "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-12-01\n\n- All.\n",
}


@pytest.fixture
def checkout(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_checkout_that_agrees_has_no_faults(checkout):
    assert not list(texts.different_versions(checkout, "v1.2.3")) and not list(texts.faults_of_changelog(checkout))


@pytest.mark.parametrize("name", FILES)
def test_a_version_that_is_another_is_found(checkout, name):
    (checkout / name).write_text(FILES[name].replace("1.2.3", "1.2.4"), encoding="utf-8")
    said = " ".join(texts.different_versions(checkout))
    assert "1.2.4" in said and (name in said or name == "tinygrad_lora/__init__.py")


def test_a_tag_of_another_version_is_found(checkout):
    assert list(texts.different_versions(checkout, "v2.0.0")) == [
        "the tag says 2.0.0, tinygrad_lora/__init__.py says 1.2.3"
    ]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("## [Unreleased]\n", "## [Unreleased]\n\n- New.\n", "1 lines stand under [Unreleased]"),
        ("2026-12-01", "2026-12-02", "CHANGELOG.md says 2026-12-02, CITATION.cff was released on 2026-12-01"),
        ("## [1.2.3] - 2026-12-01", "## 1.2.3", "there is no heading"),
    ],
)
def test_a_changelog_that_is_not_that_of_a_release_is_found(checkout, old, new, fault):
    path = checkout / "CHANGELOG.md"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    assert fault in " ".join(texts.faults_of_changelog(checkout))


def test_a_new_version_is_written_everywhere(checkout):
    path = checkout / "CHANGELOG.md"
    path.write_text(FILES["CHANGELOG.md"].replace("[Unreleased]\n", "[Unreleased]\n\n- New.\n"), encoding="utf-8")
    assert len(texts.set_version(checkout, "2.0.0", "2027-01-02")) == 4
    assert texts.version_of(checkout) == "2.0.0"
    assert not list(texts.different_versions(checkout)) and not list(texts.faults_of_changelog(checkout))
    assert "## [Unreleased]\n\n## [2.0.0] - 2027-01-02\n\n- New.\n\n## [1.2.3]" in path.read_text(encoding="utf-8")


def test_a_file_that_has_no_version_leaves_all_files_as_they_are(checkout):
    (checkout / "CITATION.cff").write_text("title: x\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"CITATION\.cff has no line"):
        texts.set_version(checkout, "2.0.0", "2027-01-02")
    assert texts.version_of(checkout) == "1.2.3"


def test_the_versions_of_this_checkout_agree():
    assert not list(texts.different_versions(ROOT))


# --- The command ---


def fails(plan, log):
    raise checks.Fault("it is not so")


def stops(plan, log):
    raise KeyboardInterrupt


def trial(*functions):
    return [checks.Check(function.__name__, "a trial", function) for function in functions]


def passes(plan, log):
    return "but for one thing"


@pytest.mark.parametrize(
    ("functions", "code", "shown"),
    [
        ([passes], 0, ["1/1  passes: a trial", "passes     passed", "but for one thing", "All 1 checks passed."]),
        ([fails, passes], 1, ["fails      FAILED", "it is not so; fails.log in", "1 of 2 checks failed."]),
        ([passes, stops, passes], 130, ["stops      stopped"]),
    ],
)
def test_checks_print_a_table_and_give_an_exit_code(functions, code, shown, tmp_path, capsys):
    assert command.run(trial(*functions), checks.Plan(), tmp_path) == code
    printed = capsys.readouterr().out
    assert all(words in printed for words in shown), printed


def test_only_chooses_checks_and_nothing_asked_is_nothing_done(monkeypatch, capsys, tmp_path):
    ran = []
    names = [check.name for check in checks.CHECKS]
    monkeypatch.setattr(command, "CHECKS", [checks.Check(n, n, lambda plan, log, n=n: ran.append(n)) for n in names])
    monkeypatch.setattr(command, "ROOT", tmp_path)  # where the logs go
    assert command.main(["--check", "--only", "docs", "--only", "tree"]) == 0
    assert ran == ["tree", "docs"]
    assert command.main([]) == 2 and "--check" in capsys.readouterr().err


def test_a_command_that_fails_is_a_fault_with_its_last_line():
    log = io.StringIO()
    with pytest.raises(checks.Fault, match="ended with exit code 3: broken"):
        checks._call([checks.sys.executable, "-c", "print('broken'); raise SystemExit(3)"], log)
    assert "broken" in log.getvalue()
    with pytest.raises(checks.Fault, match="no-such-program is not installed"):
        checks._call(["no-such-program"], log)


# --- What a release needs ---


def test_the_checks_that_a_workflow_names_exist():
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    named = re.findall(r"--only (\w+)", text)
    assert named and set(named) <= {check.name for check in checks.CHECKS}


def test_the_workflows_test_every_python_that_is_supported():
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["classifiers"]
    supported = re.findall(r"Python :: (\d\.\d+)", " ".join(classifiers))
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    assert re.findall(r'"(3\.\d+)"', text.partition("python: [")[2].partition("]")[0]) == supported
    assert "[ubuntu-latest, macos-latest, windows-latest]" in text


def test_actions_are_held_to_a_commit():
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for action in re.findall(r"uses: (.+)", path.read_text(encoding="utf-8")):
            assert action.startswith("./") or re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", action), action


@pytest.mark.skipif(not shutil.which("actionlint"), reason="actionlint is not installed")
def test_actionlint_finds_nothing():
    checks._call(["actionlint", *(ROOT / ".github" / "workflows").glob("*.yml")], io.StringIO())


def test_links_come_from_one_setting():
    links = pytest.importorskip("build_site.links", reason="the documentation's packages are not installed")
    where = {"repository": "owner/name", "branch": "main", "lab": "https://host/lab/"}
    assert links.addresses("04_order.ipynb", where) == {
        "the lab": "https://host/lab/notebooks/index.html?path=04_order.ipynb",
        "Binder": "https://mybinder.org/v2/gh/owner/name/main?labpath=tutorials%2F04_order.ipynb",
        "Colab": "https://colab.research.google.com/github/owner/name/blob/main/tutorials/04_order.ipynb",
    }
    assert links.addresses("04_order.ipynb", {"repository": "", "branch": "main", "lab": ""}) == {}
    assert links.setting().keys() == where.keys()
