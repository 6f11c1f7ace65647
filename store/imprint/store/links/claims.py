"""Claims carried from earlier versions of a commit to the later one, line by line.

Invariants:
    1. A carried claim is `INFERRED`, names the commit that it was made about (`via`), how that was found and
       how surely; it stands behind everything that is said of the commit itself.
    2. Only lines that are another version's lines carry a claim. What a conflict's resolution or a later hand
       changed stays without one, and no earlier line speaks for two later ones.
    3. A revert carries nothing, and a refused link carries nothing: neither from the commit nor through it.
    4. Every chain ends: links lead to earlier changes only.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from imprint.store.evidence.claims import Claim, Evidence, LineRange, rank_claims
from imprint.store.evidence.ports import ClaimSource
from imprint.store.links.align import Place, Source, align, trace_members
from imprint.store.links.model import ChangeKind, Method

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imprint.store.links.model import Change, Link, Refusal
    from imprint.store.links.refusals import Refusals
    from imprint.store.links.store import LinkStore
    from imprint.store.types import ObjectId

_MAPPINGS_KEPT_MAX: Final = 4_000
_CLOSURE_MAX: Final = 20_000
"""Commits that one question follows links to."""


class LinkedClaims(ClaimSource):
    """What other sources claim, and what is carried from earlier versions.

    Args:
        claims: the other sources.
        store: the links.
        refusals: links that a person refused.
    """

    def __init__(self, claims: ClaimSource, store: LinkStore, refusals: Refusals) -> None:
        self._claims = claims
        self._store = store
        self._refusals = refusals
        self._mappings: OrderedDict[tuple[str, Link], dict[Place, Source]] = OrderedDict()

    def claims_of(self, repository_id: str, commits: Iterable[ObjectId]) -> dict[ObjectId, list[Claim]]:
        """See `ClaimSource.claims_of`."""
        wanted = list(dict.fromkeys(commits))
        refused = self._refusals.list_refusals(repository_id)
        links = self._follow(repository_id, wanted, refused)
        if not links:
            return self._claims.claims_of(repository_id, wanted)
        reached = {*wanted, *(origin for of in links.values() for link in of for origin in _origins(link))}
        own = self._claims.claims_of(repository_id, reached)
        return self._answer(repository_id, wanted, _Known(own, links, refused))

    def all_claims(self, repository_id: str) -> dict[ObjectId, list[Claim]]:
        """See `ClaimSource.all_claims`."""
        refused = self._refusals.list_refusals(repository_id)
        links = {
            commit: good
            for commit, of_commit in self._store.all_links(repository_id).items()
            if (good := keep_good(of_commit, refused))
        }
        own = self._claims.all_claims(repository_id)
        return self._answer(repository_id, [*own, *(links.keys() - own.keys())], _Known(own, links, refused))

    def _follow(
        self, repository_id: str, commits: Iterable[ObjectId], refused: Sequence[Refusal]
    ) -> dict[ObjectId, list[Link]]:
        """The links of the commits, and of those that they lead to."""
        found: dict[ObjectId, list[Link]] = {}
        seen, asked = set(commits), list(commits)
        while asked and len(seen) < _CLOSURE_MAX:
            further = self._store.links_of(repository_id, asked)
            asked = []
            for commit, of_commit in further.items():
                if good := keep_good(of_commit, refused):
                    found[commit] = good
                    for origin in {one for link in good for one in _origins(link)} - seen:
                        seen.add(origin)
                        asked.append(origin)
        return found

    def _answer(
        self, repository_id: str, commits: Iterable[ObjectId], known: _Known
    ) -> dict[ObjectId, list[Claim]]:
        answer = {}
        for commit in commits:
            claims = [*known.own.get(commit, ()), *self._carry(repository_id, commit, known)]
            if claims:
                answer[commit] = rank_claims(claims)
        return answer

    # -- carrying -------------------------------------------------------------------------------------

    def _carry(self, repository_id: str, commit: ObjectId, known: _Known) -> list[Claim]:
        """The claims that earlier versions bring to a commit, surest link first."""
        carried = known.carried.get(commit)
        if carried is not None:
            return carried
        known.carried[commit] = []  # whoever asks meanwhile is in a circle, which ages forbid
        links = [link for link in known.links.get(commit, ()) if known.leads_to_claims(link)]
        if not links:
            return []
        barred = {refusal.origin for refusal in known.refused if refusal.commit == commit}
        grouped: dict[tuple[int, int, bool, int], tuple[Link, Claim]] = {}
        lines: dict[tuple[int, int, bool, int], list[Place]] = defaultdict(list)
        taken: set[Place] = set()
        for rank, link in enumerate(links):
            for place, source in self._map(repository_id, link, taken).items():
                taken.add(place)
                for claim in self._claims_at(repository_id, source, known):
                    if (claim.via or claim.commit) not in barred:
                        key = (rank, claim.evidence.rank, not claim.lines, id(claim))
                        grouped[key] = (link, claim)
                        lines[key].append(place)
            if not taken and not self._adds_lines(repository_id, commit):
                return self._carry_whole(repository_id, link, known)
        known.carried[commit] = [
            _infer(link, claim, _join_places(lines[key]))
            for key, (link, claim) in sorted(grouped.items(), key=lambda item: item[0][:3])
        ]
        return known.carried[commit]

    def _claims_at(self, repository_id: str, source: Source, known: _Known) -> list[Claim]:
        """What is claimed of one line: by its commit's own claims, else by what they were given."""
        own = [
            claim
            for claim in known.own.get(source.commit, ())
            if claim.evidence is not Evidence.UNKNOWN and claim.covers(source.path, source.line)
        ]
        if own:
            return own
        carried = self._carry(repository_id, source.commit, known)
        return [claim for claim in carried if claim.covers(source.path, source.line)]

    def _carry_whole(self, repository_id: str, link: Link, known: _Known) -> list[Claim]:
        """For a commit that only removes: claims about whole commits."""
        for origin in _origins(link):
            claims = known.own.get(origin) or self._carry(repository_id, origin, known)
            if whole := [claim for claim in claims if not claim.lines]:
                known.carried[link.commit] = [_infer(link, claim, ()) for claim in whole]
                return known.carried[link.commit]
        return []

    def _adds_lines(self, repository_id: str, commit: ObjectId) -> bool:
        changes = self._store.load_commits(self._store.number(repository_id), [commit])
        return commit not in changes or any(file.added for file in changes[commit].files)

    def _map(self, repository_id: str, link: Link, taken: set[Place]) -> dict[Place, Source]:
        """Where each of a commit's lines comes from by one link."""
        key = (repository_id, link)
        known = self._mappings.get(key) if not taken else None
        if known is not None:
            return known
        mapped = self._find_mapping(self._store.number(repository_id), link, taken)
        if not taken:
            self._mappings[key] = mapped
            while len(self._mappings) > _MAPPINGS_KEPT_MAX:
                self._mappings.popitem(last=False)
        return mapped

    def _find_mapping(self, repository: int, link: Link, taken: set[Place]) -> dict[Place, Source]:
        changes = self._store.load_commits(repository, [link.commit, link.origin, *link.members])
        later = changes.get(link.commit)
        if later is None:
            return {}
        if not link.members:
            origin = changes.get(link.origin)
            return _name(align(later, origin, taken), link.origin) if origin else {}
        members = [changes[member] for member in link.members if member in changes]
        whole = self._store.load_range(repository, link.origin)
        if whole is not None and whole.members == link.members and _is_line_of(members):
            traced = trace_members(reversed(members))
            found = align(later, whole, taken)
            return {place: traced[there] for place, there in found.items() if there in traced}
        return _map_by_content(later, members, taken)


