"""Rules of style that a test can check, for docstrings, comments, help texts, documentation and names.

A docstring starts with an action or a thing. A help text is true without its option's name. A sentence has at most 30
words. One concept has one word.
"""

import ast
import functools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from cli import main

ROOT = Path(__file__).parents[1]
MAX_WORDS = 30  # of a sentence
QUESTION = re.compile(r"(What|Whether|Who|Whom|Whose|How|Why|Where|Which|When)\b")
FRAGMENT = re.compile(r"(Of|In|On|These|Those|Highest|The same)\b")
VAGUE_NAMES = {"each", "said", "whole", "own", "many", "of"}  # of variables and parameters
OLD_WORDS = re.compile(r"\b((?i:front door|gist|told|lanes?)|Edge|running_edge|no_edge|no-edge)\b")

# Lines of tables, headings, doctests, trees, code, and lists in two columns.
NO_PROSE = re.compile(r"^\s*(\||#|>>>|\.\.\.|├|└|=====)|^ {4}|\S {2,}\S")

# Files that accept the old option --no-edge, or test it.
OLD_OPTION = {"cli/service/serve.py", "tests/test_cli.py", "tests/integration/service/test_options.py"}


class Sentence(NamedTuple):
    """A text and its place."""

    place: str
    text: str


def files() -> list[Path]:
    """Return the files of the repository, including those that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    found = [ROOT / path for path in listed] or [
        path for path in ROOT.rglob("*") if not {".venv", "build"} & {*path.relative_to(ROOT).parts}
    ]
    return sorted({path for path in found if path.is_file()})


PYTHON = [path for path in files() if path.suffix == ".py"]
PAGES = [path for path in files() if path.suffix == ".md" and path.name != "MODEL_CARD.md"]  # cards come from training
TEXTS = [
    path
    for path in files()
    if path.suffix in {".py", ".md", ".yaml", ".yml", ".jinja", ".properties", ".sh", ".toml", ".json"}
    or path.name in {"Dockerfile", "Makefile"}
    if path.stat().st_size < 1_000_000
    and path.name != "CHANGELOG.md"
    and path.name not in {"golden.json", "examples.json"}
    and path != Path(__file__)
]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def docstrings(path: Path) -> list[Sentence]:
    """Return the docstrings of a Python file, with their lines."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, documented))
    texts = ((getattr(node, "lineno", 1), ast.get_docstring(node)) for node in nodes)
    return [Sentence(f"{name(path)}:{line}", text) for line, text in texts if text]


def paragraphs(text: str) -> Iterator[str]:
    """Yield the prose of a docstring or page: no code, tables, headings, lists of arguments or doctests."""
    text = re.sub(r"^( *)```.*?^\1```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^<!-- .*?-->$", "", text, flags=re.MULTILINE)
    for paragraph in re.split(r"\n\s*\n", text):
        if re.search(r"::$", paragraph, re.MULTILINE):
            paragraph = re.split(r"::\n", paragraph)[0]
        if "\b" in paragraph:  # click keeps its lines as they are
            continue
        lines = [line for line in paragraph.splitlines() if not NO_PROSE.search(line)]
        if lines and not re.match(r"(Args|Returns|Yields|Raises|Attributes|Errors|Example)\w*:", lines[0]):
            for item in re.split(r"\n\s*(?:[-*]|\d+\.)\s", "\n" + "\n".join(lines)):
                yield " ".join(item.split())


def sentences(text: str) -> Iterator[str]:
    for paragraph in paragraphs(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", paragraph)
        yield from re.split(r"(?<=[.!?:;])\s+", plain)


def long_sentences(text: str) -> list[str]:
    return [sentence for sentence in sentences(text) if len(sentence.split()) > MAX_WORDS]


def help_texts(command: click.Command, path: str = "shopcat") -> Iterator[Sentence]:
    """Yield the help text of each command and option."""
    yield Sentence(path, command.help or "")
    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden:
            yield Sentence(f"{path} {param.opts[0]}", param.help or "")
    if isinstance(command, click.Group):
        for child, found in command.commands.items():
            yield from help_texts(found, f"{path} {child}")


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_docstrings_start_with_an_action_or_a_thing(path: Path) -> None:
    faults = [f"{place}: {text.splitlines()[0]}" for place, text in docstrings(path) if QUESTION.match(text)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_comments_start_with_an_action_or_a_thing(path: Path) -> None:
    faults = re.findall(r"^\s*# ((?:What|Whether|Who|How|Why|Where|Which)\b.*)", path.read_text("utf-8"), re.MULTILINE)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_docstrings_have_short_sentences(path: Path) -> None:
    faults = [f"{place}: {s}" for place, text in docstrings(path) for s in long_sentences(text)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_pages_have_short_sentences(path: Path) -> None:
    faults = long_sentences(path.read_text(encoding="utf-8"))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_old_words_are_gone(path: Path) -> None:
    lines = enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
    faults = [
        f"{name(path)}:{number}: {line.strip()[:160]}"
        for number, line in lines
        if OLD_WORDS.search(re.sub(r"no[_-]edge", "", line) if name(path) in OLD_OPTION else line)
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", [path for path in PYTHON if "tests" in path.parts], ids=name)
def test_test_names_say_what_holds(path: Path) -> None:
    faults = re.findall(
        r"^def (test_(?:what|whether|who|how|where|why|which)_\w*)", path.read_text("utf-8"), re.MULTILINE
    )
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", [path for path in PYTHON if "tests" not in path.parts], ids=name)
def test_variables_name_a_thing(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    variables = {(node.id, node.lineno) for node in ast.walk(tree) if isinstance(node, ast.Name)}
    parameters = {(node.arg, node.lineno) for node in ast.walk(tree) if isinstance(node, ast.arg)}
    vague = [f"{name(path)}:{line}: {found}" for found, line in variables | parameters if found in VAGUE_NAMES]
    assert vague == []


def test_help_texts_are_complete() -> None:
    texts = list(help_texts(main))
    assert [place for place, text in texts if not text and not place.endswith(("--help", "--version"))] == []
    assert [f"{place}: {text}" for place, text in texts if FRAGMENT.match(text) or QUESTION.match(text)] == []


def test_breaches_are_found() -> None:
    """Each rule finds a text that breaks it, and accepts one that does not."""
    for rule, wrong, right in (
        (QUESTION, "Whether it is open.", "Whole days."),
        (FRAGMENT, "Of these.", "Often."),
        (OLD_WORDS, "At the Front Door", "at the left edge"),
        (OLD_WORDS, "as told", "as stated"),
    ):
        assert rule.search(wrong)
        assert not rule.search(right)
    long = "word " * 31 + "end."
    assert long_sentences(f"Short.\n\n- {long}") == [long.strip()]
    assert not long_sentences(f"```sh\n{long}\n```\n\n| {long} |\n\nArgs:\n    it: {long}")
