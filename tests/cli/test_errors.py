"""The one table from errors to exit codes."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import imprint.api.errors
import imprint.store.errors
from imprint.cli import errors
from imprint.cli.errors import EXIT_CODES, ServerRefused, describe, exit_code


def all_subclasses(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        yield from all_subclasses(child)


def load_every_module_that_defines_errors() -> None:
    for package in ("store", "semantic", "api"):
        root = importlib.import_module(f"imprint.{package}")
        for module in pkgutil.walk_packages(root.__path__, f"imprint.{package}."):
            if module.name.endswith("errors"):
                importlib.import_module(module.name)


def test_every_error_has_an_exit_code_of_its_own() -> None:
    load_every_module_that_defines_errors()
    known = {*all_subclasses(imprint.store.errors.StoreError), *all_subclasses(errors.CommandError)}
    ours = {kind for kind in known if kind.__module__.startswith("imprint.")}
    assert {kind.__name__ for kind in ours - EXIT_CODES.keys()} == set()


def test_exit_codes_are_0_1_and_2_only() -> None:
    assert set(EXIT_CODES.values()) == {1, 2}


def test_codes_of_store_errors_are_unique() -> None:
    """A server's refusal is found by its code alone."""
    load_every_module_that_defines_errors()
    codes = [kind.code for kind in EXIT_CODES if issubclass(kind, imprint.store.errors.StoreError)]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", [kind for kind in EXIT_CODES if hasattr(kind, "code")])
def test_a_refusal_by_a_server_ends_as_the_error_itself_would(kind: type[Exception]) -> None:
    refused = ServerRefused("no", code=kind.code, status=418)  # type: ignore[attr-defined]
    assert exit_code(refused) == EXIT_CODES[kind]


def test_a_refusal_without_a_known_code_is_judged_by_its_status() -> None:
    assert exit_code(ServerRefused("no", code="novel", status=422)) == 2
    assert exit_code(ServerRefused("no", code="novel", status=409)) == 1


def test_an_error_class_that_the_table_does_not_know_ends_as_its_parent() -> None:
    class Novel(imprint.store.errors.BadRefName):
        pass

    try:
        assert exit_code(Novel(b"x")) == 2
    finally:
        del Novel


def test_a_missing_extra_is_named() -> None:
    described = describe(ModuleNotFoundError("No module named 'tree_sitter_go'", name="tree_sitter_go"))
    assert described is not None
    assert "imprint[semantic]" in described.hint


def test_a_missing_module_that_no_extra_brings_is_a_bug() -> None:
    assert describe(ModuleNotFoundError("No module named 'colour'", name="colour")) is None


def test_a_bug_is_not_described() -> None:
    assert describe(ZeroDivisionError()) is None


def test_a_failure_of_the_machine_names_the_file() -> None:
    described = describe(PermissionError(13, "Permission denied", "somewhere"))
    assert described is not None
    assert described.message == "somewhere: Permission denied"
