"""Repositories, tokens and actors of a data folder."""

import json
from pathlib import Path

import pytest
from tests.folders import make_data_folder


@pytest.fixture
def admin(imprint, tmp_path: Path):
    """A command on one data folder, new and empty; with `--json` unless told otherwise."""
    make_data_folder(tmp_path / "data").close()

    def call(*arguments: str, as_json: bool = True):
        return imprint(*arguments, "--data", str(tmp_path / "data"), *(["--json"] if as_json else []))

    return call


def test_creating_a_repository_makes_the_data_folder_and_tells_the_clone_url(imprint, tmp_path: Path) -> None:
    ended = imprint("repo", "create", "acme/app", "--data", "data", "--json")
    assert ended.code == 0
    assert ended.document["name"] == "acme/app"
    assert ended.document["git_url"] == "http://127.0.0.1:8470/acme/app.git"
    assert ended.document["default_branch"] == "main"
    assert (tmp_path / "data" / "format").exists()


def test_a_listed_repository_goes_through_its_whole_life(admin) -> None:
    admin("repo", "create", "acme/app", "--default-branch", "trunk")
    admin("repo", "create", "acme/web")
    assert [one["name"] for one in admin("repo", "list").document["repos"]] == ["acme/app", "acme/web"]
    assert admin("repo", "rename", "acme/app", "acme/core").document["name"] == "acme/core"
    assert admin("repo", "set-head", "acme/core", "stable").document["default_branch"] == "stable"
    gone = admin("repo", "delete", "acme/core", "--grace", "1h")
    assert gone.document["purge_after_ms"] > 0
    assert [one["name"] for one in admin("repo", "list").document["repos"]] == ["acme/web"]
    assert [one["name"] for one in admin("repo", "list", "--deleted").document["repos"]] == ["acme/core"]
    assert admin("repo", "restore", "acme/core").document["purge_after_ms"] is None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["repo", "create", "../evil"], 2),
        (["repo", "create", "a/.."], 2),
        (["repo", "create", "noslash"], 2),
        (["repo", "create", "acme/app", "--default-branch", "a..b"], 2),
        (["repo", "create", "ACME/App"], 1),
        (["repo", "rename", "acme/none", "acme/other"], 1),
        (["repo", "delete", "acme/none"], 1),
        (["repo", "delete", "acme/app", "--grace", "soon"], 2),
        (["repo", "delete", "acme/app", "--grace", "never"], 2),
        (["repo", "restore", "acme/app"], 1),
        (["repo", "set-head", "acme/none", "main"], 1),
        (["token", "revoke", "tok_none"], 1),
        (["token", "create", "--actor", "a", "--kind", "agent", "--repo", "acme/none", "--can", "read"], 1),
        (["token", "create", "--actor", "a", "--kind", "robot", "--repo", "acme/app", "--can", "read"], 2),
        (["token", "create", "--actor", "a", "--kind", "agent", "--repo", "acme/app", "--can", "fly"], 2),
        (["token", "create", "--actor", "a", "--kind", "agent", "--repo", "acme/app", "--can", ","], 2),
        (
            [
                "token",
                "create",
                "--actor",
                "a",
                "--kind",
                "agent",
                "--repo",
                "*",
                "--can",
                "read",
                "--model",
                "m",
            ],
            2,
        ),
    ],
)
def test_a_refusal_has_a_message_and_its_exit_code(admin, arguments: list[str], code: int) -> None:
    admin("repo", "create", "acme/app")
    ended = admin(*arguments)
    assert (ended.code, ended.stdout) == (code, "")
    assert ended.stderr.startswith("imprint: error: ")


def make_token(admin, *more: str):
    return admin(
        "token",
        "create",
        "--actor",
        "scribe",
        "--kind",
        "agent",
        "--repo",
        "acme/app",
        "--can",
        "read,write",
        *more,
    )


def test_a_token_shows_its_secret_once(admin) -> None:
    admin("repo", "create", "acme/app")
    made = make_token(
        admin, "--session", "s1", "--agent", "claude-code", "--prompt", "do it", "--expires", "24h"
    )
    assert made.code == 0
    assert made.document["token"].startswith("imprint_")
    assert (made.document["session"], made.document["can"]) == ("s1", ["read", "write"])
    assert made.document["expires_at_ms"] - made.document["created_at_ms"] == 24 * 3600 * 1000
    listed = admin("token", "list")
    assert [one["id"] for one in listed.document["tokens"]] == [made.document["id"]]
    assert made.document["token"] not in listed.stdout
    for_people = admin("token", "list", as_json=False)
    assert made.document["token"] not in for_people.stdout
    assert "until " in for_people.stdout


