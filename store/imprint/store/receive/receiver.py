"""Push: the objects wait in quarantine, are connected, judged, and admitted in one transaction.

Invariants:
    1. The commit point is the catalogue's `admit`. Before it nothing happened; after it the push is durable.
    2. A push that is refused or loses its race leaves no file and no row.
    3. A crash leaves at most a quarantine or a pack without a row; `collect` removes both.
    4. Packs come and go only under the repository's promotion lock, so that whoever holds it sees each pack
       either with its row or as a leftover.
    5. Objects that were dropped between the check of a push and its admission do not count: it is checked
       again.
"""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final

from imprint.store.catalog.kept.at_hand import one_moment
from imprint.store.errors import ProtocolError, PushRefused
from imprint.store.events import Admission
from imprint.store.hosting.repositories import OPERATOR
from imprint.store.hosting.settings import ReceiveRules, explain_finding
from imprint.store.lfs.absent import read_contents, warn_of_absent
from imprint.store.objects.recent import RecentObjects
from imprint.store.receive.connect import Connectivity, Known, find_plain, find_tips, is_ancestor
from imprint.store.receive.docket import Docket
from imprint.store.receive.landing.checked import Checked
from imprint.store.receive.landing.landing import Landing
from imprint.store.receive.push import Push, Receipt, RefCommand, UpdateResult
from imprint.store.receive.quarantine import drain, open_in
from imprint.store.receive.small.hashing import Hashing
from imprint.store.receive.small.reached import Reached
from imprint.store.receive.small.taking import Taking, as_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.events import Event, SessionClaim
    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.limits import Limits
    from imprint.store.receive.connect import Tip
    from imprint.store.receive.policy import Judge, Verdict
    from imprint.store.receive.quarantine import Quarantine, Unpacked
    from imprint.store.receive.small.hashing import Asked
    from imprint.store.receive.small.taking import Taken
    from imprint.store.types import ObjectId

__all__ = ["STEPS", "Push", "Receipt", "Receiver", "RefCommand", "UpdateResult"]

_log = logging.getLogger("imprint.store")

STEPS: Final = (
    "quarantined",
    "unpacked",
    "connected",
    "judged",
    "locked",
    "placed .pack",
    "placed .idx",
    "placed",
    "admitted",
    "released",
)
"""Where a push is, in order; a `step` callback hears each as it is reached."""
_NEVER_MS: Final = 2**63
_PROMPT_OPTION: Final = "prompt="
"""Begins the push option that is a prompt, which is kept as a turn of its session."""


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A push whose pack is in quarantine."""

    repository: Repository
    push: Push
    docket: Docket
    quarantine: Quarantine
    unpacked: Unpacked | None


@dataclass(frozen=True, slots=True)
class _Shared:
    """What pushes share that are checked together: git's word on ids, and when their quarantines end."""

    hashing: Asked
    quarantines: ExitStack


