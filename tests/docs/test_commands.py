"""What the pages tell a newcomer to type exists, and the pages of questions are complete."""

import re
from pathlib import Path

import pytest
import typer.main

from imprint.api.mcp.tools import MAX_TOKENS_DEFAULT, MAX_TOKENS_MOST
from imprint.cli.main import app
from imprint.semantic.asking.table import QUESTIONS
from imprint.semantic.overview import map as maps
from imprint.semantic.overview.ranking import FILES_MAX

ROOT = Path(__file__).parent.parent.parent
PAGES = ("README.md", "docs/answers.md", "docs/mcp.md", "docs/search.md", "docs/index.md")


def read(page: str) -> str:
    return (ROOT / page).read_text()


@pytest.mark.parametrize("page", PAGES)
def test_commands_on_a_page_exist_with_their_options(page: str) -> None:
    program = typer.main.get_command(app)
    for told in re.findall(r"(?:`|\$ )imprint ([a-z][^`\n|]*)", read(page)):
        command, words = program, told.split()
        while hasattr(command, "commands"):
            assert words, told
            assert words[0].rstrip(",") in command.commands, told
            command = command.commands[words.pop(0).rstrip(",")]
        options = {option for each in command.params for option in each.opts + each.secondary_opts}
        for word in words:
            if word.startswith("--"):
                assert word.split("=")[0].rstrip(",.") in options, told


@pytest.mark.parametrize("page", PAGES)
def test_links_on_a_page_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", read(page)):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_page_for_agents_has_every_tool_and_parameter() -> None:
    rows = [line for line in read("docs/mcp.md").splitlines() if line.startswith("| `")]
    for question in QUESTIONS.values():
        row = next(row for row in rows if f"`{question.name}`" in row.split("|")[1])
        missing = [each.name for each in question.parameters if f"`{each.name}`" not in row]
        assert not missing, question.name


def test_the_bounds_of_overviews_and_tools_are_on_the_page() -> None:
    page = read("docs/limits.md")
    assert f"A map looks at {FILES_MAX:,} files" in page
    assert f"to {maps.TOKENS_MAX:,} tokens, {maps.TOKENS_DEFAULT:,} by default" in page
    assert f"has {MAX_TOKENS_DEFAULT:,} tokens of four characters unless asked" in page
    assert f"to {MAX_TOKENS_MOST:,} on request" in page
