"""``docs/problems.md`` is what ``schemas/problems.py`` says."""

from typing import get_args

from schemas.problem_kinds import PROBLEM_KINDS, ProblemName, type_uri
from schemas.problem_list import FILE, as_markdown


def test_the_page_is_generated_from_the_kinds() -> None:
    assert FILE.read_text(encoding="utf-8") == as_markdown(), "run: python -m schemas.problem_list"


def test_every_kind_has_its_row_with_status_source_and_remedy() -> None:
    rows = [line.strip("| ").split(" | ") for line in as_markdown().splitlines() if line.startswith("| `urn:")]
    assert {row[0]: int(row[1]) for row in rows} == {
        f"`{type_uri(kind)}`": PROBLEM_KINDS[kind].status for kind in get_args(ProblemName)
    }
    assert all(len(row) == 5 and all(row) for row in rows)