def test_for_people_the_secret_is_all_of_stdout(admin) -> None:
    """So that TOKEN=$(imprint token create ...) works."""
    admin("repo", "create", "acme/app")
    made = admin(
        "token",
        "create",
        "--actor",
        "ada",
        "--kind",
        "human",
        "--repo",
        "acme/app",
        "--can",
        "read",
        as_json=False,
    )
    assert made.stdout.startswith("imprint_")
    assert len(made.stdout.split()) == 1
    assert "not shown again" in made.stderr


def test_a_revoked_token_says_so(admin) -> None:
    admin("repo", "create", "acme/app")
    made = make_token(admin)
    revoked = admin("token", "revoke", made.document["id"])
    assert revoked.document["revoked_at_ms"] is not None
    assert "revoked " in admin("token", "list", as_json=False).stdout


def test_actors_come_with_their_tokens(admin) -> None:
    admin("repo", "create", "acme/app")
    make_token(admin, "--email", "Scribe@Example.com")
    assert admin("actor", "list").document["actors"] == [
        {"name": "scribe", "kind": "agent", "emails": ["scribe@example.com"]}
    ]
    assert "scribe" in admin("actor", "list", as_json=False).stdout


def test_sessions_are_listed_with_the_repository(admin, imprint, tmp_path: Path) -> None:
    admin("repo", "create", "acme/app")
    make_token(admin, "--session", "s1", "--model", "m1", "--prompt", "do it")
    ended = imprint("session", "list", "--data", str(tmp_path / "data"), "--repo", "acme/app", "--json")
    (session,) = ended.document["sessions"]
    assert (session["id"], session["actor"], session["model"]) == ("s1", "scribe", "m1")
    assert session["turn_count"] == 1


def test_only_creating_commands_make_a_data_folder(imprint, tmp_path: Path) -> None:
    ended = imprint("repo", "list", "--data", "typo")
    assert ended.code == 1
    assert "typo is not a data folder" in ended.stderr
    assert not (tmp_path / "typo").exists()


def test_the_data_folder_at_hand_is_used(imprint, tmp_path: Path) -> None:
    imprint("repo", "create", "acme/app", "--data", "data")
    assert "acme/app" in imprint("repo", "list").stdout
    assert "acme/app" in imprint("repo", "list", cwd=tmp_path / "data").stdout


def test_a_folder_of_something_else_is_refused(imprint, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    ended = imprint("repo", "create", "acme/app", "--data", "photos")
    assert ended.code == 1
    assert "no data folder" in ended.stderr
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


def test_a_data_folder_of_a_newer_version_is_refused(imprint, tmp_path: Path) -> None:
    imprint("repo", "create", "acme/app", "--data", "data")
    format_file = tmp_path / "data" / "format"
    content = json.loads(format_file.read_text())
    format_file.write_text(json.dumps(content | {"version": 999}))
    ended = imprint("repo", "list", "--data", "data")
    assert ended.code == 1
    assert "newer" in ended.stderr


def test_the_key_may_lie_elsewhere(imprint, tmp_path: Path) -> None:
    imprint("repo", "create", "acme/app", "--data", "data", "--key-file", "elsewhere.key")
    assert imprint("repo", "list", "--data", "data").code == 1
    assert imprint("repo", "list", "--data", "data", "--key-file", "elsewhere.key").code == 0


def test_tables_are_for_people(admin) -> None:
    admin("repo", "create", "acme/app")
    shown = admin("repo", "list", as_json=False).stdout
    assert shown.splitlines()[0].split() == ["NAME", "DEFAULT", "BRANCH", "CLONE", "URL"]


def test_settings_of_a_repository_are_chosen_shown_and_taken_back(admin) -> None:
    admin("repo", "create", "acme/app")
    nothing = admin("repo", "settings", "acme/app", as_json=False)
    assert (nothing.code, nothing.stdout) == (0, "")
    chosen = admin("repo", "settings", "acme/app", "receive.denydeletes=yes", "transfer.hideRefs=refs/a")
    assert chosen.document["settings"] == {"receive.denyDeletes": "true", "transfer.hideRefs": "refs/a"}
    shown = admin("repo", "settings", "acme/app", "--unset", "transfer.hideRefs", as_json=False)
    assert "receive.denyDeletes" in shown.stdout
    assert "transfer.hideRefs" not in shown.stdout
    assert "receive.fsck.badDate" in admin("repo", "settings", "acme/app", "--all", as_json=False).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("receive.denyDeletes",),
        ("receive.denyDeletes=true", "receive.denyDeletes=false"),
        ("receive.denyDeletes=true", "--unset", "receive.denyDeletes"),
        ("receive.denyDeletes=maybe",),
        ("receive.fsckObjects=false",),
        ("no.such=1",),
    ],
)
def test_a_setting_that_cannot_be_is_a_usage_problem(admin, arguments) -> None:
    admin("repo", "create", "acme/app")
    assert admin("repo", "settings", "acme/app", *arguments).code == 2
    assert admin("repo", "settings", "acme/app").document["settings"] == {}
