"""`imprint init`, as a person calls it."""

from urllib.parse import urlsplit

import pytest

pytest.importorskip("pg8000")


def test_a_folder_is_made_once_with_a_token(imprint, tmp_path):
    first = imprint("init", "--data", "d")
    assert first.code == 0
    assert "catalogue.db" in first.stdout
    assert (tmp_path / "d" / "admin-token").exists()
    again = imprint("init", "--data", "d", "--json")
    assert again.document["admin_token_made"] is False


def test_a_catalogue_in_postgresql_is_named_without_its_password(imprint_process, postgres, tmp_path):
    url = postgres.url(postgres.make()).replace("imprint@", "imprint:hunter2@")
    made = imprint_process("init", "--data", "d", IMPRINT_CATALOGUE=url)
    assert made.code == 0, made.stderr
    assert "127.0.0.1:" in made.stdout
    assert "hunter2" not in made.stdout + made.stderr
    created = imprint_process("repo", "create", "acme/app", "--data", "d")
    assert created.code == 0, created.stderr
    assert not (tmp_path / "d" / "ground" / "catalogue.db").exists()


def test_an_address_that_is_none_is_refused_in_two_lines(imprint):
    refused = imprint("init", "--data", "d", "--catalogue", "nonsense")
    assert refused.code != 0
    assert "postgresql://" in refused.stderr
    assert len(refused.stderr.splitlines()) == 2


def test_a_database_that_is_absent_or_foreign_leaves_no_address_and_a_good_one_works(
    imprint, postgres, tmp_path
):
    url = postgres.url(postgres.make())
    absent = imprint("init", "--data", "d", "--catalogue", f"{url}_absent")
    assert absent.code == 1
    assert "make it first: createdb -h " in absent.stderr
    assert f"{urlsplit(url).hostname}:{urlsplit(url).port}/" in absent.stderr
    assert imprint("init", "--data", "first", "--catalogue", url).code == 0
    foreign = imprint("init", "--data", "d", "--catalogue", url)
    assert foreign.code == 1
    assert "another data folder" in foreign.stderr
    assert not (tmp_path / "d" / "catalogue-url").exists()
    good = postgres.url(postgres.make())
    assert imprint("init", "--data", "d", "--catalogue", good).code == 0
