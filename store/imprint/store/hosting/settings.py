"""What can be chosen for one repository, by git's own names, and what a push is held to because of it.

Source: git-config(1), `receive.*` and `transfer.*`; git-fsck(1), "FSCK MESSAGES".

Invariants:
    1. A setting that is kept has a known name in its one spelling, and a value that was understood.
    2. Objects are always checked. Single findings can be downgraded or single objects excepted; what git
       calls fatal cannot.
    3. A push is held to the settings as they were when it began; its event tells where they eased its checks.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from imprint.store.errors import BadInput, BadObjectId, LimitExceeded
from imprint.store.refs.hidden import HIDE_REFS, HiddenRefs
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imprint.store.catalog.ports import RepositoryRecord

FATAL_IDS: Final = ("nulInHeader", "unterminatedHeader")
"""What git never accepts, whatever is set."""
MESSAGE_IDS: Final = (
    *("badDate", "badDateOverflow", "badEmail", "badFilemode", "badName", "badObjectSha1", "badParentSha1"),
    *("badTagName", "badTimezone", "badTree", "badTreeSha1", "badType", "duplicateEntries", "emptyName"),
    *("extraHeaderEntry", "fullPathname", "gitattributesBlob", "gitattributesLarge"),
    *("gitattributesLineLength", "gitattributesMissing", "gitattributesSymlink", "gitignoreSymlink"),
    *("gitmodulesBlob", "gitmodulesLarge", "gitmodulesMissing", "gitmodulesName", "gitmodulesParse"),
    *("gitmodulesPath", "gitmodulesSymlink", "gitmodulesUpdate", "gitmodulesUrl", "hasDot", "hasDotdot"),
    *("hasDotgit", "mailmapSymlink", "missingAuthor", "missingCommitter", "missingEmail"),
    *("missingNameBeforeEmail", "missingObject", "missingSpaceBeforeDate", "missingSpaceBeforeEmail"),
    *("missingTag", "missingTagEntry", "missingTaggerEntry", "missingTree", "missingType"),
    *("missingTypeEntry", "multipleAuthors", "nulInCommit", "nullSha1", "treeNotSorted", "unknownType"),
    *("zeroPaddedDate", "zeroPaddedFilemode"),
)
"""What git's checks of objects may find, as git 2.39 names it; the fatal ones apart."""
_MILDER: Final = {
    **dict.fromkeys(("badFilemode", "badTagName", "gitattributesSymlink", "gitignoreSymlink"), "warn"),
    **dict.fromkeys(("gitmodulesParse", "mailmapSymlink", "missingTaggerEntry"), "warn"),
    "extraHeaderEntry": "ignore",
}
"""What git does not take for an error."""
SEVERITIES: Final = ("error", "warn", "ignore")
FSCK: Final = "receive.fsck."
FSCK_OBJECTS: Final = "receive.fsckObjects"
SKIP_LIST: Final = "receive.fsck.skipList"
DENY_NON_FAST_FORWARDS: Final = "receive.denyNonFastForwards"
DENY_DELETES: Final = "receive.denyDeletes"
DENY_DELETE_CURRENT: Final = "receive.denyDeleteCurrent"
MAX_INPUT_SIZE: Final = "receive.maxInputSize"
_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_SIZE: Final = re.compile(r"([0-9]{1,18})([kmg]?)\Z")
_UNITS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SEPARATORS: Final = re.compile(r"[\s,]+")
_FINDING: Final = re.compile(r"\bobject ([0-9a-f]{40,64}): ([A-Za-z0-9]+): ")
"""A finding as git's index-pack says it."""


