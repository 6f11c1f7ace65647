"""The rules of the house that no other tool checks."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("store", "semantic", "api", "cli")
LINES_PER_FILE_MAX = 500
LINES_PER_FUNCTION_MAX = 60
MODULES_PER_PACKAGE_MAX = 12
ROOT_ENTRIES_MAX = 16

BANNED_WORDS = {
    r"\butils?\b": "name the module after its noun",
    r"\bFIXME\b": "mend it, or file an issue",
    r"TODO(?!\(#\d+\): )": "write TODO(#issue): why",
    r"(?i)https?://[\w.]*(?:pypi|npmjs|pythonhosted)": "name no package registry",
    r"(?<![\w.~/-])/(?:root|work|home/\w+)/": "no paths of one machine",
}


def sources() -> list[Path]:
    return sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))


def tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = done.stdout.splitlines() if done.returncode == 0 else []
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_the_namespace_has_no_init_file() -> None:
    """An `__init__.py` in one portion would hide the other three."""
    assert [
        str(path) for layer in LAYERS if (path := ROOT / layer / "imprint" / "__init__.py").exists()
    ] == []


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_pieces_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES_PER_FILE_MAX
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions(path) if f.end_lineno}
    assert {name: lines for name, lines in long.items() if lines > LINES_PER_FUNCTION_MAX} == {}


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_promises(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "a module begins with a docstring"


def test_packages_are_small() -> None:
    counts: dict[Path, int] = {}
    for path in sources():
        if "commands" not in path.parts and "versions" not in path.parts and "languages" not in path.parts:
            counts[path.parent] = counts.get(path.parent, 0) + (path.name != "__init__.py")
    assert {str(p.relative_to(ROOT)): n for p, n in counts.items() if n > MODULES_PER_PACKAGE_MAX} == {}


def test_the_root_explains_the_product_at_a_glance() -> None:
    visible = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert len({name for name in visible if not name.startswith(".")}) <= ROOT_ENTRIES_MAX


def test_no_banned_word() -> None:
    found = []
    for path in tracked():
        if path == Path(__file__) or path.suffix not in {".py", ".md", ".toml", ".html", ".css", ".sh", ""}:
            continue
        text = path.read_text("utf-8", "replace")
        for pattern, instead in BANNED_WORDS.items():
            if "util" in pattern and (path.suffix == ".md" or "tests" in path.parts):
                continue
            found += [
                f"{path.relative_to(ROOT)}: {m.group()!r}: {instead}" for m in re.finditer(pattern, text)
            ]
    assert found == []


def test_every_layer_has_a_face() -> None:
    for layer in LAYERS:
        text = (ROOT / layer / "README.md").read_text()
        assert len(text.splitlines()) <= 40
        assert "may import" in text.lower()


def test_what_make_serve_makes_is_ignored() -> None:
    named = re.search(r"^DATA \?= (\w+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert named
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {f"/{named[1]}/", f"/{named[1]}.key"} <= {*ignored}
