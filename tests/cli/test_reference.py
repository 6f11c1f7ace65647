"""The reference pages say what the programs do."""

from pathlib import Path

import pytest

from imprint.cli.reference import FOLDER, PAGES, render_cli, write_pages

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_program_renders(name: str) -> None:
    """`make docs` writes it anew."""
    assert (ROOT / FOLDER / f"{name}.md").read_text("utf-8") == PAGES[name]()


def test_every_command_is_on_the_page() -> None:
    page = render_cli()
    for command in ("imprint serve", "imprint repo set-head", "imprint token revoke", "imprint why"):
        assert f"\n### {command}\n" in page


def test_one_page_is_printed_on_demand(capsys) -> None:
    write_pages(["cli"])
    assert capsys.readouterr().out == render_cli()
