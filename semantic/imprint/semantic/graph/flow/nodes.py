"""Nodes of a parsed file as text and places."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node


def text_of(node: Node | None) -> str:
    """What is written; empty where nothing is."""
    return node.text.decode("utf-8", "replace") if node is not None and node.text is not None else ""


def string_of(node: Node | None) -> str:
    """What is written, without quotes."""
    return text_of(node).strip("\"'`")


def line_of(node: Node) -> int:
    """The line that it begins on, from 1."""
    return node.start_point[0] + 1


def place_of(node: Node) -> tuple[int, int, int]:
    """Its line, from 1, and its first and last column, in bytes from 0."""
    return node.start_point[0] + 1, node.start_point[1], node.end_point[1]