class Receiver:
    """Receives pushes. Safe to share between threads.

    Attributes:
        hosting: whose repositories they go to.
        recent: what commits that are made here read and wrote lately.

    Args:
        hosting: the repositories, their catalogue, time, ids and limits.
        judge: who decides whether a push may be admitted.
        on_admitted: told the repository's id after each admission, when the push is durable.
        step: told each of `STEPS` as it is reached; for tests that stop the world there.
    """

    def __init__(
        self,
        hosting: Hosting,
        judge: Judge,
        on_admitted: Callable[[str], None] = lambda _: None,
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.hosting = hosting
        self.recent = RecentObjects()
        self._hashing = Hashing()
        self._reached = Reached()
        self._judge = judge
        self._on_admitted = on_admitted
        self._step = step
        self._landing = Landing(hosting, self._tell)

    def _tell(self, reached: str) -> None:
        self._step(reached)

    def receive(
        self, push: Push, repository: Repository, before_landing: Callable[[], None] = lambda: None
    ) -> Receipt:
        """Admit a push: its objects, and the ref updates that nothing speaks against.

        Refusals of single commands, and of the pack, are in the receipt. `before_landing` is called when
        everything is checked.

        Raises:
            PushRefused: the judge said no.
            LimitExceeded: the pack is too large.
            RepositoryMissing: the repository was deleted meanwhile.
            StoreFailure: the machine failed; nothing was admitted.
        """
        snapshot = repository.view.refs.snapshot()
        docket = self._open_docket(push, snapshot, repository)
        if push.commands and not docket.standing:
            if push.pack:
                drain(push.pack)
            return docket.make_receipt()
        with open_in(repository, self.hosting, "push") as quarantine:
            self._step("quarantined")
            try:
                unpacked = self._unpack(push, quarantine, snapshot, repository)
            except (ProtocolError, PushRefused) as refusal:
                docket.refuse_all("unpacker error")
                hint = refusal.hint or explain_finding(refusal.message, str(repository.record.name))
                return docket.make_receipt(unpack_error=refusal.message, warnings=(hint,) if hint else ())
            checked = self._check(_Arrived(repository, push, docket, quarantine, unpacked), snapshot)
            before_landing()
            self._landing.land_all([checked])
        return self._finish(checked)

    def receive_made(
        self,
        pushes: Sequence[Push],
        repository: Repository,
        before_landing: Callable[[], None] = lambda: None,
    ) -> list[Receipt | Exception | None]:
        """Admit pushes of objects that were made here, together: what becomes of each is what `receive` does.

        Args:
            pushes: to different refs; each brings objects, and none a pack.
            repository: where they go.
            before_landing: called when all of them are checked.

        Returns:
            For each its receipt, or what `receive` raises; None for one that git has to look at, of which
            nothing happened.
        """
        snapshot = repository.view.refs.snapshot()
        every = [{object_id: (kind, content) for object_id, kind, content in push.made} for push in pushes]
        hashing = self._hashing.ask_ahead(every, repository.record.algorithm)
        outcomes: list[Receipt | Exception | None] = []
        landing: dict[int, Checked] = {}
        with ExitStack() as quarantines:
            shared = _Shared(hashing, quarantines)
            with one_moment():
                for at, push in enumerate(pushes):
                    try:
                        found = self._check_made(push, repository, snapshot, shared)
                    except Exception as failure:  # noqa: BLE001 - given to whom it belongs
                        outcomes.append(failure)
                        continue
                    if isinstance(found, Checked):
                        landing[at] = found
                    outcomes.append(None if isinstance(found, Checked) else found)
            before_landing()
            if landing:
                self._landing.land_all(list(landing.values()))
        for at, checked in landing.items():
            met = checked.outcome.exception()
            if met is not None and not isinstance(met, Exception):
                raise met
            outcomes[at] = met or self._finish(checked)
        return outcomes

    def _check_made(
        self, push: Push, repository: Repository, snapshot: RefSnapshot, shared: _Shared
    ) -> Checked | Receipt | None:
        """One of several pushes, ready to land; or its refusal; None where git has to look at it."""
        docket = self._open_docket(push, snapshot, repository)
        if not docket.standing:
            return docket.make_receipt()
        rules = ReceiveRules.of(repository.record)
        if not rules.strictness.is_default:
            return None
        taken, _ = self._take(push, self._bound(rules), snapshot, repository, shared.hashing)
        if taken is None:
            return None
        quarantine = shared.quarantines.enter_context(open_in(repository, self.hosting, "push"))
        self._step("quarantined")
        unpacked = quarantine.hold(taken)
        self._step("unpacked")
        return self._check(_Arrived(repository, push, docket, quarantine, unpacked), snapshot)

    def _check(self, arrived: _Arrived, snapshot: RefSnapshot) -> Checked:
        """Connect and judge what has arrived."""
        push, repository, docket = arrived.push, arrived.repository, arrived.docket
        quarantine, unpacked = arrived.quarantine, arrived.unpacked
        connect = partial(self._connect, arrived)
        tips = connect(snapshot)
        verdict = self._verify_allowed(push, repository)
        return Checked(
            repository=repository,
            push=push,
            docket=docket,
            quarantine=quarantine,
            unpacked=unpacked,
            tips=tips,
            generation=snapshot.generation,
            connect=partial(connect, anew=True),
            is_forward=partial(_is_forward, quarantine, unpacked),
            admission=self._make_admission(push, verdict, repository),
            warnings=self._find_warnings(unpacked, quarantine, repository),
        )

    def _finish(self, checked: Checked) -> Receipt:
        """What to tell of a push that has landed, or not, after all who follow were told."""
        event = checked.outcome.result()
        self._step("released")
        if event:
            _log.info(
                "%s: event %d admitted %d refs", event.repository_id, event.sequence, len(event.changes)
            )
            self._note_reached(event, checked.unpacked)
            self._on_admitted(event.repository_id)
        return checked.docket.make_receipt(event, warnings=checked.warnings)

    def _open_docket(self, push: Push, snapshot: RefSnapshot, repository: Repository) -> Docket:
        """The commands of a push, without those that the refs contradict."""
        docket = Docket(push, ReceiveRules.of(repository.record), self.hosting.limits.refs_max)
        docket.check_refs(snapshot, lambda each: repository.view.objects.find_kind(each) is not None)
        return docket

    # -- the steps, in order ------------------------------------------------------------------------

    def _unpack(
        self, push: Push, quarantine: Quarantine, snapshot: RefSnapshot, repository: Repository
    ) -> Unpacked | None:
        if push.pack is None and not push.made:
            return None
        rules = ReceiveRules.of(repository.record)
        limits = self._bound(rules)
        pack = push.pack
        if rules.strictness.is_default and not push.shallow:
            taken, pack = self._take(push, limits, snapshot, repository, self._hashing)
            if taken is not None:
                self._step("unpacked")
                return quarantine.hold(taken)
        if pack is None:
            pack = as_stream(push.made, repository.record.algorithm)
        unpacked = quarantine.unpack(pack, limits, push.shallow, rules.strictness)
        self._step("unpacked")
        return unpacked

    def _bound(self, rules: ReceiveRules) -> Limits:
        """The limits that a repository sets to packs."""
        limits = self.hosting.limits
        if not rules.pack_bytes_max:
            return limits
        return replace(limits, pack_bytes_max=min(limits.pack_bytes_max, rules.pack_bytes_max))

    def _take(
        self, push: Push, limits: Limits, snapshot: RefSnapshot, repository: Repository, hashing: Asked
    ) -> tuple[Taken | None, BinaryIO | None]:
        """Check a small pack in memory; None, and its stream, where it is for git to check."""
        taking = Taking(
            self.recent.before(repository.view.objects, repository.record.id),
            [command.new for command in push.commands if command.new],
            self._find_known(push, snapshot, repository).has,
            limits,
            hashing,
        )
        if push.pack is None:
            return taking.take_made(push.made), None
        return taking.take(push.pack)

    def _find_known(self, push: Push, snapshot: RefSnapshot, repository: Repository) -> Known:
        return Known(
            snapshot,
            [command.name for command in push.commands],
            lambda commit: self._reached.has(repository.record.id, commit, snapshot),
        )

    def _note_reached(self, event: Event, unpacked: Unpacked | None) -> None:
        """Remember what branches have passed."""
        if unpacked is None or unpacked.taken is None:
            return
        links = unpacked.taken.links
        for change in event.changes:
            if change.old and change.new and (between := links.list_between(change.new, change.old)):
                self._reached.note(event.repository_id, change.name, change.old, change.new, between)

    def _connect(
        self, arrived: _Arrived, snapshot: RefSnapshot, *, anew: bool = False
    ) -> dict[ObjectId, Tip]:
        """Refuse tips that are not whole; what the others are."""
        push, docket, repository = arrived.push, arrived.docket, arrived.repository
        quarantine, unpacked = arrived.quarantine, arrived.unpacked
        kinds = unpacked.kinds if unpacked else {}
        find_kind = repository.view.objects.find_kind
        tips = find_plain(docket.tips, lambda each: kinds.get(each) or find_kind(each))
        if others := docket.tips - tips.keys():
            tips |= find_tips(quarantine.reading, others)
        connectivity = Connectivity(
            quarantine,
            unpacked,
            self._find_known(push, snapshot, repository),
            repository.git_dir / "objects" / "pack",
            lambda: self.hosting.catalogue.list_packs(repository.record.id),
        )
        disconnected = connectivity.find_disconnected(tips, anew=anew)
        if push.shallow:
            disconnected |= connectivity.find_cut(tips.keys() - disconnected, frozenset(push.shallow))
        docket.check_tips(tips, disconnected)
        docket.check_forward(snapshot, partial(_is_forward, quarantine, unpacked))
        self._step("connected")
        return tips

    def _find_warnings(
        self, unpacked: Unpacked | None, quarantine: Quarantine, repository: Repository
    ) -> tuple[str, ...]:
        """What the person who pushed should know, without being refused."""
        if unpacked is None or not unpacked.may_point:
            return unpacked.warnings if unpacked else ()
        custody, repository_id = self.hosting.lfs, repository.record.id
        contents: Iterable[bytes]
        if taken := unpacked.taken:
            contents = [taken.objects[each][1] for each in unpacked.may_point]
        else:
            contents = read_contents(quarantine.alone, unpacked.may_point)
        return unpacked.warnings + warn_of_absent(custody, repository_id, contents)

    def _verify_allowed(self, push: Push, repository: Repository) -> Verdict:
        """What the judge says, when that is yes; and the token is still good after a long upload.

        Raises:
            PushRefused: no.
        """
        verdict = self._judge.judge(push, repository)
        if not verdict.allowed:
            raise PushRefused(verdict.text, rule=verdict.rule)
        if push.principal and (now := self.hosting.catalogue.find_token(push.principal.token.secret_hash)):
            ends_at_ms = min(now.expires_at_ms or _NEVER_MS, now.revoked_at_ms or _NEVER_MS)
            if ends_at_ms <= self.hosting.clock.now_ms():
                raise PushRefused("the token ended during the push", rule="token-ended")
        self._step("judged")
        return verdict

    def _make_admission(self, push: Push, verdict: Verdict, repository: Repository) -> Admission:
        principal = push.principal
        details = dict(push.details)
        if push.pack is not None:
            details |= ReceiveRules.of(repository.record).strictness.describe()
        if options := self._kept_options(push):
            details["push_options"] = json.dumps(options)
        return Admission(
            repository_id=repository.record.id,
            event_id=self.hosting.ids.new_id("evt"),
            kind=push.kind,
            at_ms=self.hosting.clock.now_ms(),
            actor=principal.actor.name if principal else OPERATOR,
            token_id=principal.token.id if principal else None,
            verdict=str(verdict),
            claim=push.claim or self._find_claim(push, repository),
            details=details,
        )

    def _kept_options(self, push: Push) -> list[str]:
        """The push options as the event keeps them, for ever and for every reader: no prompt, no secret."""
        told = [option for option in push.options if not option.lstrip().startswith(_PROMPT_OPTION)]
        return [self.hosting.keeper.redact_prompt(option).decode("utf-8", "replace") for option in told]

    def _find_claim(self, push: Push, repository: Repository) -> SessionClaim | None:
        if push.principal is None or push.principal.token.session is None:
            return None
        return self.hosting.session_claim(repository, push.principal.token.session)


def _is_forward(quarantine: Quarantine, unpacked: Unpacked | None, old: ObjectId, new: ObjectId) -> bool:
    """Whether the new commit has the old one among its ancestors."""
    if unpacked and unpacked.taken and unpacked.taken.links.list_between(new, old):
        return True
    return is_ancestor(quarantine.reading, old, new)
