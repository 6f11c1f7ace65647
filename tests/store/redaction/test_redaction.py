"""The redactor: every made secret is gone, what holds it stays whole, and what is none stays.

Secrets are made at run time from parts: none stands in this file.
"""

import importlib.util
import json
import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imprint.store.redaction import escapes
from imprint.store.redaction.engine import BLOCK_CHARACTERS, REMEMBERED_MIN, RuleRedactor, make_redactor
from imprint.store.redaction.library import LEFT_OUT, library_rules
from imprint.store.redaction.ports import KeepAll, Redactor, count_marks
from imprint.store.redaction.rules import OWN

ROOT = Path(__file__).parent.parent.parent.parent


@cache
def redactor() -> Redactor:
    return make_redactor()


@cache
def cases() -> list[tuple[str, str, str, tuple[str, ...]]]:
    """The texts of the benchmark, one of each kind in each place."""
    spec = importlib.util.spec_from_file_location("bench_redaction", ROOT / "bench" / "redaction.py")
    assert spec
    assert spec.loader
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    return list(bench.iter_cases(7, rounds=1))


def test_every_made_secret_is_gone_and_json_stays_json() -> None:
    for kind, place, text, parts in cases():
        redacted = redactor().redact(text)
        said = f"{kind} in {place}"
        assert not any(part in redacted.text or json.dumps(part)[1:-1] in redacted.text for part in parts), (
            said
        )
        assert redacted.text.count("\n") == text.count("\n"), said
        assert redacted.counts, said
        if text.startswith("{"):
            assert json.loads(redacted.text).keys() == json.loads(text).keys(), said
        again = redactor().redact(redacted.text)
        assert (again.text, dict(again.counts)) == (redacted.text, {}), said


def spell(line: str, plainly: str) -> str:
    """A line of JSON with every character of its strings as an escape, but for these."""
    inside = False
    pieces: list[str] = []
    at = 0
    while at < len(line):
        step = 1 if line[at] != "\\" else 6 if line[at + 1] == "u" else 2
        if line[at] == '"':
            inside = not inside
        elif inside and step == 1 and line[at] not in plainly and line[at].isascii():
            pieces.append(f"\\u{ord(line[at]):04x}")
            at += 1
            continue
        pieces.append(line[at : at + step])
        at += step
    return "".join(pieces)


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize("plainly", ["", LETTERS + "0123456789", LETTERS])
def test_a_secret_that_json_spells_with_escapes_is_gone(plainly: str) -> None:
    for kind, place, text, parts in cases():
        if "\n" in text or not is_json(text):
            continue
        written = spell(text, plainly)
        assert json.loads(written) == json.loads(text)
        for line in (written, json.dumps({"said": written})):
            redacted = redactor().redact(line)
            heard = json.dumps(json.loads(redacted.text)) + str(json.loads(redacted.text).get("said"))
            heard += spell_out(heard)
            assert not any(part in heard or json.dumps(part)[1:-1] in heard for part in parts), (kind, place)
            assert redactor().redact(redacted.text).text == redacted.text


def spell_out(text: str) -> str:
    """What escapes of ASCII in a text stand for."""
    return re.sub(r"\\+u(00[0-7][0-9a-f])", lambda found: chr(int(found[1], 16)), text)


@pytest.mark.parametrize(
    "line",
    [
        '{"said": "PLACE", "is": "https:\\/\\/example.com\\/a"}',  # as PHP writes
        '{"said": "{\\u0022was\\u0022: \\u0022PLACE\\u0022}"}',  # as .NET does
        '{"said": "\\u003cb\\u003ePLACE\\u003c/b\\u003e"}',  # as Go does
    ],
)
def test_a_line_with_escapes_and_no_secret_stays_and_one_with_a_secret_keeps_its_value(line: str) -> None:
    assert redactor().redact(line).text == line
    secret = "AWS_SECRET_ACCESS_KEY=" + "wJalr/UtnF" + "EMIK7MD/NGbPx" + "RfiCYzz+QQ1234567"
    for way in (secret, secret.replace("/", "\\/"), secret.replace("+", "\\u002B")):
        told = json.loads(redactor().redact(line.replace("PLACE", way)).text)
        assert told == json.loads(line.replace("PLACE", "AWS_SECRET_ACCESS_KEY=[redacted:secret]"))


def test_a_secret_beside_escapes_changes_nothing_else() -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" + "k1L2m3N4o5P6q7R8"
    line = f'{{"said": "\\u003cb\\u003e {token} https:\\/\\/example.com"}}'
    assert redactor().redact(line).text == line.replace(token, "[redacted:github-token]")


