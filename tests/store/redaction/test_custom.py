"""An operator's own rules: found, allowed, and refused where they would harm."""

import pytest

from imprint.store.errors import BadInput
from imprint.store.redaction.custom import read_custom_rules
from imprint.store.redaction.engine import make_redactor

FILE = """\
[[rules]]
kind = "acme-token"
anchors = ["ACME_"]
pattern = 'acme_[a-z0-9]{12,40}'

[[rules]]
kind = "badge"
anchors = ["badge no"]
pattern = '(?i)badge no\\.? *([0-9]{6})'
group = 1

[allow]
values = ["hunter2-of-the-docs"]
patterns = ['^acme_test']
"""


@pytest.fixture
def written(tmp_path):
    def write(text: str):
        path = tmp_path / "redaction.toml"
        path.write_text(text)
        return path

    return write


def test_what_an_operator_names_is_found_and_what_they_allow_stays(written) -> None:
    redactor = make_redactor(read_custom_rules(written(FILE)))
    text = "acme_0123456789ab, Badge No. 123456, acme_test0123456789, password='hunter2-of-the-docs'"
    redacted = redactor.redact(text)
    assert redacted.text == text.replace("acme_0123456789ab", "[redacted:acme-token]").replace(
        "123456,", "[redacted:badge],"
    )
    assert dict(redacted.counts) == {"acme-token": 1, "badge": 1}
    assert redactor.policy_hash != make_redactor().policy_hash


RULE = "[[rules]]\nkind = 'a'\nanchors = ['abc']\npattern = '''{}'''\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rules = 1", "'rules' is a list"),
        ("[other]", "'other' is unknown"),
        ("[[rules]]\nkind = 'A b'\npattern = 'x'", "'kind' is made of"),
        ("[[rules]]\nkind = 'a'\npattern = 'x'", "'anchors' are texts"),
        ("[[rules]]\nkind = 'a'\nanchors = ['ab']\npattern = 'x'", "at least 3 characters"),
        (RULE.format("("), "cannot be read"),
        (RULE.format("(a+)+$"), "a repeated group"),
        (RULE.format("(?:a|aa)*b"), "a repeated group"),
        (RULE.format("(?:[ab]{2,}c?){3,}"), "a repeated group"),
        (RULE.format(r"(a)\1"), "back reference"),
        (RULE.format("a*a*a*a*a*a*c"), "takes too long"),
        (RULE.format("a*"), "finds nothing"),
        (RULE.format("abc") + "group = 2", "'group' is"),
        (RULE.format("abc") + "speed = 2", "'speed' is unknown"),
        ("not toml", "redaction.toml"),
    ],
)
def test_a_file_with_a_fault_is_refused_with_its_place(written, text, why) -> None:
    with pytest.raises(BadInput) as refused:
        read_custom_rules(written(text))
    assert why in refused.value.message
    assert "redaction.toml" in refused.value.message


def test_a_file_that_is_not_there_says_so(tmp_path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read_custom_rules(tmp_path / "redaction.toml")


@pytest.mark.parametrize(
    "pattern", [r"key-(?:live|test)-[0-9a-f]{32}", r"id=(\d+)-(\w{4,20})", r"[)(]{3}[\]a]+"]
)
def test_ordinary_patterns_are_taken(written, pattern) -> None:
    assert read_custom_rules(written(RULE.format(pattern))).rules[0].pattern.pattern == pattern
