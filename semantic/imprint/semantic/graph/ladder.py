"""The ladder: from a use of a name to the definition that it reaches, at one commit.

Rungs, the surest first: the file's own scopes; what it imports; its package; the type of the receiver; what
that type inherits; a name that only one definition has. A rung that finds several candidates ends the climb:
a wrong edge is worse than a missing one, so the answer is then no target and why.

Invariants:
1. Only files that matter are read: the one with the use, those that it imports along the way, and those that
   define the name.
2. Following imports, values and bases ends: each is bounded by `STEPS_MAX`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.lookups import STEPS_MAX, Lookups, Resolution, found_by, nothing
from imprint.semantic.graph.model import Reason
from imprint.semantic.graph.pages import (
    CALLABLE_KINDS,
    REDEFINING,
    TYPE_KINDS,
    Found,
    drop_types,
    in_block,
    is_only_member,
)
from imprint.semantic.graph.receivers import Owner, split_chain
from imprint.semantic.parse.model import EntityKind, ReferenceKind

if TYPE_CHECKING:
    from imprint.semantic.graph.pages import Page
    from imprint.semantic.parse.model import Binding, Entity, Import, Reference

# Where a bare call may mean a member of the type around it.
_IMPLICIT: Final = frozenset({"jvm", "csharp", "c", "ruby", "swift", "dart"})
# Where what is neither declared nor imported may still come from another file.
_GLOBAL: Final = frozenset(
    {
        "c",
        "ruby",
        "php",
        "lua",
        "bash",
        "swift",
        "julia",
        "haskell",
        "ocaml",
        "dart",
        "elixir",
        "zig",
        "csharp",
        "jvm",
    }
)
_SELVES: Final = frozenset({"self", "this", "cls", "$this", "static", "Self", "@"})
_SUPERS: Final = frozenset({"super", "super()", "base", "parent"})


class Resolver(Lookups):
    """Climbs the ladder at one snapshot; not safe to share between threads."""

    def resolve(self, page: Page, reference: Reference) -> Resolution:
        """Climb the ladder for one use."""
        if reference.kind is ReferenceKind.IMPORT:
            return self._resolve_import(page, reference)
        return self.resolve_name(page, reference.container, reference.qualifier, reference.name)

    def reach(self, page: Page, reference: Reference) -> Resolution:
        """Climb the ladder for one use; of several definitions in one place, those that the use can mean."""
        found = self.resolve(page, reference)
        if len(found.targets) < 2 or len({each.file for each in found.targets}) > 1:  # noqa: PLR2004 - nothing to choose
            return found
        theirs = self.page(found.targets[0].file)
        targets = drop_types(theirs, found.targets, called=reference.kind is ReferenceKind.CALL)
        if len(targets) > 1 and theirs.file == page.file and page.family in REDEFINING:
            around = page.by_path.get(targets[0].entity.container, ())
            if any(each.kind in CALLABLE_KINDS for each in around):
                targets = in_block(self.snapshot.read(page.file).split(b"\n"), targets, reference.line)
        return replace(found, targets=targets)

    def resolve_name(
        self, page: Page, container: str, qualifier: str, name: str, steps: int = STEPS_MAX
    ) -> Resolution:
        """Climb the ladder for a name as written in a container, behind a qualifier or none."""
        if steps <= 0:
            return nothing("too many steps")
        if not qualifier:
            return self._bare(page, container, name, steps)
        owner = self.owner_of(page, container, qualifier, steps - 1)
        if owner is not None:
            return self._member(page, owner, name, steps - 1)
        return self._unique_member(page, name)

    def _bare(self, page: Page, container: str, name: str, steps: int) -> Resolution:
        local = self._in_scopes(page, container, name)
        bound = self._bound_here(page, container, name)
        if local and not (bound and bound.container and bound.container != local[0].entity.container):
            return found_by(local, Reason.SAME_FILE)
        if bound is not None:
            aliased = self._through_binding(page, bound, steps - 1)
            if aliased is not None:
                return aliased
        member = self._implicit_member(page, container, name, steps) if page.family in _IMPLICIT else None
        return member or self._imported(page, name, steps) or self._from_outside(page, name)

    def _implicit_member(self, page: Page, container: str, name: str, steps: int) -> Resolution | None:
        around = page.type_around(container)
        found = self.member_of(Owner.type(page.file, around), name, steps - 1) if around else ()
        if not found:
            return None
        return found_by(found, Reason.SAME_FILE if found[0].file == page.file else Reason.INHERITED)

    def _from_outside(self, page: Page, name: str) -> Resolution:
        """What a name means that the file neither declares nor imports."""
        packaged = self._packaged(page, name)
        if packaged:
            return found_by(packaged, Reason.PACKAGE)
        return self._unique(page, name) if page.family in _GLOBAL else nothing("builtin or unknown name")

    def _in_scopes(self, page: Page, container: str, name: str) -> tuple[Found, ...]:
        """The nearest declarations that are visible from a container."""
        scope = container
        while True:
            hidden = scope and page.is_type(scope) and page.family not in _IMPLICIT and scope != container
            if not hidden:
                here = [
                    each
                    for each in page.by_name.get(name, ())
                    if each.container == scope and scope.rpartition(".")[2] != name
                    if (scope and page.is_type(scope)) or not is_only_member(page.family, each)
                ]
                if here and (not scope or page.is_type(scope) or not _is_field_only(here)):
                    chosen = [each for each in here if each.kind is not EntityKind.DECLARATION] or here
                    return tuple(Found(page.file, each) for each in chosen)
            if not scope:
                return ()
            scope = scope.rpartition(".")[0]

    def _imported(self, page: Page, name: str, steps: int) -> Resolution | None:
        for taken in page.imports.get(name, ()):
            found = self.imported(page, taken, steps - 1)
            if found:
                return found_by(found, Reason.IMPORT)
            return nothing(f"external: {taken.module}{'.' + taken.name if taken.name else ''}")
        for taken in page.open_imports:
            found = self.named_in_module(page, taken.module, name, steps - 1)
            if found:
                return found_by(self._with_body(page, found), Reason.IMPORT)
        return None

    def _resolve_import(self, page: Page, reference: Reference) -> Resolution:
        for taken in page.facts.imports:
            if taken.line == reference.line and taken.name == reference.name:
                found = self.imported(page, taken, STEPS_MAX)
                if found:
                    return found_by(found, Reason.IMPORT)
        return nothing(f"external: {reference.name}")

    def _unique(self, page: Page, name: str) -> Resolution:
        found = [
            each
            for each in self.definitions(name, page.family)
            if each.entity.kind in CALLABLE_KINDS | TYPE_KINDS
            and (not self.page(each.file).is_type(each.entity.container) or page.family in {"ruby", "elixir"})
        ]
        found = [each for each in found if self._in_reach(page, each)]
        if len({(each.file, each.entity.container) for each in found}) == 1:
            return found_by(tuple(found), Reason.UNIQUE, 0.75 if page.family == "c" else None)
        return nothing("several candidates" if found else "external or unknown name")

    def _unique_member(self, page: Page, name: str) -> Resolution:
        """A member that only one type has, where the file speaks of that type or of its file."""
        found = [
            each
            for each in self.definitions(name, page.family)
            if each.entity.kind in CALLABLE_KINDS and self.page(each.file).is_type(each.entity.container)
        ]
        found = [each for each in found if self._in_reach(page, each)]
        if len({(each.file, each.entity.container) for each in found}) != 1:
            return nothing("several candidates" if found else "type of the receiver is unknown")
        owner = found[0].entity.container.rpartition(".")[2]
        spoken = found[0].file == page.file or owner in page.imports or owner in page.by_name
        spoken = spoken or any(each.name == owner for each in page.facts.references)
        if not spoken:
            return nothing("type of the receiver is unknown")
        return found_by(tuple(found), Reason.UNIQUE)

    def owner_of(self, page: Page, container: str, chain: str, steps: int) -> Owner | None:
        """What a qualifier stands for; None where that is not known."""
        if steps <= 0 or not chain:
            return None
        if chain in _SELVES or chain in _SUPERS:
            around = page.type_around(container)
            return Owner.type(page.file, around, above=chain in _SUPERS) if around else None
        called, chain = chain.endswith(")"), _uncalled(chain)
        for taken in page.imports.get(chain, ()) if not called else ():
            return self._owner_of_import(page, taken, steps)
        qualifier, name = split_chain(chain)
        if not qualifier:
            return self._owner_of_name(page, container, name, called=called, steps=steps)
        attribute = self._attribute(page, container, name, steps) if qualifier in _SELVES else None
        if attribute is not None and not called:
            return attribute
        owner = self.owner_of(page, container, qualifier, steps - 1)
        return self._owner_in(page, owner, name, called=called, steps=steps) if owner is not None else None

    def _owner_in(self, page: Page, owner: Owner, name: str, *, called: bool, steps: int) -> Owner | None:
        """What a member of an owner stands for, or gives when it is called."""
        if owner.module and not called and page.family == "python":
            inner = f"{owner.module}.{name}"
            files = self.modules.find(page.family, self.snapshot.paths[page.file], inner)
            if files:
                return Owner.of_module(inner, files)
        member = self._member(page, owner, name, steps - 1)
        if member.targets:
            return self._owner_of_found(member.targets, called=called, steps=steps)
        if owner.type_path and not called:
            return self._attribute(self.page(owner.file), owner.type_path, name, steps)
        return owner if owner.outside else None

    def _owner_of_import(self, page: Page, taken: Import, steps: int) -> Owner:
        if not taken.name or page.family == "python":
            module = taken.module
            if taken.name:
                module = f"{module}{'' if module.endswith('.') else '.'}{taken.name}"
            files = self.modules.find(page.family, self.snapshot.paths[page.file], module)
            if files:
                return Owner.of_module(module, files)
        found = self.imported(page, taken, steps - 1)
        owner = self._owner_of_found(found, called=False, steps=steps) if found else None
        return owner or Owner.external(f"{taken.module}{'.' + taken.name if taken.name else ''}")

    def _owner_of_name(
        self, page: Page, container: str, name: str, *, called: bool, steps: int
    ) -> Owner | None:
        bound = self._bound_here(page, container, name) if not called else None
        if bound is not None:
            return self.owner_of_binding(page, bound, steps - 1)
        found = self._bare(page, container, name, steps - 1)
        if found.targets:
            return self._owner_of_found(found.targets, called=called, steps=steps)
        if found.missing.startswith("external: "):
            return Owner.external(found.missing.removeprefix("external: "))
        if page.family in _IMPLICIT and not called:
            return self._attribute(page, container, name, steps)
        return None

    def owner_of_binding(self, page: Page, bound: Binding, steps: int) -> Owner | None:
        """What a bound name stands for."""
        if steps <= 0 or not bound.value or bound.value == bound.target:
            return None
        if bound.kind == "call":
            return self.owner_of(page, bound.container, f"{bound.value}()", steps)
        if bound.kind == "type":
            qualifier, name = split_chain(bound.value)
            found = self.resolve_name(page, bound.container, qualifier, name, steps)
            types = tuple(each for each in found.targets if each.entity.kind in TYPE_KINDS)
            if types:
                return self._owner_of_found(types, called=True, steps=steps)
            outside = found.missing.startswith("external: ")
            return Owner.external(found.missing.removeprefix("external: ")) if outside else None
        return self.owner_of(page, bound.container, bound.value, steps)

    def _owner_of_found(self, found: tuple[Found, ...], *, called: bool, steps: int) -> Owner | None:
        first = found[0]
        page, entity = self.page(first.file), first.entity
        if entity.kind in TYPE_KINDS or entity.kind is EntityKind.NAMESPACE:
            return Owner.type(first.file, entity.qualified_name)
        if called and entity.kind in CALLABLE_KINDS:
            if entity.name in {"new", "constructor", "__init__"} and page.is_type(entity.container):
                return Owner.type(first.file, entity.container)
            return self._owner_returned(page, entity.qualified_name, steps)
        if entity.kind in {EntityKind.VARIABLE, EntityKind.CONSTANT, EntityKind.FIELD}:
            bound = self._bound_here(page, entity.container, entity.name)
            if bound is None:
                return self._attribute(page, entity.container, entity.name, steps - 1)
            return self.owner_of_binding(page, bound, steps - 1)
        return None

    def _owner_returned(self, page: Page, path: str, steps: int) -> Owner | None:
        """What a function gives, by its annotation or by what it returns."""
        returned = [each for each in page.bindings.get("<return>", ()) if each.container == path]
        typed = [each for each in returned if each.kind == "type"] or returned
        if len({each.value for each in typed}) != 1:
            return None
        if typed[0].value in {"Self", "self", "static"}:
            return Owner.type(page.file, page.type_around(path))
        return self.owner_of_binding(page, typed[0], steps - 1)

    def _attribute(self, page: Page, container: str, name: str, steps: int) -> Owner | None:
        """What an attribute of the type around a container stands for, by what its methods bind it to."""
        around = page.type_around(container)
        for _ in range(steps):
            if not around:
                return None
            keys = (f"self.{name}", f"this.{name}", f"$this->{name}", f"cls.{name}", name)
            for key in keys:
                values = [
                    each
                    for each in page.bindings.get(key, ())
                    if page.type_around(each.container) == around
                    and (key != name or each.container == around)
                ]
                typed = [each for each in values if each.kind == "type"] or values
                if len({(each.kind, each.value) for each in typed}) == 1:
                    return self.owner_of_binding(page, typed[0], steps - 1)
            bases = self.bases_of(Owner.type(page.file, around), steps - 1)
            if not bases:
                return None
            page, around = self.page(bases[0].file), bases[0].type_path
        return None

    def _member(self, page: Page, owner: Owner, name: str, steps: int) -> Resolution:
        if owner.outside:
            return nothing(f"external: {owner.outside}")
        if owner.module:
            for file in owner.files:
                found = self.exported(self.page(file), name, steps)
                if found:
                    return found_by(found, Reason.IMPORT)
            return nothing("not in the module")
        found = self.member_of(owner, name, steps)
        if not found and page.family == "ruby" and name == "new":
            found = self.member_of(owner, "initialize", steps)
        if not found:
            return self._unknown_member(owner, steps)
        own = found[0].entity.container == owner.type_path
        return found_by(found, Reason.RECEIVER if own and not owner.above else Reason.INHERITED)

    def member_of(self, owner: Owner, name: str, steps: int) -> tuple[Found, ...]:
        """A member of a type or of what it inherits from, the nearest."""
        if steps <= 0:
            return ()
        page = self.page(owner.file)
        if not owner.above:
            own = [each for each in page.by_name.get(name, ()) if each.container == owner.type_path]
            own = own or self._elsewhere(page, owner.type_path, name)
            if own:
                bodies = [each for each in own if each.kind is not EntityKind.DECLARATION] or own
                return tuple(Found(page.file, each) for each in bodies)
            apart = self._apart(page, owner.type_path, name)
            if apart:
                return apart
        for base in self.bases_of(owner, steps - 1):
            found = self.member_of(base, name, steps - 1)
            if found:
                return found
        return ()

    def _unknown_member(self, owner: Owner, steps: int) -> Resolution:
        """Why a type has no such member: it may have it from a base that is not in the repository."""
        border = [owner]
        for _ in range(steps):
            for each in border:
                named = self.page(each.file).bases.get(each.type_path, ())
                if len(self.bases_of(each, steps - 1)) < len(named):
                    return nothing(f"external: a base of {each.type_path}")
            border = [base for each in border for base in self.bases_of(each, steps - 1)][:STEPS_MAX]
        return nothing("not in the type of the receiver")

    def _elsewhere(self, page: Page, path: str, name: str) -> list[Entity]:
        """Members of a type that stand outside of its body in the same file, under another path."""
        last = path.rpartition(".")[2]
        return [
            each
            for each in page.by_name.get(name, ())
            if each.container and each.container.rpartition(".")[2] == last and page.family in {"rust", "c"}
        ]

    def _apart(self, page: Page, path: str, name: str) -> tuple[Found, ...]:
        """Methods of a type that stand in other files than the type (Go, Rust, C++, partial classes)."""
        if page.family not in {"go", "rust", "c", "csharp", "swift", "ruby"}:
            return ()
        found = [
            each
            for each in self.definitions(name, page.family)
            if each.entity.container == path and each.file != page.file
        ]
        return tuple(found) if len({each.file for each in found}) == 1 else ()

    def bases_of(self, owner: Owner, steps: int) -> list[Owner]:
        """The types that a type names as its bases, in order, as far as they are known."""
        page = self.page(owner.file)
        owners = []
        for qualifier, name in page.bases.get(owner.type_path, ()):
            if name == owner.type_path and not qualifier:
                continue
            around = owner.type_path.rpartition(".")[0]
            found = self.resolve_name(page, around, qualifier, name, steps)
            types = [each for each in found.targets if each.entity.kind in TYPE_KINDS]
            if types:
                owners.append(Owner.type(types[0].file, types[0].entity.qualified_name))
        return owners


def _is_field_only(entities: list[Entity]) -> bool:
    return all(each.kind is EntityKind.FIELD for each in entities)


def _uncalled(chain: str) -> str:
    """A chain without its last call's parentheses."""
    if not chain.endswith(")"):
        return chain
    depth = 0
    for index in range(len(chain) - 1, -1, -1):
        depth += (chain[index] == ")") - (chain[index] == "(")
        if depth == 0:
            return chain[:index]
    return chain
