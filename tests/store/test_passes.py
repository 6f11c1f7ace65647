"""Passes: what they open, and what ends them."""

import pytest
from tests.folders import make_data_folder

from imprint.store.actors import ActorKind, Verb
from imprint.store.clock import ManualClock
from imprint.store.errors import Denied, RepositoryMissing, TokenExpired, TokenRevoked, Unauthenticated
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.passes import PASS_MS, PASS_PREFIX, is_pass
from imprint.store.hosting.repositories import Hosting
from imprint.store.types import RepositoryName

APP, OTHER = RepositoryName.parse("acme/app"), RepositoryName.parse("acme/other")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def hosting(tmp_path, clock):
    hosting = Hosting.open(make_data_folder(tmp_path / "data"), clock=clock)
    for name in (APP, OTHER):
        hosting.create(name, None)
    yield hosting
    hosting.close()


def token(hosting, *verbs: Verb, **more):
    granted, _ = hosting.issue_token(
        actor="ada", kind=ActorKind.HUMAN, repositories=["*"], verbs=frozenset(verbs or {Verb.WRITE}), **more
    )
    return granted


def make(hosting, granted, verb: Verb = Verb.READ) -> str:
    secret, _ = hosting.passes.make(granted, hosting.get(APP).record, verb)
    return secret


def test_a_pass_opens_one_repository_for_one_verb(hosting):
    granted = token(hosting, Verb.ADMIN)
    secret = make(hosting, granted)
    assert is_pass(secret)
    principal = hosting.passes.admit(secret)
    assert (principal.actor.name, principal.token.id) == ("ada", granted.id)
    assert principal.may(Verb.READ, APP)
    for verb, name in ((Verb.WRITE, APP), (Verb.ADMIN, APP), (Verb.READ, OTHER), (Verb.READ, None)):
        assert not principal.may(verb, name)
    assert hosting.passes.admit(make(hosting, granted, Verb.WRITE)).may(Verb.READ, APP), "write includes read"


def test_a_pass_is_never_more_than_its_token(hosting):
    with pytest.raises(Denied):
        make(hosting, token(hosting, Verb.READ), Verb.WRITE)


def test_a_pass_ends_by_itself_or_with_its_token(hosting, clock):
    granted = token(hosting)
    secret = make(hosting, granted)
    clock.advance(PASS_MS - 1)
    hosting.passes.admit(secret)
    clock.advance(1)
    with pytest.raises(TokenExpired):
        hosting.passes.admit(secret)
    short = token(hosting, expires_in_ms=1000)
    secret, good_ms = hosting.passes.make(short, hosting.get(APP).record, Verb.READ)
    assert good_ms == 1000
    clock.advance(1000)
    with pytest.raises(TokenExpired):
        hosting.passes.admit(secret)
    secret = make(hosting, granted)
    hosting.catalogue.revoke_token(granted.id, clock.now_ms())
    with pytest.raises(TokenRevoked):
        hosting.passes.admit(secret)


def test_a_pass_follows_its_repository(hosting, clock):
    secret = make(hosting, token(hosting))
    renamed = RepositoryName.parse("acme/renamed")
    hosting.rename(APP, renamed, None)
    assert hosting.passes.admit(secret).may(Verb.READ, renamed)
    hosting.delete(renamed, None, grace_ms=0)
    hosting.purge_due()
    with pytest.raises(RepositoryMissing):
        hosting.passes.admit(secret)


def test_a_pass_that_was_changed_or_made_elsewhere_opens_nothing(hosting, tmp_path):
    granted = token(hosting)
    secret = make(hosting, granted)
    body = bytearray.fromhex(secret.removeprefix(PASS_PREFIX))
    for at in range(0, len(body), 7):
        body[at] ^= 1
        with pytest.raises(Unauthenticated):
            hosting.passes.admit(PASS_PREFIX + body.hex())
        body[at] ^= 1
    for text in (secret[:-2], secret + "00", PASS_PREFIX, PASS_PREFIX + "xy", secret.replace("a", "é", 1)):
        with pytest.raises(Unauthenticated):
            hosting.passes.admit(text)
    elsewhere = Hosting.open(DataFolder.create_or_open(tmp_path / "elsewhere"))
    elsewhere.create(APP, None)
    with pytest.raises(Unauthenticated):
        elsewhere.passes.admit(secret)
    elsewhere.close()


def test_a_secret_of_a_token_is_no_pass_and_a_pass_is_no_secret(hosting):
    _, secret = hosting.issue_token(
        actor="bob", kind=ActorKind.HUMAN, repositories=["*"], verbs=frozenset({Verb.READ})
    )
    assert not is_pass(secret)
    assert not is_pass(PASS_PREFIX + "x" * 40)
    with pytest.raises(Unauthenticated):
        hosting.authenticate(make(hosting, token(hosting)))
