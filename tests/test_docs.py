"""The documentation: kinds of pages, links, generated parts, table cells, and the site."""

import re
import subprocess
import sys
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

import onnxruntime
import pytest

import shopcat
from sales.calendar import Calendar
from sales.panel import Panel
from schemas.pets.manifest import BackboneSpec, HeadSpec, ImageSpec, PetsManifest
from schemas.sales.manifest import NetworkSpec, PreprocessSpec, SalesManifest
from scripts.examples import ROOT
from scripts.write_reference import GENERATORS, REFERENCE, updated

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FOLDER_KINDS = {
    "guides": "Guide",
    "console": "Guide",
    "engines": "Guide",
    "concepts": "Concept",
    "reference": "Reference",
}
GENERATED = {REFERENCE / name for name in (*GENERATORS, "problems.md", "errors.md")}
MAX_CELL = 15  # words


def page_id(page: Path) -> str:
    return str(page.relative_to(DOCS))


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as MkDocs and GitHub make them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    explicit = re.findall(r'<a (?:id|name)="([^"]+)"|\{ ?#([\w-]+) ?\}', prose(page))
    slugs = {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip()) for title in titles}
    return slugs | {name for pair in explicit for name in pair if name}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_page_states_its_kind(page: Path) -> None:
    title, _, first, *_ = page.read_text(encoding="utf-8").splitlines()
    assert title.startswith("# ")
    kind = FOLDER_KINDS.get(page.parent.name, "Index")
    if page.name == "glossary.md":
        kind = "Reference"
    if page not in GENERATED or page.name in GENERATORS:
        assert re.fullmatch(rf"\*{kind}\. .*\*", first), first


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_between_pages_leads_to_a_heading(page: Path) -> None:
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", prose(page)):
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), path
        assert target.is_relative_to(DOCS), f"{path} is outside the site"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("page", [page for page in PAGES if page not in GENERATED], ids=page_id)
def test_table_cells_are_short(page: Path) -> None:
    for line in prose(page).splitlines():
        if line.startswith("|"):
            for cell in re.split(r"(?<!\\)\|", line.strip("|")):
                text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", cell)
                assert len(text.split()) <= MAX_CELL, cell


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_index_and_the_navigation_have_every_page(page: Path) -> None:
    path = page_id(page)
    assert f": {path}\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert path == "index.md" or f"]({path})" in (DOCS / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", GENERATORS)
def test_generated_parts_are_current(name: str) -> None:
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == updated(name), "run: python -m scripts.write_reference"


def test_the_specification_has_every_field_of_the_manifests() -> None:
    page = (DOCS / "concepts" / "bundles-and-archives.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^###? (.*?)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))

    def listed(title: str) -> set[str]:
        cells = re.findall(r"^\| (`.*?) \|", sections[title], re.MULTILINE)
        return {name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)}

    common = listed("Fields of both kinds")
    assert common == SalesManifest.model_fields.keys() & PetsManifest.model_fields.keys()
    of_sales = listed("Fields of a sales bundle")
    assert of_sales == (SalesManifest.model_fields.keys() - common) | {*PreprocessSpec.model_fields}
    assert listed("Fields of a pets bundle") == PetsManifest.model_fields.keys() - common
    for model in (NetworkSpec, ImageSpec, BackboneSpec, HeadSpec):
        for field in model.model_fields:
            assert re.search(rf"`(image\.)?{field}`", page), field
    panel = {field.name for field in fields(Panel)} - {"calendar", "levels"}
    calendar = {f"calendar.{field.name}" for field in fields(Calendar)}
    assert listed("The tables of a sales bundle") == panel | calendar


def test_the_specification_has_the_networks_inputs_and_outputs() -> None:
    page = (DOCS / "concepts" / "bundles-and-archives.md").read_text(encoding="utf-8")
    for kind, bundle in {"sales": "demo", "pets": "pets"}.items():
        section = page.partition(f"## The network of a {kind} bundle")[2].partition("\n## ")[0]
        rows = re.findall(r"^\| `(\w+)` \| (input|output) \| (\w+) \|", section, re.MULTILINE)
        session = onnxruntime.InferenceSession(str(ROOT / "model_store" / bundle / "model.onnx"))
        types = {"tensor(float)": "float32", "tensor(int32)": "int32", "tensor(int64)": "int64"}
        actual = [(node.name, "input", types[node.type]) for node in session.get_inputs()]
        assert rows == actual + [(node.name, "output", types[node.type]) for node in session.get_outputs()]


def test_the_specification_has_the_outputs_of_the_features_graph() -> None:
    page = (DOCS / "concepts" / "bundles-and-archives.md").read_text(encoding="utf-8")
    section = page.partition("## The features of a pets bundle")[2].partition("\n## ")[0]
    shapes = dict(
        re.findall(r"^\| `(STAGE-\w+)` \| output \| float32 \| rows, channels([, 3]*):", section, re.MULTILINE)
    )
    session = onnxruntime.InferenceSession(str(ROOT / "model_store" / "pets" / "features.onnx"))
    assert [node.name for node in session.get_inputs()] == ["images"]
    for node in session.get_outputs():
        stage, _, pooling = node.name.partition("-")
        assert f"`{stage}`" in section
        assert "".join(f", {side}" for side in node.shape[2:]) == shapes[f"STAGE-{pooling}"]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    if page.name == "add-a-model.md":
        return  # it names files that the reader will write
    tops = "benchmarks|cli|deploy|docs|handlers|pets|runtime|sales|schemas|scripts|serving|shopcat|tests|training"
    for path in re.findall(rf"`((?:{tops})/[\w./-]*)`", page.read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), path


def test_the_python_api_has_every_exported_name() -> None:
    page = (REFERENCE / "python-api.md").read_text(encoding="utf-8")
    assert {*re.findall(r"^::: shopcat\.(\w+)$", page, re.MULTILINE)} - {"errors"} == {*shopcat.__all__} - {
        "__version__"
    }


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_every_module_that_a_page_runs_exists(page: Path) -> None:
    for module in re.findall(r"\b((?:benchmarks|scripts)\.(?!md)\w+(?:\.\w+)*)", page.read_text(encoding="utf-8")):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


@pytest.mark.integration
def test_the_site_builds_without_warnings(tmp_path: Path) -> None:
    for package in ("mkdocs", "material", "mkdocstrings"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed; pip install '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reference" / "python-api.html").is_file()