@given(st.text(st.sampled_from('\\\\\\\\u0026c2f/nb a"')), st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_escapes_undone_leave_json_as_it_was_and_nothing_to_do(text: str, depth: int) -> None:
    line = text
    for _ in range(depth):
        line = json.dumps({"a": line})
    plain = escapes.undo(line)
    assert json.loads(plain) is not None
    assert escapes.undo(plain) == plain
    alone = spell(json.dumps({"a": text}), "")
    if "u" not in text and "/" not in text:
        assert json.loads(escapes.undo(alone)) == {"a": text}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_text_of_any_lines_keeps_them_and_settles(data: st.DataObject) -> None:
    lines = data.draw(
        st.lists(
            st.one_of(
                st.sampled_from([text for _, _, text, _ in cases() if "\n" not in text]),
                st.text(st.characters(exclude_characters="\n"), max_size=40),
                st.sampled_from(
                    ["password=", "token: '", '"secret":', "Bearer ", "://a:", "-----BEGIN RSA "]
                ),
            ),
            max_size=6,
        )
    )
    text = data.draw(st.sampled_from(["\n", "", " "])).join(lines)
    redacted = redactor().redact(text)
    assert redacted.text.count("\n") == text.count("\n")
    assert redactor().redact(redacted.text).text == redacted.text
    for old, new in zip(text.split("\n"), redacted.text.split("\n"), strict=True):
        if is_json(old):
            assert is_json(new), old


def is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return line[:1] in "{["


def test_lines_redacted_one_by_one_are_the_same_as_together() -> None:
    lines = [text for _, _, text, _ in cases() if "\n" not in text]
    filler = "x" * REMEMBERED_MIN
    whole = "\n".join([*lines, filler, "y" * BLOCK_CHARACTERS, *lines])
    together = redactor().redact(whole)
    apart = [redactor().redact(line) for line in whole.split("\n")]
    assert together.text == "\n".join(each.text for each in apart)
    assert sum(together.counts.values()) == sum(sum(each.counts.values()) for each in apart)


def test_two_redactors_say_the_same_and_remember_nothing_that_matters() -> None:
    text = "\n".join(text for _, _, text, _ in cases())
    first, second = make_redactor(), make_redactor()
    assert first.policy_hash == second.policy_hash
    assert first.redact(text) == first.redact(text) == second.redact(text)


HARMLESS = """\
{"usage": {"input_tokens": 1234, "cache_read_input_tokens": 99121, "output_tokens": 17}}
token = get_token(request)
def login(self, username: str, password: str) -> Token:
password=password, token=self.token, secret=settings.SECRET_KEY
const apiKey = process.env.API_KEY;
export GITHUB_TOKEN=${{ secrets.GITHUB_TOKEN }}
password: <your password>
DATABASE_URL=postgres://user:password@localhost/db
"password": "Enter your password"
"pbkdf2-password": "1.2.1",
commit 7734793b756b3921c88db5375a8c156e9532447b
tree 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
"integrity": "sha512-9/u6bgY2+JDlb7vzKD5STG+jIErimDgtYkdB0NxmODJuKCxBvl5CVNiCB3LFUYosWowMf37aGVlKfrU5==",
"resolved": "https://registry.example.com/left-pad/-/left-pad-1.3.0.tgz#5b8a3a7765dfe001261dde915589e782f8c94d1e"
github.com/pkg/errors v0.9.1 h1:FEBLx1zS214owpjy7qsBeixbURkuhQAwrK5UwLGTwt4=
{"id": "msg_01XFDUDYJgAACzvnptvVoYEL", "tool_use_id": "toolu_01A09q90qw90lq917835lq9"}
{"uuid": "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d", "parentUuid": "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"}
The secret of good tests is that they fail. Pass the token to the next function.
Authorization: Bearer <token>
curl -u "$USER:$PASSWORD" https://api.example.com
next_page_token = "CAUQAA1234567890abcdef"
AKIAIOSFODNN7EXAMPLE
-----BEGIN PUBLIC KEY-----
-----BEGIN CERTIFICATE-----
grep -n 'BEGIN RSA PRIVATE KEY' src/
""".splitlines()


@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_no_secret_stays(line: str) -> None:
    assert redactor().redact(line).text == line


def test_a_picture_in_base64_stays_and_costs_little() -> None:
    picture = "iVBORw0KGgo" + "Ab3dE9x+/Q7" * 90_000
    line = json.dumps({"source": {"media_type": "image/png", "data": picture}})
    assert redactor().redact(line).text == line


def key_lines() -> list[str]:
    body = ["MIIEpAIBAAKCAQEA" + "q7Zx" * 12, "Kd93jf0sQ2" * 6, "bQ=="]
    return ["-----BEGIN RSA PRIVATE " + "KEY-----", *body, "-----END RSA PRIVATE " + "KEY-----"]


@pytest.mark.parametrize("cut", [(0, 3), (2, 5), (1, 5), (0, 2)])
def test_a_key_whose_begin_or_end_was_cut_off_is_gone_too(cut) -> None:
    part = key_lines()[cut[0] : cut[1]]
    redacted = redactor().redact("\n".join(["before", *part, "after that, words"]))
    lines = redacted.text.split("\n")
    assert (lines[0], lines[-1], len(lines)) == ("before", "after that, words", len(part) + 2)
    assert {*lines[1:-1]} == {"[redacted:private-key]"}


def test_a_key_with_windows_line_ends_keeps_them() -> None:
    text = "\r\n".join([*key_lines(), "after"])
    redacted = redactor().redact(text)
    assert redacted.text == "\r\n".join(["[redacted:private-key]"] * 5 + ["after"])
    assert dict(redacted.counts) == {"private-key": 1}


def test_a_key_that_begins_in_one_line_of_json_ends_there() -> None:
    begin, first, *_ = key_lines()
    lines = [json.dumps({"a": f"{begin}\n{first}"}), json.dumps({"b": "kept"})]
    redacted = redactor().redact("\n".join(lines)).text.split("\n")
    assert [json.loads(line) for line in redacted] == [{"a": "[redacted:private-key]"}, {"b": "kept"}]


def test_a_number_as_a_password_stays_json() -> None:
    redacted = redactor().redact('{"password": 12345678, "port": 5432}').text
    assert json.loads(redacted) == {"password": "[redacted:password]", "port": 5432}


def test_texts_that_lower_case_changes_in_length_are_searched_all_the_same() -> None:
    secret = "gh" + "p_" + "aB3" * 12
    assert secret not in redactor().redact(f"İİİİ {secret} İ").text


def test_lone_surrogates_are_taken() -> None:
    text = "\ud800" + "x" * REMEMBERED_MIN
    assert redactor().redact(text).text == text


def test_the_library_s_rules_are_all_used_or_named_with_a_reason() -> None:
    used = {rule.kind for rule in library_rules()}
    assert not used & LEFT_OUT.keys()
    assert len(used) > 200
    assert len(used) + len(LEFT_OUT) == 222, "the library has other rules now: read what is new"


def test_the_policy_hash_tells_one_set_of_rules_from_another() -> None:
    whole = RuleRedactor(OWN)
    hashes = {
        whole.policy_hash,
        RuleRedactor(OWN[1:]).policy_hash,
        redactor().policy_hash,
        KeepAll.policy_hash,
    }
    assert len(hashes) == 4
    assert redactor().engine.startswith("imprint/")
    assert "secretscreen/" in redactor().engine


CHARACTERS = 40_000
UNITS = (
    *("cookie: ", "Set-Cookie: session=a; ", "cookie:a=", "pw=", "AKIA", "sshpass -p ", "AccountKey="),
    *(
        "token=token:",
        "_key: ",
        'pw="',
        "authorization: Basic ",
        "-----BEGIN PRIVATE KEY-----",
        "eyJ",
        "://a:",
    ),
    *("pw=aB3dE5fG7hI9,", "sshpass -p [redacted:password] -p ", "curl -u a:", "mysql -p", "auth0", "secret "),
    *("\\", "\\u0070w=", "\\/token\\u003d"),
)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("form", ["one line", "short lines", "json"])
def test_what_is_looked_at_is_bounded_by_the_length_of_a_line_made_to_be_slow(unit: str, form: str) -> None:
    size = 2000 if form == "short lines" else CHARACTERS
    line = (unit * size)[:size]
    text = json.dumps({"a": line}) if form == "json" else "\n".join([line] * (CHARACTERS // size))
    redacted = redactor().redact(text)
    assert redacted.effort < 150 * len(text)
    again = redactor().redact(redacted.text)
    assert again.text == redacted.text
    if form == "json":
        json.loads(redacted.text)


def test_a_secret_among_too_many_places_is_gone() -> None:
    secret, key = "hunter" + "2_x9Q", "AK" + "IA" + "Q7ZX" * 4
    for text in (
        "pw=" * 20_000 + f" DB_PASSWORD={secret} " + "pw=" * 20_000,
        "cookie: " * 20_000 + f"cookie: session={secret}; a=b",
        "AKIA" * 20_000 + f" {key} " + "AKIA" * 20_000,
    ):
        redacted = redactor().redact(text).text
        assert secret not in redacted
        assert key not in redacted


def test_a_mark_is_never_replaced_again() -> None:
    redacted = redactor().redact("sshpass -p sshpass -p sshpass -p sshpass -p ")
    assert redacted.text == "sshpass -p " + "[redacted:password] -p " * 3
    assert dict(redacted.counts) == {"password": 3}


def test_marks_are_counted_by_kinds_that_there_are() -> None:
    text = b"[redacted:jwt] [redacted:jwt] [redacted:x] [redacted:y] [redacted:] [redacted:J]"
    assert count_marks(text, redactor().kinds) == {"jwt": 2, "other": 2}
    assert {"password", "private-key", "too-many", "github-token"} <= redactor().kinds


def test_a_long_line_of_counts_is_let_be() -> None:
    line = json.dumps([{"tokens": 10_000 + n, "token_type": "text", "secret": False} for n in range(2000)])
    assert redactor().redact(line).text == line
