"""The README's examples against the real service, its Python blocks, commands, links and length."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from scripts.examples import (
    PAGES,
    ROOT,
    Block,
    blocks,
    differences,
    objects,
    run_curl,
    run_python,
    running_service,
    written,
)

README = (ROOT / "README.md").read_text(encoding="utf-8")
ANSWERS = {(block.page, block.name): block for block in blocks("answer", "json")}


def commands() -> list[tuple[str, str]]:
    """Return each shopcat command in a shell block of the pages, with each of its options."""
    found = set()
    for page in PAGES:
        if page.name == "add-a-model.md":
            continue  # its commands are those of a model that the reader adds
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            joined = re.sub(r"\s*\\\n\s*", " ", block)  # continued lines
            for line in re.findall(r"^shopcat ([^\n#]*)", joined, re.MULTILINE):
                match = re.match(r"(?:(?:train|lr-find|show|export) )?[a-z-]+(?= |$)", line)
                if match:
                    found |= {(match[0], option) for option in ["--help", *re.findall(r" (--[a-z0-9-]+)", line)]}
    return sorted(found)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """HOST:PORT of the service that `make serve` starts."""
    with running_service() as found:
        yield found


@pytest.mark.integration
@pytest.mark.parametrize("example", blocks("example", "sh"), ids=lambda block: block.id)
def test_a_curl_example_gets_the_answer_that_the_page_shows(example: Block, address: str) -> None:
    actual = run_curl(example, address)
    actual.pop("receipt", None)  # another one in each answer, so that no page shows one
    answer = ANSWERS.get((example.page, example.name))
    if answer is None:
        assert "type" not in actual, actual  # not a problem
    else:
        assert differences(json.loads(answer.text), actual, shortened=answer.shortened) == []


@pytest.mark.integration
@pytest.mark.parametrize("example", blocks("example", "json"), ids=lambda block: block.id)
def test_every_request_in_json_is_answered(example: Block, address: str) -> None:
    for body in objects(example.text):
        curl = f"curl -s http://{address}/predictions/sales -H 'Content-Type: application/json' -d '{json.dumps(body)}'"
        actual = run_curl(Block(example.page, "example", example.name, False, "sh", curl), address)
        assert all("sales" in item for item in actual["items"]), actual


@pytest.mark.integration
@pytest.mark.parametrize(
    "page", sorted({block.page for block in blocks("example", "python")}), ids=lambda page: page.name
)
def test_python_examples_print_what_the_page_shows(page: Path, address: str) -> None:
    expected, actual = run_python(page, address)
    assert actual == expected


def test_every_answer_belongs_to_an_example() -> None:
    asked = {(block.page, block.name) for block in blocks("example", "sh")}
    assert set(ANSWERS) <= asked
    for role in ("example", "answer"):
        names = [block.id for language in ("sh", "python", "json") for block in blocks(role, language)]
        assert len(names) == len({*names})


def test_the_first_code_block_is_python() -> None:
    assert re.findall(r"^```(\w+)", README, re.MULTILINE)[0] == "python"


def test_the_readme_is_short() -> None:
    assert 700 <= len(README.split()) <= 900


@pytest.mark.parametrize(("command", "option"), commands())
def test_every_command_and_option_in_the_pages_exists(command: str, option: str) -> None:
    shown = CliRunner().invoke(main, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert option in shown.output


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)h#][^)#]*)[^)]*\)", README))))
def test_every_link_leads_somewhere(path: str) -> None:
    assert (ROOT / path).exists()


def test_differences_are_found() -> None:
    """The comparison itself: equal answers, cut ones, and each kind of difference."""
    actual = {"a": 0.5, "b": [1, 2, 3], "c": "iVBORw0", "d": None}
    assert differences({"a": 0.5001, "b": [1], "c": "iVB...", "d": None}, actual, shortened=True) == []
    wrong = {"a": 0.6, "b": [1, 2], "c": "iVC...", "d": 0}
    assert [place.partition(":")[0] for place in differences(wrong, actual, shortened=True)] == ["/a", "/c", "/d"]
    assert differences({"b": [1]}, {"b": [1, 2]}, shortened=False) == ["/b: 1 values, really 2"]
    assert differences({"a": 1}, {"b": 1}, shortened=False)
    assert json.loads(written(actual)) == actual