@dataclass(slots=True)
class _Known:
    """What one question has gathered."""

    own: Mapping[ObjectId, Sequence[Claim]]
    links: Mapping[ObjectId, Sequence[Link]]
    refused: Sequence[Refusal]
    carried: dict[ObjectId, list[Claim]] = field(default_factory=dict)
    leading: dict[ObjectId, bool] = field(default_factory=dict)

    def leads_to_claims(self, link: Link) -> bool:
        """Whether anything is claimed of what a link leads to, however far."""
        return any(self._has_claims(origin) for origin in _origins(link))

    def _has_claims(self, commit: ObjectId) -> bool:
        known = self.leading.get(commit)
        if known is None:
            self.leading[commit] = False
            known = self.leading[commit] = bool(self.own.get(commit)) or any(
                self.leads_to_claims(link) for link in self.links.get(commit, ())
            )
        return known


def keep_good(links: Iterable[Link], refused: Sequence[Refusal]) -> list[Link]:
    """The links that carry something: neither reverts nor refused, nor to what a refused head consists of."""
    listed = list(links)
    barred = {refusal.origin for refusal in refused if listed and refusal.commit == listed[0].commit}
    for link in listed:
        if link.origin in barred:
            barred = barred.union(link.members)
    return [link for link in listed if link.origin not in barred and link.method is not Method.REVERT]


def _origins(link: Link) -> tuple[ObjectId, ...]:
    return link.members or (link.origin,)


def _infer(link: Link, claim: Claim, lines: tuple[LineRange, ...]) -> Claim:
    is_carried = claim.via is not None
    score = round(link.score * (claim.score if is_carried and claim.score is not None else 1.0), 4)
    return replace(
        claim,
        commit=link.commit,
        evidence=Evidence.INFERRED,
        method=f"{link.method.value}, {claim.method}" if is_carried else link.method.value,
        lines=lines,
        score=score,
        via=claim.via or claim.commit,
    )


def _join_places(places: Iterable[Place]) -> tuple[LineRange, ...]:
    ranges: list[LineRange] = []
    for path, line in sorted(set(places)):
        if ranges and ranges[-1].path == path and ranges[-1].end == line - 1:
            ranges[-1] = LineRange(path, ranges[-1].start, line)
        else:
            ranges.append(LineRange(path, line, line))
    return tuple(ranges)


def _name(found: Mapping[Place, Place], commit: ObjectId) -> dict[Place, Source]:
    return {place: Source(commit, there.path, there.line) for place, there in found.items()}


def _is_line_of(members: Sequence[Change]) -> bool:
    """Whether the commits, newest first, build on one another without a merge."""
    return all(newer.parents == (older.commit,) for newer, older in pairwise(members)) and all(
        member.kind is ChangeKind.COMMIT or len(member.parents) == 1 for member in members
    )


def _map_by_content(later: Change, members: Sequence[Change], taken: set[Place]) -> dict[Place, Source]:
    """As well as it goes where a head has merges: the newest commit that added such a line has it."""
    found: dict[Place, Source] = {}
    for member in members:
        found |= _name(align(later, member, taken.union(found)), member.commit)
    return found
