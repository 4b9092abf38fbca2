"""Every type of problem on one page, for clients: ``python -m schemas.problem_list`` rewrites ``docs/problems.md``."""

from pathlib import Path

from schemas.openapi import GATEWAY, PETS, SALES
from schemas.problem_kinds import PROBLEM_KINDS, ProblemName, type_uri
from schemas.problems import FieldError, Problem

FILE = Path(__file__).parents[1] / "docs" / "problems.md"

_HEAD = """# Problems

*Generated from schemas/problems.py by `python -m schemas.problem_list`.*

What can't be answered is answered with a problem, [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) JSON with the
content type `application/problem+json`, whoever found it: the gateway, or the model. `type` is what a program should
look at: it stays, while the words may change. Where fields are at fault, `errors` names each of the first ten with its
`path` (a JSON pointer), the `value` that was sent, and in `detail` what is allowed. Among many items a bad one has its
problem in its place.
"""


def as_markdown() -> str:
    """The page."""
    error = FieldError(path="/promo", value="'yes'", detail="must be true or false")
    problem = Problem.of("invalid-request", "/promo: must be true or false (sent: 'yes')", [error])
    example = problem.model_dump_json(exclude_defaults=True, indent=2)
    lines = ["| type | status | from | means | what to do |", "|---|---|---|---|---|"]
    for kind, about in sorted(PROBLEM_KINDS.items(), key=lambda each: each[1].status):
        lines.append(f"| `{type_uri(kind)}` | {about.status} | {_sources(kind)} | {about.title} | {about.remedy} |")
    return f"{_HEAD}\n```json\n{example}\n```\n\n" + "\n".join(lines) + "\n"


def _sources(kind: ProblemName) -> str:
    """Who answers with it."""
    sources = {"sales": SALES, "pets": PETS, "the gateway": GATEWAY}
    return ", ".join(name for name, kinds in sources.items() if kind in kinds)


if __name__ == "__main__":
    FILE.write_text(as_markdown(), encoding="utf-8")
