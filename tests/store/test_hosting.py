"""Hosting: repositories on disk as stock git sees them, tokens, sessions, and what a crash leaves."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from tests.folders import make_data_folder

from imprint.store.actors import ALL_REPOSITORIES, ActorKind, Verb
from imprint.store.catalog.ports import RepositoryRecord
from imprint.store.clock import CountingIds, ManualClock
from imprint.store.errors import (
    ActorConflict,
    BadExpiry,
    BadInput,
    BadRefName,
    LimitExceeded,
    RepositoryExists,
    RepositoryMissing,
    SessionConflict,
    SessionMissing,
    TokenExpired,
    TokenRevoked,
    TranscriptErased,
    Unauthenticated,
)
from imprint.store.events import Admission, EventKind, SessionClaim
from imprint.store.hosting.repositories import Hosting, SessionSeed
from imprint.store.limits import Limits
from imprint.store.transcripts.ports import transcript_key
from imprint.store.types import Anything, HashAlgorithm, ObjectId, RefName, RefUpdate, RepositoryName

APP, TOOL = RepositoryName("acme", "app"), RepositoryName("acme", "tool")
ONE = ObjectId("1" * 40)
READ_WRITE = frozenset({Verb.READ, Verb.WRITE})


@pytest.fixture
def hosting(tmp_path):
    folder = make_data_folder(tmp_path / "data")
    hosting = Hosting.open(folder, ManualClock(), CountingIds(), Limits(prompt_bytes_max=1000))
    yield hosting
    hosting.close()


def on_disk(hosting) -> list[str]:
    return sorted(path.name for path in hosting.folder.repositories_path.iterdir())


def events(hosting, repository) -> list[tuple[str, str, str | None]]:
    return [
        (event.kind.value, event.actor, event.token_id)
        for event in hosting.catalogue.list_events(repository.record.id)
    ]


def push(hosting, repository, name: str = "refs/heads/main", target: ObjectId = ONE) -> None:
    hosting.catalogue.admit(
        Admission(
            repository.record.id,
            hosting.ids.new_id("evt"),
            EventKind.PUSH,
            hosting.clock.now_ms(),
            "ada",
            None,
            "allowed",
            (RefUpdate(RefName.parse(name), target, Anything()),),
        )
    )


# -- repositories ---------------------------------------------------------------------------------------


def test_a_new_repository_is_one_that_stock_git_reads(hosting, git_client):
    repository = hosting.create(APP, None, default_branch="trunk")
    git = git_client(repository.git_dir)
    assert git("rev-parse", "--is-bare-repository") == "true"
    assert git("symbolic-ref", "HEAD") == "refs/heads/trunk"
    git("fsck", "--full", "--strict")
    assert repository.record.head == b"refs/heads/trunk"
    assert repository.git_dir.name == f"{repository.record.id}.git"
    assert (repository.git_dir / "imprint").is_dir()
    assert events(hosting, repository) == [("created", "operator", None)]
    assert list(hosting.folder.repositories_path.iterdir()) == [repository.git_dir]


@pytest.mark.parametrize("command", ["prune --expire=now", "repack -a -d", "gc --prune=now", "prune-packed"])
def test_stock_git_never_removes_what_only_the_catalogue_knows(hosting, git_client, command):
    """Only SQL knows all tips: with no exported refs every object looks unreachable."""
    git = git_client(hosting.create(APP, None).git_dir)
    loose = git("hash-object", "-w", "--stdin", stdin=b"loose")
    packed = git("hash-object", "-w", "--stdin", stdin=b"packed")
    git("pack-objects", "-q", "objects/pack/pack", stdin=f"{packed}\n".encode())
    git.run(*command.split(), check=False)
    assert [git("cat-file", "-p", each) for each in (loose, packed)] == ["loose", "packed"]


def test_the_folder_of_a_sha256_repository_says_so(hosting, git_client):
    record = RepositoryRecord(
        "repo_x", APP, HashAlgorithm.SHA256, RefName.parse("refs/heads/main"), generation=0, created_at_ms=0
    )
    hosting._folders.make(record)
    git = git_client(hosting.folder.repositories_path / "repo_x.git")
    assert git("rev-parse", "--show-object-format") == "sha256"
    git("fsck", "--full", "--strict")


def test_a_repository_is_found_by_name_and_by_id_with_its_newest_record(hosting):
    repository = hosting.create(APP, None)
    push(hosting, repository)
    found = hosting.get(RepositoryName.parse("ACME/APP"))
    assert found == replace(repository, record=replace(repository.record, generation=2))
    assert found.view is repository.view
    assert hosting.get_by_id(repository.record.id) == found
    assert repository.view.refs.snapshot().head_id == ONE
    hosting.create(TOOL, None)
    assert [str(each.record.name) for each in hosting.list()] == ["acme/app", "acme/tool"]


def test_a_missing_repository_is_told_by_its_name(hosting):
    with pytest.raises(RepositoryMissing, match="acme/app"):
        hosting.get(APP)
    with pytest.raises(RepositoryMissing):
        hosting.get_by_id("repo_x")


def test_a_taken_name_leaves_no_folder(hosting):
    kept = hosting.create(APP, None)
    with pytest.raises(RepositoryExists):
        hosting.create(RepositoryName.parse("Acme/App"), None)
    assert on_disk(hosting) == [kept.git_dir.name]


@pytest.mark.parametrize("branch", ["", "a..b", "-x", "HEAD", "refs/tags/x", "a b", "x.lock", "a//b"])
def test_a_branch_that_git_would_refuse_cannot_be_the_default(hosting, branch):
    with pytest.raises(BadRefName):
        hosting.create(APP, None, default_branch=branch)
    assert on_disk(hosting) == []
    hosting.create(APP, None)
    with pytest.raises(BadRefName):
        hosting.set_head(APP, branch, None)


def test_the_default_branch_is_what_head_names(hosting):
    repository = hosting.create(APP, None)
    push(hosting, repository, "refs/heads/dev")
    assert hosting.set_head(APP, "dev", None).record.head == b"refs/heads/dev"
    assert repository.view.refs.snapshot().head_id == ONE
    hosting.set_head(APP, "refs/heads/unborn", None)
    assert repository.view.refs.snapshot().head_id is None
    assert [kind for kind, _, _ in events(hosting, repository)] == ["created", "push", "head", "head"]


def test_a_rename_keeps_everything_but_the_name(hosting):
    repository = hosting.create(APP, None)
    token, _ = hosting.issue_token(
        actor="ada", kind=ActorKind.HUMAN, repositories=["acme/app"], verbs=READ_WRITE
    )
    renamed = hosting.rename(APP, TOOL, None)
    assert (renamed.record.id, renamed.git_dir, renamed.view.name) == (
        repository.record.id,
        repository.git_dir,
        "acme/tool",
    )
    assert hosting.get(TOOL) == renamed
    newcomer = hosting.create(APP, None)
    (token,) = hosting.catalogue.list_tokens()
    assert token.may(Verb.WRITE, TOOL)
    assert not token.may(Verb.READ, newcomer.record.name)
    with pytest.raises(RepositoryExists):
        hosting.rename(APP, TOOL, None)


def test_what_a_principal_does_is_told_by_actor_and_token(hosting):
    token, secret = hosting.issue_token(
        actor="ada", kind=ActorKind.HUMAN, repositories=["*"], verbs=frozenset({Verb.ADMIN})
    )
    ada = hosting.authenticate(secret)
    repository = hosting.create(APP, ada)
    hosting.rename(APP, TOOL, ada)
    hosting.set_head(TOOL, "dev", ada)
    hosting.delete(TOOL, ada)
    hosting.restore(TOOL, ada)
    assert events(hosting, repository) == [
        (kind, "ada", token.id) for kind in ("created", "renamed", "head", "deleted", "restored")
    ]


def test_a_deleted_repository_is_back_whole_within_its_grace(hosting):
    repository = hosting.create(APP, None)
    push(hosting, repository)
    record = hosting.delete(APP, None, grace_ms=1000)
    assert record.purge_after_ms == hosting.clock.now_ms() + 1000
    assert hosting.list() == []
    assert [each.id for each in hosting.list_deleted()] == [repository.record.id]
    for call in (lambda: hosting.get(APP), lambda: hosting.get_by_id(repository.record.id)):
        with pytest.raises(RepositoryMissing):
            call()
    hosting.clock.advance(999)
    assert hosting.purge_due() == 0
    assert hosting.restore(APP, None).view.refs.snapshot().head_id == ONE
    with pytest.raises(RepositoryMissing):
        hosting.restore(APP, None)


def test_a_grace_that_is_over_takes_folder_rows_and_texts(hosting):
    repository = hosting.create(APP, None)
    kept = hosting.create(TOOL, None)
    for each in (repository, kept):
        hosting.open_session(each, "ada", SessionSeed("s", prompt="a secret"))
    (repository.git_dir / "objects" / "pack" / "pack-1.pack").write_bytes(b"x")
    (repository.git_dir / "objects" / "pack" / "pack-1.pack").chmod(0o444)
    hosting.delete(APP, None, grace_ms=1000)
    hosting.clock.advance(1000)
    assert hosting.purge_due() == 1
    assert hosting.purge_due() == 0
    assert on_disk(hosting) == [kept.git_dir.name]
    assert hosting.list_deleted() == []
    with pytest.raises(RepositoryMissing):
        hosting.restore(APP, None)
    with pytest.raises(TranscriptErased):
        hosting.transcripts.write(transcript_key(repository.record.id, "s"), b"more")
    hosting.transcripts.write(transcript_key(kept.record.id, "s"), b"more")
    hosting.create(APP, None)


def test_a_grace_cannot_be_negative(hosting):
    hosting.create(APP, None)
    with pytest.raises(BadInput):
        hosting.delete(APP, None, grace_ms=-1)
    hosting.get(APP)


def test_what_a_crash_left_is_settled_by_the_rows(hosting):
    live = hosting.create(APP, None)
    half_made = hosting.folder.repositories_path / "repo_half.git"
    half_made.mkdir()
    (half_made / "HEAD").write_text("ref: ref")
    for name in ("repo_half", live.record.id, "repo_nothing"):
        (hosting.folder.repositories_path / f"{name}.unsettled").write_text("")
    hosting.purge_due()
    assert on_disk(hosting) == [live.git_dir.name]


def test_a_half_destroyed_repository_is_finished_with_its_texts(hosting):
    repository = hosting.create(APP, None)
    hosting.open_session(repository, "ada", SessionSeed("s", prompt="a secret"))
    hosting.delete(APP, None, grace_ms=0)
    hosting.catalogue.purge_repository(repository.record.id, hosting.clock.now_ms())
    marker = hosting.folder.repositories_path / f"{repository.record.id}.unsettled"
    marker.write_text('["s"]')  # the process died when the rows were gone
    hosting.purge_due()
    assert on_disk(hosting) == []
    with pytest.raises(TranscriptErased):
        hosting.transcripts.write(transcript_key(repository.record.id, "s"), b"more")


def test_a_folder_without_row_and_marker_is_left_alone(hosting):
    """Rows may be missing because an older catalogue was restored; its repositories are still there."""
    (hosting.folder.repositories_path / "repo_precious.git").mkdir()
    hosting.purge_due()
    assert on_disk(hosting) == ["repo_precious.git"]


def test_settling_leaves_those_alone_that_are_being_made(hosting):
    made, settled = threading.Event(), threading.Event()

    def make_slowly() -> None:
        with hosting._folders.unsettled("repo_slow"):
            (hosting.folder.repositories_path / "repo_slow.git").mkdir()
            made.set()
            settled.wait(10)
            names.append(on_disk(hosting))

    names: list[list[str]] = []
    maker = threading.Thread(target=make_slowly)
    maker.start()
    made.wait(10)
    hosting.purge_due()
    settled.set()
    maker.join()
    assert names == [["repo_slow.git", "repo_slow.unsettled"]]
    assert on_disk(hosting) == [], "no row was written"


# -- tokens ---------------------------------------------------------------------------------------------


def test_a_secret_proves_who_somebody_is(hosting):
    hosting.create(APP, None)
    token, secret = hosting.issue_token(
        actor="Ada",
        kind=ActorKind.HUMAN,
        repositories=["ACME/app"],
        verbs=frozenset({Verb.READ}),
        emails=["Ada@Example.com"],
    )
    principal = hosting.authenticate(secret)
    assert principal.token == token
    assert principal.actor.name == "Ada"
    assert principal.actor.is_identity("x", "ada@example.com")
    assert principal.may(Verb.READ, APP)
    assert not principal.may(Verb.WRITE, APP)
    assert secret.startswith("imprint_")
    assert secret not in repr(hosting.catalogue.list_tokens())


@pytest.mark.parametrize("secret", ["", "imprint_", "imprint_wrong", "x" * 100_000, "\udcff", "tok_1"])
def test_an_unknown_secret_is_refused(hosting, secret):
    hosting.issue_token(actor="ada", kind=ActorKind.HUMAN, repositories=["*"], verbs=READ_WRITE)
    with pytest.raises(Unauthenticated) as refused:
        hosting.authenticate(secret)
    assert type(refused.value) is Unauthenticated
    assert not secret or secret[:20] not in refused.value.message


def test_the_id_or_hash_of_a_token_is_no_secret(hosting):
    token, _ = hosting.issue_token(actor="ada", kind=ActorKind.HUMAN, repositories=["*"], verbs=READ_WRITE)
    for public in (token.id, token.secret_hash):
        with pytest.raises(Unauthenticated):
            hosting.authenticate(public)


def test_a_token_expires_and_can_be_revoked(hosting):
    _, secret = hosting.issue_token(
        actor="ada", kind=ActorKind.HUMAN, repositories=["*"], verbs=READ_WRITE, expires_in_ms=1000
    )
    hosting.clock.advance(999)
    hosting.authenticate(secret)
    hosting.clock.advance(1)
    with pytest.raises(TokenExpired):
        hosting.authenticate(secret)
    token, secret = hosting.issue_token(
        actor="ada", kind=ActorKind.HUMAN, repositories=["*"], verbs=READ_WRITE
    )
    hosting.catalogue.revoke_token(token.id, hosting.clock.now_ms())
    with pytest.raises(TokenRevoked):
        hosting.authenticate(secret)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"repositories": ["acme/none"]}, RepositoryMissing),
        ({"repositories": ["nonsense"]}, BadInput),
        ({"repositories": []}, BadInput),
        ({"verbs": frozenset()}, BadInput),
        ({"expires_in_ms": 0}, BadExpiry),
        ({"actor": ""}, BadInput),
        ({"actor": " "}, BadInput),
        ({"actor": "a\nb"}, BadInput),
        ({"actor": "a\x1b[31m"}, BadInput),
        ({"actor": "\ud800"}, BadInput),
        ({"actor": "a" * 201}, BadInput),
        ({"kind": ActorKind.AGENT}, ActorConflict),
        ({"session": SessionSeed("s"), "repositories": ["*"]}, BadInput),
        ({"session": SessionSeed("s"), "repositories": ["acme/app", "acme/tool"]}, BadInput),
        ({"session": SessionSeed("")}, BadInput),
        ({"session": SessionSeed("s", agent="\n")}, BadInput),
        ({"session": SessionSeed("s", model="")}, BadInput),
        ({"session": SessionSeed("taken")}, SessionConflict),
        ({"session": SessionSeed("s", prompt="x" * 1001)}, LimitExceeded),
    ],
)
def test_a_token_that_makes_no_sense_is_refused_and_not_kept(hosting, change, error):
    app = hosting.create(APP, None)
    hosting.create(TOOL, None)
    hosting.catalogue.ensure_actor("ada", ActorKind.HUMAN)
    hosting.open_session(app, "bob", SessionSeed("taken"))
    asked = {"actor": "ada", "kind": ActorKind.HUMAN, "repositories": ["acme/app"], "verbs": READ_WRITE}
    with pytest.raises(error):
        hosting.issue_token(**{**asked, **change})
    assert hosting.catalogue.list_tokens() == []


def test_the_first_start_leaves_one_administrator_token_for_the_owner(hosting):
    path = hosting.ensure_admin_token()
    assert path == hosting.folder.admin_token_path
    assert path.stat().st_mode & 0o777 == 0o600
    admin = hosting.authenticate(path.read_text().strip())
    assert (admin.actor.name, admin.actor.kind) == ("admin", ActorKind.HUMAN)
    assert admin.token.repositories == (ALL_REPOSITORIES,)
    assert admin.may(Verb.ADMIN, None)
    assert hosting.ensure_admin_token() is None
    path.unlink()
    hosting.catalogue.revoke_token(admin.token.id, 1)
    assert hosting.ensure_admin_token() is None, "a revoked administrator is not made again by a restart"


# -- sessions -------------------------------------------------------------------------------------------


def test_a_session_token_opens_its_session_at_the_head(hosting):
    repository = hosting.create(APP, None)
    push(hosting, repository)
    token, _ = hosting.issue_token(
        actor="coder",
        kind=ActorKind.AGENT,
        repositories=["acme/app"],
        verbs=READ_WRITE,
        session=SessionSeed("s1", agent="claude-code", model="m1", prompt="fix the retry policy"),
    )
    assert token.session == "s1"
    claim = hosting.session_claim(repository, "s1")
    assert replace(claim, prompt=None) == SessionClaim("s1", "claude-code", "m1", None, ONE)
    key = transcript_key(repository.record.id, "s1")
    assert hosting.transcripts.read(key, claim.prompt) == b"fix the retry policy"
    assert hosting.catalogue.find_session(repository.record.id, "s1").actor == "coder"


def test_a_session_without_prompt_claims_what_it_knows(hosting):
    repository = hosting.create(APP, None)
    assert hosting.open_session(repository, "coder", SessionSeed("s1")) == SessionClaim("s1")
    with pytest.raises(SessionMissing, match="s2"):
        hosting.session_claim(repository, "s2")


def test_each_new_prompt_is_a_turn_and_a_repeated_one_is_not(hosting):
    repository = hosting.create(APP, None)
    claims = [
        hosting.open_session(repository, "coder", SessionSeed("s1", None, model, prompt))
        for prompt, model in (("one", "m1"), ("one", "m1"), ("one", None), ("two", "m2"), ("one", None))
    ]
    assert [claim.prompt == claims[0].prompt for claim in claims] == [True, True, True, False, True]
    assert [claim.model for claim in claims] == ["m1", "m1", "m1", "m2", "m2"]
    turns = hosting.catalogue.list_turns(repository.record.id, "s1")
    assert [(turn.number, turn.model) for turn in turns] == [(1, "m1"), (2, "m2"), (3, None)]


def test_a_claim_names_the_prompt_that_was_given_with_it(hosting, monkeypatch):
    """Whoever else works in the session at the same moment: their prompt is not this one's."""
    repository = hosting.create(APP, None)
    add_turn, rivals = hosting.catalogue.add_turn, ["theirs"]

    def add_two(*arguments):
        turn = add_turn(*arguments)
        if rivals:
            hosting.open_session(repository, "coder", SessionSeed("s1", prompt=rivals.pop()))
        return turn

    monkeypatch.setattr(hosting.catalogue, "add_turn", add_two)
    claim = hosting.open_session(repository, "coder", SessionSeed("s1", prompt="mine"))
    key = transcript_key(repository.record.id, "s1")
    assert hosting.transcripts.read(key, claim.prompt) == b"mine"


