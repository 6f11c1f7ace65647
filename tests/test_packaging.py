"""What is installed is what is imported: a store by itself needs no optional part."""

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def list_imported(layer: str) -> set[str]:
    """The packages of others that a layer imports, at whatever depth."""
    found: set[str] = set()
    for path in (ROOT / layer).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"imprint"}


def test_the_store_imports_what_every_install_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = {re.split(r"[<>=\[]", each)[0] for each in project["dependencies"]}
    assert list_imported("store") <= installed
