"""Where a mirror may come from; and that secrets are kept, opened, and told to git alone."""

import stat

import pytest

from imprint.store.errors import BadInput, Denied
from imprint.store.mirror.model import Credential, Mirror, compile_patterns, describe, verify_patterns
from imprint.store.plumbing import Plumbing
from imprint.store.upstream.places import is_loopback, parse_place, pin
from imprint.store.upstream.remote import Remote
from imprint.store.upstream.secrets import prove, seal

KEY = b"k" * 32


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port"),
    [
        ("https://example.com/a/b.git", "https", "example.com", 443),
        ("https://example.com:8443/a", "https", "example.com", 8443),
        ("ssh://git@example.com:2222/a", "ssh", "example.com", 2222),
        ("git@example.com:a/b.git", "ssh", "example.com", 22),
        ("https://[2001:db8::1]/a", "https", "2001:db8::1", 443),
    ],
)
def test_places_over_the_network(text, scheme, host, port):
    place = parse_place(text, may_be_path=False)
    assert (place.scheme, place.host, place.port) == (scheme, host, port)


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc", "ext::sh -c x", "git://example.com/a", "ftp://example.com/a", "/srv/a", "a/b", "",
        "https://user:secret@example.com/a", "https://token@example.com/a", "ssh://u:p@example.com/a",
        "ssh://-oProxyCommand=x/a", "ssh://-o@example.com/a", "-x@example.com:a", "https:///a",
        "https://ex ample/a",
        "u@example.com:-a", "https://example.com:99999/a", "https://example.com/a\nb",
        "https://" + "a" * 3000,
    ],
)  # fmt: skip
def test_what_is_no_place_over_the_network_is_refused_without_showing_a_secret(text):
    with pytest.raises(BadInput) as refused:
        parse_place(text, may_be_path=False)
    assert "secret" not in text or "secret@" not in str(refused.value)


def test_a_path_is_a_place_only_for_the_operator(tmp_path):
    assert parse_place(str(tmp_path), may_be_path=True).scheme == "file"
    with pytest.raises(BadInput):
        parse_place(str(tmp_path), may_be_path=False)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "[::1]", "[::ffff:10.0.0.1]", "[fd00::1]",
     "0.0.0.0"],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(host):
    with pytest.raises(Denied, match="not at a public address"):
        pin(parse_place(f"https://{host}/a", may_be_path=False))


def test_git_connects_to_the_address_that_was_checked(tmp_path):
    place = parse_place("https://8.8.8.8/a", may_be_path=False)
    proof = prove(None, KEY, "repo", tmp_path)
    command = Remote(Plumbing(tmp_path), tmp_path, place, proof, is_public_only=True)._command(["fetch"])
    assert "http.curloptResolve=8.8.8.8:443:8.8.8.8" in command
    assert not is_loopback(place)
    assert is_loopback(parse_place("https://localhost/a", may_be_path=False))


def test_a_sealed_secret_opens_with_its_key_and_for_its_repository_only(tmp_path):
    credential = seal("ada:s3cret", KEY, "repo")
    assert "s3cret" not in credential.value
    proof = prove(credential, KEY, "repo", tmp_path)
    assert (proof.environment["IMPRINT_ASK_USER"], proof.environment["IMPRINT_ASK_SECRET"]) == (
        "ada",
        "s3cret",
    )
    assert proof.strike_out("x s3cret y") == "x *** y"
    assert b"s3cret" not in (tmp_path / "ask").read_bytes()
    for key, repository in ((b"j" * 32, "repo"), (KEY, "other")):
        with pytest.raises(BadInput, match="sealed with another key"):
            prove(credential, key, repository, tmp_path)


def test_no_secret_is_an_argument(tmp_path):
    proof = prove(seal("s3cret", KEY, "repo"), KEY, "repo", tmp_path)
    place = parse_place("https://example.com/a", may_be_path=False)
    remote = Remote(Plumbing(tmp_path), tmp_path, place, proof, is_public_only=False)
    assert not any("s3cret" in each for each in remote._command(["fetch", place.url]))
    assert remote._environment()["IMPRINT_ASK_USER"] == "x-access-token"


def test_a_file_that_others_may_read_is_refused(tmp_path):
    file = tmp_path / "secret"
    file.write_text("ada:s3cret\n")
    file.chmod(0o644)
    credential = Credential("file", str(file))
    with pytest.raises(BadInput, match="others may read"):
        prove(credential, KEY, "repo", tmp_path)
    file.chmod(0o600)
    assert prove(credential, KEY, "repo", tmp_path).secret == "s3cret"
    with pytest.raises(BadInput):
        prove(Credential("file", str(tmp_path / "none")), KEY, "repo", tmp_path)
    assert stat.S_IMODE((tmp_path / "ask").stat().st_mode) == 0o700


@pytest.mark.parametrize("text", ["", "ada:", "a\nb", "x" * 20_000])
def test_what_is_no_secret_is_refused(text):
    with pytest.raises(BadInput):
        seal(text, KEY, "repo")


def test_what_is_told_of_a_mirror_has_no_secret():
    told = describe(Mirror("repo", "https://example.com/a", credential=seal("s3cret", KEY, "repo")), "a/b", 5)
    assert told["credential"] == "sealed"
    assert "value" not in str(told)


def test_patterns_mean_what_they_say():
    matches = compile_patterns(["refs/heads/*", "refs/pull/*/head"]).match
    assert matches(b"refs/heads/a/b")
    assert matches(b"refs/pull/12/head")
    assert not matches(b"refs/pull/12/merge")
    assert not matches(b"refs/heads/")
    assert not matches(b"refs/headsx/a")
    for bad in (
        [],
        ["heads/*"],
        ["refs/a b"],
        ["refs/a..b"],
        ["refs/a"] * 51 + [f"refs/{at}" for at in range(60)],
    ):
        with pytest.raises(BadInput):
            verify_patterns(bad)