# -- what may be set ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be chosen.

    Attributes:
        name: as git-config(1) has it.
        default: what holds where nothing is chosen.
        meaning: for people.
        parse: gives the value in its one spelling.
    """

    name: str
    default: str
    meaning: str
    parse: Callable[[str], str]


def _parse_bool(text: str) -> str:
    if text.lower() in _TRUE:
        return "true"
    if text.lower() in _FALSE:
        return "false"
    raise BadInput(f"{text[:40]!r} is neither true nor false")


def _parse_size(text: str) -> str:
    match = _SIZE.match(text.lower())
    if not match or not int(match[1]):
        raise BadInput(f"{text[:40]!r} is not a size", hint="write bytes, or 10k, 50m, 2g")
    return str(int(match[1]) * _UNITS[match[2]])


def _parse_deny(text: str) -> str:
    if text in {"refuse", "warn", "ignore"}:
        return text
    raise BadInput(f"{text[:40]!r} is none of refuse, warn, ignore")


def _parse_severity(text: str) -> str:
    if text in SEVERITIES:
        return text
    raise BadInput(f"{text[:40]!r} is no severity", hint="it is one of error, warn, ignore")


def _parse_ids(text: str) -> str:
    try:
        return "\n".join(sorted({ObjectId.parse(each) for each in _SEPARATORS.split(text) if each}))
    except BadObjectId as bad:
        raise BadInput(f"{SKIP_LIST}: {bad.message}", hint="it takes ids of objects") from bad


def _parse_patterns(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        if not line.removeprefix("!").removeprefix("^").startswith("refs/"):
            raise BadInput(
                f"{line[:100]!r} hides nothing", hint="a pattern begins with refs/, !refs/ or ^refs/"
            )
    return "\n".join(lines)


def _parse_always(text: str) -> str:
    if _parse_bool(text) != "true":
        raise BadInput(
            "checks of pushed objects cannot be turned off",
            hint=f"'{FSCK}<id>=warn' accepts one kind of finding, {SKIP_LIST} single objects",
        )
    return "true"


_PLAIN: Final = (
    Setting(FSCK_OBJECTS, "true", "pushed objects are checked; it cannot be turned off", _parse_always),
    Setting(SKIP_LIST, "", "ids of objects that are not checked", _parse_ids),
    Setting(DENY_NON_FAST_FORWARDS, "false", "branches only move forwards", _parse_bool),
    Setting(DENY_DELETES, "false", "branches cannot be deleted by a push", _parse_bool),
    Setting(DENY_DELETE_CURRENT, "refuse", "deletion of HEAD's branch: refuse, warn or ignore", _parse_deny),
    Setting(MAX_INPUT_SIZE, "", "largest pack, in bytes; empty for the server's own limit", _parse_size),
    Setting(HIDE_REFS, "", "refs that clients neither see nor change, one pattern a line", _parse_patterns),
)
_FINDINGS: Final = tuple(
    Setting(
        FSCK + each,
        _MILDER.get(each, "error"),
        f"what {each} is: error, warn or ignore",
        _parse_severity,
    )
    for each in MESSAGE_IDS
)
SETTINGS: Final[Mapping[str, Setting]] = {each.name.lower(): each for each in (*_PLAIN, *_FINDINGS)}
"""Everything that can be chosen, by its name in lower case: git's names do not tell case apart."""


def parse_changes(changes: Mapping[str, str | None], bytes_max: int) -> dict[str, str | None]:
    """Wished changes with names and values in their one spelling; None takes a setting away.

    Raises:
        BadInput: a name is unknown, or a value is not one that it takes.
        LimitExceeded: a value is too long.
    """
    return {
        setting.name: None if value is None else _parse_value(setting, value, bytes_max)
        for setting, value in ((find_setting(name), value) for name, value in changes.items())
    }


def describe_settings(record: RepositoryRecord) -> dict[str, Any]:
    """A repository's settings as a JSON document: those chosen, and what each would be otherwise."""
    defaults = {each.name: each.default for each in SETTINGS.values()}
    return {"name": str(record.name), "settings": dict(sorted(record.settings.items())), "defaults": defaults}


def plan_change(
    record: RepositoryRecord, changes: Mapping[str, str | None], bytes_max: int
) -> tuple[dict[str, str | None], dict[str, str]]:
    """What of the wished changes is one, and the details of its event; see `parse_changes`."""
    wished = parse_changes(changes, bytes_max)
    changed = {name: value for name, value in wished.items() if record.settings.get(name) != value}
    old = {name: record.settings.get(name) for name in changed}
    return changed, {"old": json.dumps(old), "new": json.dumps(changed)}


