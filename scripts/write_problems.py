"""Write docs/reference/problems.md, the page about every kind of problem: ``python -m scripts.write_problems``."""

from pathlib import Path

from schemas.console import PROBLEMS as CONSOLE_PROBLEMS
from schemas.kinds import MODEL_KINDS
from schemas.problem_kinds import GATEWAY_PROBLEMS, PROBLEM_KINDS, ProblemKind, ProblemName, type_uri
from schemas.problems import FieldError, Problem

FILE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "problems.md"

_HEAD = """# Problems

*Reference. Generated from schemas/problem_kinds.py by `python -m scripts.write_problems`.*

The gateway and the models answer with a problem if they cannot answer a request. A problem is JSON as
[RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) defines it, with the content type `application/problem+json`:

```json
{example}
```

`type` identifies the kind of problem. It is stable, so programs should read it; the other texts may change.
`documentation` leads to the problem's heading on this page. The last part of `type` is the same heading:
`urn:shopcat:problem:unknown-store` is described under [unknown-store](#unknown-store).

If fields are at fault, `errors` has the first ten of them. `path` is a JSON pointer to the field, `value` is the value
that was sent, and `detail` gives the allowed values. In a list of items, an invalid item has its problem in its place,
and the other items have their answers.
"""


def as_markdown() -> str:
    """Return the page."""
    error = FieldError(path="/promo", value="'yes'", detail="must be true or false")
    problem = Problem.of("invalid-request", "/promo: must be true or false (sent: 'yes')", [error])
    kinds = sorted(PROBLEM_KINDS.items(), key=lambda item: item[1].status)
    rows = [f"| [{name}](#{name}) | {kind.status} | {_sources(name)} |" for name, kind in kinds]
    return "\n".join(
        [
            _HEAD.replace("{example}", problem.model_dump_json(exclude_defaults=True, indent=2)),
            "| problem | status | from |",
            "|---|---|---|",
            *rows,
            *(line for name, kind in kinds for line in _section(name, kind)),
            "",
        ]
    )


def _section(name: ProblemName, kind: ProblemKind) -> list[str]:
    """Return the lines about one kind of problem."""
    return [
        "",
        f"## {name}",
        "",
        f"{kind.title}. Status {kind.status}, `{type_uri(name)}`, from: {_sources(name)}.",
        "",
        f"- Likely cause: {kind.cause}",
        f"- What to do: {kind.remedy}",
    ]


def _sources(name: ProblemName) -> str:
    """Return the names of the parts of the service that answer with a problem."""
    sources = {kind.name: kind.problems for kind in MODEL_KINDS.values()}
    sources |= {"console": CONSOLE_PROBLEMS, "gateway": GATEWAY_PROBLEMS}
    return ", ".join(source for source, problems in sources.items() if name in problems)


if __name__ == "__main__":
    FILE.write_text(as_markdown(), encoding="utf-8")
