"""The folders stay small enough to look through: files side by side, and lines of a module."""

import ast
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_FILES, MOST_LINES = 15, 350
REASON = "Longer than 350 lines"  # how a module's docstring begins to say why


def tracked(*patterns: str) -> list[Path]:
    """Return the project's files, from git where there is a repository."""
    try:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git repository")
    return [path for name in listed.splitlines() if (path := ROOT / name).exists()]


def test_no_folder_has_too_many_files_side_by_side() -> None:
    files = Counter(path.parent.relative_to(ROOT) for path in tracked())
    assert {str(folder): count for folder, count in files.items() if count > MOST_FILES} == {}


def test_a_long_module_says_why_it_is_long() -> None:
    unexplained = {
        str(path.relative_to(ROOT)): lines
        for path in tracked("*.py")
        if (lines := len((text := path.read_text(encoding="utf-8")).splitlines())) > MOST_LINES
        and REASON not in (ast.get_docstring(ast.parse(text)) or "")
    }
    assert unexplained == {}