def test_a_prompt_may_hold_any_text(hosting):
    repository = hosting.create(APP, None)
    claim = hosting.open_session(repository, "coder", SessionSeed("s1", prompt="é \x00 \ud800 \U0001f600"))
    text = hosting.transcripts.read(transcript_key(repository.record.id, "s1"), claim.prompt)
    assert text.decode() == "é \x00 ? \U0001f600"


def test_racing_creations_leave_one_repository_and_one_folder(hosting):
    barrier = threading.Barrier(6)

    def create(number: int) -> bool:
        barrier.wait()
        try:
            hosting.create(APP, None)
        except RepositoryExists:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(create, range(6))) == 1
    assert on_disk(hosting) == [hosting.get(APP).git_dir.name]


CHURN = """
import sys
from pathlib import Path
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting, SessionSeed
from imprint.store.types import RepositoryName

hosting = Hosting.open(DataFolder.create_or_open(Path(sys.argv[1])))
for number in range(1_000_000):
    repository = hosting.create(RepositoryName("acme", f"{sys.argv[2]}{number}"), None)
    hosting.open_session(repository, "coder", SessionSeed("s", prompt="a secret"))
    if number % 2:
        hosting.delete(repository.record.name, None, grace_ms=0)
        hosting.purge_due()
    print(repository.record.id, flush=True)
"""


def test_killed_processes_leave_rows_and_folders_that_agree(hosting, git_client):
    command = [sys.executable, "-c", CHURN, str(hosting.folder.root)]
    processes = [subprocess.Popen([*command, who], stdout=subprocess.PIPE, text=True) for who in "ab"]
    told = [[process.stdout.readline() for _ in range(5)] for process in processes]
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
    hosting.clock.advance(10**12)  # later than every grace that the processes gave by the machine's clock
    hosting.purge_due()
    repositories = hosting.list()
    assert on_disk(hosting) == sorted(each.git_dir.name for each in repositories)
    assert hosting.list_deleted() == []
    known = {each.record.id for each in repositories}
    for lines in told:
        ids = [line.strip() for line in lines]
        assert [each in known for each in ids] == [True, False, True, False, True]
    for each in repositories:
        git_client(each.git_dir)("fsck", "--full")