def _parse_value(setting: Setting, value: str, bytes_max: int) -> str:
    if len(value.encode("utf-8", "surrogateescape")) > bytes_max:
        raise LimitExceeded(f"{setting.name} is longer than {bytes_max} bytes", limit="setting_bytes_max")
    return setting.parse(value.strip())


def find_setting(name: str) -> Setting:
    """The setting of a name, in any letter case.

    Raises:
        BadInput: there is none; the hint names those that are near.
    """
    if setting := SETTINGS.get(name.lower()):
        return setting
    finding = name[len(FSCK) :].lower() if name.lower().startswith(FSCK) else ""
    if finding in {each.lower() for each in FATAL_IDS}:
        raise BadInput(f"{name[:100]} cannot be downgraded", hint="git calls it fatal")
    near = difflib.get_close_matches(name.lower(), SETTINGS, n=3)
    hint = "did you mean " + " or ".join(SETTINGS[each].name for each in near) if near else ""
    raise BadInput(
        f"there is no setting {name[:100]!r}",
        hint=hint or "docs/agreement.md lists the settings of a repository",
    )


# -- what a push is held to ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Strictness:
    """How pushed objects are checked.

    Attributes:
        severities: what is not an error as usual, by message id.
        skipped: objects that are not checked.
    """

    severities: Mapping[str, str] = field(default_factory=dict)
    skipped: tuple[ObjectId, ...] = ()

    @property
    def is_default(self) -> bool:
        """Whether everything is checked, and every finding of git is as grave as git says."""
        return not self.severities and not self.skipped

    def describe(self) -> dict[str, str]:
        """What is eased, as details of an event; nothing by default."""
        details = {FSCK + name: severity for name, severity in sorted(self.severities.items())}
        return details | ({SKIP_LIST: f"{len(self.skipped)} objects"} if self.skipped else {})


@dataclass(frozen=True, slots=True)
class ReceiveRules:
    """What a repository asks of a push.

    Attributes:
        strictness: how objects are checked.
        hidden: refs that are not for clients.
        deny_non_fast_forwards: branches only move forwards.
        deny_deletes: branches stay.
        deny_delete_current: what the deletion of HEAD's branch meets: `refuse`, `warn` or `ignore`.
        pack_bytes_max: largest pack; None for the server's own limit.
    """

    strictness: Strictness = field(default_factory=Strictness)
    hidden: HiddenRefs = field(default_factory=HiddenRefs)
    deny_non_fast_forwards: bool = False
    deny_deletes: bool = False
    deny_delete_current: str = "refuse"
    pack_bytes_max: int | None = None

    @classmethod
    def of(cls, record: RepositoryRecord) -> Self:
        """Those of a repository, as its settings are in the record."""
        settings = record.settings
        if not settings:
            return cls()
        findings = {
            name.removeprefix(FSCK): value for name, value in settings.items() if name.startswith(FSCK)
        }
        skipped = findings.pop(SKIP_LIST.removeprefix(FSCK), "")
        findings = {name: value for name, value in findings.items() if value != _MILDER.get(name, "error")}
        size = settings.get(MAX_INPUT_SIZE)
        return cls(
            Strictness(findings, tuple(ObjectId(each) for each in skipped.split())),
            HiddenRefs.of(record),
            deny_non_fast_forwards=settings.get(DENY_NON_FAST_FORWARDS) == "true",
            deny_deletes=settings.get(DENY_DELETES) == "true",
            deny_delete_current=settings.get(DENY_DELETE_CURRENT, "refuse"),
            pack_bytes_max=int(size) if size else None,
        )


def explain_finding(refusal: str, repository: str) -> str:
    """How an object that git's checks refuse can be taken all the same, for people; "" for other refusals.

    The checks stop at the first such object. An import goes on and lists them all.

    Args:
        refusal: what git said.
        repository: its `owner/name`.
    """
    found = _FINDING.search(refusal)
    if not found or found[2] not in MESSAGE_IDS:
        return ""
    return (
        "an object of this history is not as git writes it today, and perhaps others are not. To take the "
        f"whole history as it is: imprint import PATH_OR_URL {repository} --skip-list-from-report. To take "
        f"this kind of object from any push, an administrator: imprint repo settings {repository} "
        f"{FSCK}{found[2]}=warn"
    )
