"""``docs/reference/problems.md``: generated from the kinds of problems, with a heading for each."""

from typing import get_args

from schemas.problem_kinds import PROBLEM_KINDS, ProblemName, type_uri
from schemas.problems import Problem
from scripts.write_problems import FILE, as_markdown


def test_the_page_is_generated_from_the_kinds() -> None:
    assert FILE.read_text(encoding="utf-8") == as_markdown(), "run: python -m scripts.write_problems"


def test_the_last_part_of_a_type_is_the_heading_of_the_problem() -> None:
    headings = [line.removeprefix("## ") for line in as_markdown().splitlines() if line.startswith("## ")]
    assert {*headings} == {type_uri(name).rpartition(":")[2] for name in get_args(ProblemName)}
    assert len(headings) == len(PROBLEM_KINDS)


def test_every_problem_leads_to_its_heading() -> None:
    for name in get_args(ProblemName):
        path, _, heading = Problem.of(name, "").documentation.partition("#")
        assert (FILE.parents[2] / path).samefile(FILE)
        assert f"\n## {heading}\n\n{PROBLEM_KINDS[name].title}. " in FILE.read_text(encoding="utf-8")


def test_every_section_has_title_status_type_source_cause_and_remedy() -> None:
    _, *sections = as_markdown().split("\n## ")
    for section in sections:
        name, _, text = section.partition("\n")
        kind = PROBLEM_KINDS[name]  # type: ignore[index]
        for part in (kind.title, f"Status {kind.status}", type_uri(name), kind.cause, kind.remedy):  # type: ignore[arg-type]
            assert part in text
        assert "from: ." not in text


def test_causes_and_remedies_are_sentences() -> None:
    for kind in PROBLEM_KINDS.values():
        assert kind.title[0].isupper()
        assert not kind.title.endswith(".")
        for text in (kind.cause, kind.remedy):
            assert (text[0].isupper(), text[-1]) == (True, ".")
