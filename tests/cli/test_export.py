"""`imprint export` and `imprint verify`: from a clone, a data folder and a server, and read back."""

import csv
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

DECLARED = "Close the shop\n\nCo-Authored-By: Claude Opus 4.6 <noreply@anthropic.com>"
KEY_FORMAT = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def clone(work_tree) -> Path:
    """Two commits: one by a person, one that declares an agent."""
    work_tree.commit_file("app.py", "def open():\n    return 1\n", "Open the shop")
    work_tree.commit_file("app.py", "def open():\n    return 1\n\n\ndef close():\n    return 0\n", DECLARED)
    return work_tree.folder


@pytest.fixture
def key(tmp_path: Path) -> Path:
    made = Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(made.private_bytes(*KEY_FORMAT))
    public = made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pub").write_bytes(public)
    return tmp_path / "key.pem"


def test_notes_are_written_into_the_clone_and_mean_the_same(imprint, clone: Path, work_tree) -> None:
    before = imprint("why", "app.py:5", "--json", cwd=clone).document["claims"][0]
    ended = imprint("export", "git-ai", "--json", cwd=clone)
    assert (ended.code, ended.document["written"], ended.document["losses"]) == (0, {"notes": 1}, [])
    note = work_tree("notes", "--ref=ai", "show", "HEAD")
    assert '"tool": "claude-code"' in note
    after = imprint("why", "app.py:5", "--json", cwd=clone).document["claims"]
    assert [(claim["agent"], claim["model"]) for claim in after] == [
        (before["agent"], before["model"])
    ] * len(after)
    again = imprint("export", "git-ai", "--json", cwd=clone)
    assert again.code == 0
    assert work_tree("rev-list", "--count", "refs/notes/ai") == "2"
    assert work_tree("fsck", "--strict") == ""


def test_a_note_of_somebody_else_stays(imprint, clone: Path, work_tree) -> None:
    work_tree("notes", "--ref=ai", "add", "-m", "theirs", "HEAD~1")
    assert imprint("export", "git-ai", cwd=clone).code == 0
    assert work_tree("notes", "--ref=ai", "show", "HEAD~1") == "theirs"


def test_the_target_must_have_the_commits(imprint, clone: Path, git_client, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = git_client(tmp_path / "other")
    other("init", "--quiet", ".")
    ended = imprint("export", "git-ai", "--into", str(tmp_path / "other"), cwd=clone)
    assert ended.code == 1
    assert "fetch" in ended.stderr
    assert other("for-each-ref") == ""


def test_trace_records_go_to_standard_output(imprint, clone: Path, work_tree) -> None:
    (line,) = imprint("export", "agent-trace", cwd=clone).stdout.splitlines()
    record = json.loads(line)
    assert record["vcs"] == {"type": "git", "revision": work_tree("rev-parse", "HEAD")}
    (file,) = record["files"]
    (conversation,) = file["conversations"]
    assert conversation["ranges"] == [{"start_line": 3, "end_line": 6}]
    assert conversation["contributor"]["type"] == "ai"


def test_signed_statements_verify_and_changed_ones_do_not(
    imprint, clone: Path, key: Path, tmp_path: Path
) -> None:
    out = tmp_path / "statements.jsonl"
    assert imprint("export", "in-toto", "-o", str(out), "--key", str(key), cwd=clone).code == 0
    public = str(key.with_suffix(".pub"))
    checked = imprint("verify", str(out), "--public-key", public, "--json")
    assert (checked.code, checked.document["statements"], checked.document["claims"]) == (0, 1, 1)
    envelope = json.loads(out.read_text())
    out.write_text(json.dumps(envelope | {"payload": "e30="}))
    changed = imprint("verify", str(out), "--public-key", public)
    assert changed.code == 1
    assert "statements.jsonl:1" in changed.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no statement"),
        ("[" * 200_000, "no JSON document"),
        ("[]\n", "no JSON object"),
        ('{"_type": "https://in-toto.io/Statement/v1"}\n', "not signed"),
        ("{}\n", "not a DSSE envelope"),
    ],
)
def test_what_is_not_signed_statements_is_not_verified(
    imprint, key: Path, tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "x.jsonl").write_text(content)
    ended = imprint("verify", "x.jsonl", "--public-key", str(key.with_suffix(".pub")))
    assert ended.code == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_statement_that_is_there_twice_is_not_verified(imprint, clone, key: Path, tmp_path: Path) -> None:
    out = tmp_path / "twice.jsonl"
    assert imprint("export", "in-toto", "-o", str(out), "--key", str(key), cwd=clone).code == 0
    out.write_text(out.read_text() * 2)
    assert imprint("verify", str(out), "--public-key", str(key.with_suffix(".pub"))).code == 1


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_hold_every_commit(imprint, clone: Path, tmp_path: Path, kind: str) -> None:
    ended = imprint("export", kind, "-o", "tables", "--json", cwd=clone)
    assert ended.document["written"] == {
        "commits": 2, "claims": 1, "lines": 0, "sessions": 0, "turns": 0, "usage": 0
    }  # fmt: skip
    if kind == "csv":
        with (clone / "tables" / "commits.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        from pyarrow import parquet

        rows = parquet.read_table(clone / "tables" / "commits.parquet").to_pylist()
    assert sorted(row["evidence"] for row in rows) == ["declared", "unknown"]
    assert not list((clone / "tables").glob(".*"))


def test_a_formula_in_a_message_is_text_in_a_spreadsheet(imprint, work_tree) -> None:
    work_tree.commit_file("a", "1\n", '=HYPERLINK("http://127.0.0.1/")')
    assert imprint("export", "csv", "-o", "tables", cwd=work_tree.folder).code == 0
    assert "'=HYPERLINK" in (work_tree.folder / "tables" / "commits.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["spdx"], "no format 'spdx'"),
        (["csv"], "--output"),
        (["git-ai", "-o", "x"], "--into"),
        (["csv", "-o", "x", "--into", "y"], "--output"),
        (["agent-trace", "--key", "k"], "only in-toto"),
        (["in-toto", "--key", "absent.pem"], "openssl genpkey"),
    ],
)
def test_options_that_do_not_fit_are_refused(imprint, clone: Path, arguments: list[str], said: str) -> None:
    ended = imprint("export", *arguments, cwd=clone)
    assert ended.code == 2
    assert said in ended.stderr
