"""The ladder: from a use of a name to the definition that it reaches, at one commit.

Rungs, the surest first: the file's own scopes; what it imports; its package; the type of the receiver; what that type
inherits; a name that only one definition has. A rung that finds several candidates ends the climb: a wrong edge is
worse than a missing one, so the answer is then no target and why.

Invariants:
1. Only files that matter are read: the one with the use, those that it imports along the way, and those that define
   the name.
2. Following imports, values and bases ends: each is bounded by `STEPS_MAX`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.model import Reason
from imprint.semantic.graph.modules import Modules
from imprint.semantic.graph.pages import CALLABLE_KINDS, TYPE_KINDS, Folders, Found, Page
from imprint.semantic.graph.receivers import Owner, split_chain
from imprint.semantic.parse.model import EntityKind, ReferenceKind

if TYPE_CHECKING:
    from imprint.semantic.parse.model import Binding, Entity, Import, Reference
    from imprint.semantic.snapshot import Snapshot

# Steps along re-exports, assigned names, chained calls or bases; real code stays below.
STEPS_MAX: Final = 12
# Pages kept by a resolver, the latest.
PAGES_KEPT: Final = 4096
# Names of files whose meaning is kept.
EXPORTS_KEPT: Final = 200_000
# Of a name that more files define, none is called unique, nor looked at one by one.
DEFINING_FILES_MAX: Final = 64

CONFIDENCE: Final = {
    Reason.SAME_FILE: 0.97,
    Reason.IMPORT: 0.95,
    Reason.PACKAGE: 0.9,
    Reason.RECEIVER: 0.9,
    Reason.INHERITED: 0.85,
    Reason.UNIQUE: 0.5,
}

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
# Where the files of one folder are one package.
_FOLDER_PACKAGES: Final = frozenset({"go", "jvm", "hcl", "swift"})
_SELVES: Final = frozenset({"self", "this", "cls", "$this", "static", "Self", "@"})
_SUPERS: Final = frozenset({"super", "super()", "base", "parent"})
_OPEN_SELF: Final = frozenset({"python", "rust", "ruby", "swift"})


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a use reaches. `missing` says why, where `targets` is empty."""

    targets: tuple[Found, ...]
    reason: Reason | None
    confidence: float
    missing: str = ""


class Resolver:
    """Climbs the ladder at one snapshot; not safe to share between threads."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.folders = Folders(snapshot)
        self.modules = Modules(snapshot, self.folders)
        self._pages: OrderedDict[int, Page] = OrderedDict()
        self._exported: dict[tuple[int, str], tuple[Found, ...]] = {}

    def page(self, file: int) -> Page:
        """The facts of a file, by name."""
        page = self._pages.get(file)
        if page is None:
            page = self._pages[file] = Page(file, self.snapshot.facts(file))
            while len(self._pages) > PAGES_KEPT:
                self._pages.popitem(last=False)
        return page

    def resolve(self, page: Page, reference: Reference) -> Resolution:
        """Climb the ladder for one use."""
        if reference.kind is ReferenceKind.IMPORT:
            return self._resolve_import(page, reference)
        return self.resolve_name(page, reference.container, reference.qualifier, reference.name)

    def resolve_name(
        self, page: Page, container: str, qualifier: str, name: str, steps: int = STEPS_MAX
    ) -> Resolution:
        """Climb the ladder for a name as written in a container, behind a qualifier or none."""
        if steps <= 0:
            return _none("too many steps")
        if not qualifier:
            return self._bare(page, container, name, steps)
        owner = self.owner_of(page, container, qualifier, steps - 1)
        if owner is not None:
            return self._member(page, owner, name, steps - 1)
        return self._unique_member(page, name)

    # --- bare names

    def _bare(self, page: Page, container: str, name: str, steps: int) -> Resolution:
        local = self._in_scopes(page, container, name)
        bound = self._bound_here(page, container, name)
        if local and not (bound and bound.container and bound.container != local[0].entity.container):
            return _found(local, Reason.SAME_FILE)
        if bound is not None:
            aliased = self._through_binding(page, bound, steps - 1)
            if aliased is not None:
                return aliased
        if page.family in _IMPLICIT:
            around = page.type_around(container)
            if around:
                inherited = self.member_of(Owner.type(page.file, around), name, steps - 1)
                if inherited:
                    here = inherited[0].file == page.file
                    return _found(inherited, Reason.SAME_FILE if here else Reason.INHERITED)
        imported = self._imported(page, name, steps)
        if imported is not None:
            return imported
        packaged = self._packaged(page, name)
        if packaged:
            return _found(packaged, Reason.PACKAGE)
        if page.family in _GLOBAL:
            return self._unique(page, name)
        return _none("builtin or unknown name")

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
                ]
                if here and (not scope or page.is_type(scope) or not _is_field_only(here)):
                    chosen = [each for each in here if each.kind is not EntityKind.DECLARATION] or here
                    return tuple(Found(page.file, each) for each in chosen)
            if not scope:
                return ()
            scope = scope.rpartition(".")[0]

    def _bound_here(self, page: Page, container: str, name: str) -> Binding | None:
        """The binding of a name in the nearest scope that has one; None where it has none, or several meanings."""
        bindings = page.bindings.get(name, ())
        scope = container
        while True:
            here = [each for each in bindings if each.container == scope]
            if here:
                typed = [each for each in here if each.kind == "type" and each.value not in {"var", "auto"}]
                values = {(each.kind, each.value) for each in (typed or here)}
                return (typed or here)[0] if len(values) == 1 else None
            if not scope:
                return None
            scope = scope.rpartition(".")[0]

    def _through_binding(self, page: Page, bound: Binding, steps: int) -> Resolution | None:
        """What a name stands for that was bound to another name."""
        if bound.kind != "name" or steps <= 0 or bound.value == bound.target:
            return None
        qualifier, name = split_chain(bound.value)
        found = self.resolve_name(page, bound.container, qualifier, name, steps)
        return found if found.targets else None

    # --- imports

    def _imported(self, page: Page, name: str, steps: int) -> Resolution | None:
        for taken in page.imports.get(name, ()):
            found = self.imported(page, taken, steps - 1)
            if found:
                return _found(found, Reason.IMPORT)
            return _none(f"external: {taken.module}{'.' + taken.name if taken.name else ''}")
        for taken in page.open_imports:
            found = self.named_in_module(page, taken.module, name, steps - 1)
            if found:
                return _found(self._with_body(page, found), Reason.IMPORT)
        return None

    def _with_body(self, page: Page, found: tuple[Found, ...]) -> tuple[Found, ...]:
        """The one definition of what was only declared; the declaration, where there are several or none."""
        if any(each.entity.kind is not EntityKind.DECLARATION for each in found):
            return found
        entity = found[0].entity
        bodies = [
            each
            for each in self.definitions(entity.name, page.family)
            if each.entity.kind in CALLABLE_KINDS and each.entity.container == entity.container
        ]
        return tuple(bodies) if len(bodies) == 1 else found

    def imported(self, page: Page, taken: Import, steps: int) -> tuple[Found, ...]:
        """What an import of one name gives; nothing for a module, which has no name."""
        if steps <= 0:
            return ()
        if taken.name:
            return self.named_in_module(page, taken.module, taken.name, steps)
        if page.family == "ecmascript":
            return self.named_in_module(page, taken.module, "default", steps)
        if not self.modules.knows(page.family):
            qualifier, name = split_chain(taken.module)
            return self._by_package(page, qualifier, name)
        return ()

    def named_in_module(self, page: Page, module: str, name: str, steps: int) -> tuple[Found, ...]:
        """What a name means in a module, through what that module takes from others."""
        if steps <= 0:
            return ()
        if not self.modules.knows(page.family):
            return self._by_package(page, module, name)
        for file in self.modules.find(page.family, self.snapshot.paths[page.file], module):
            found = self.exported(self.page(file), name, steps)
            if found:
                return found
        return ()

    def exported(self, page: Page, name: str, steps: int) -> tuple[Found, ...]:
        """What a file gives under a name."""
        if steps <= 0:
            return ()
        key = page.file, name
        if key not in self._exported:
            if len(self._exported) >= EXPORTS_KEPT:
                self._exported.clear()
            # A file that takes from itself in a circle gives nothing more.
            self._exported[key] = ()
            self._exported[key] = self._exports(page, name, steps)
        return self._exported[key]

    def _exports(self, page: Page, name: str, steps: int) -> tuple[Found, ...]:
        top = [each for each in page.by_name.get(name, ()) if not each.container]
        if top:
            return tuple(Found(page.file, each) for each in top)
        for taken in page.imports.get(name, ()):
            found = self.imported(page, taken, steps - 1)
            if found:
                return found
        for taken in page.open_imports:
            found = self.named_in_module(page, taken.module, name, steps - 1)
            if found:
                return found
        bound = self._bound_here(page, "", name)
        through = self._through_binding(page, bound, steps - 1) if bound is not None else None
        return through.targets if through is not None else ()

    def _by_package(self, page: Page, module: str, name: str) -> tuple[Found, ...]:
        """Definitions of a name in the package that a module's name says, where paths do not decide."""
        parts = [
            part for part in module.replace("\\", ".").replace("::", ".").replace("/", ".").split(".") if part
        ]
        parts = [part for part in parts if part not in {"crate", "self", "super"}]
        dotted = ".".join(parts)
        exact: list[Found] = []
        loose: list[Found] = []
        for found in self.definitions(name, page.family):
            container = found.entity.container
            where = self.folders.names[found.file].rpartition(".")[0].casefold()
            if (
                container == dotted
                or (parts and container.endswith(f".{dotted}"))
                or (parts and f"/{where}/".find(f"/{'/'.join(parts).casefold()}/") >= 0 and not container)
            ):
                exact.append(found)
            elif (
                (parts and parts[-1].casefold().replace("-", "_") in where.split("/")[-2:])
                or (parts and container == parts[-1])
                or (not parts and not container and found.file != page.file)
            ):
                loose.append(found)
        chosen = exact or loose
        files = {found.file for found in chosen}
        return tuple(chosen) if len(files) == 1 else ()

    def _resolve_import(self, page: Page, reference: Reference) -> Resolution:
        for taken in page.facts.imports:
            if taken.line == reference.line and taken.name == reference.name:
                found = self.imported(page, taken, STEPS_MAX)
                if found:
                    return _found(found, Reason.IMPORT)
        return _none(f"external: {reference.name}")

    # --- packages and unique names

    def _packaged(self, page: Page, name: str) -> tuple[Found, ...]:
        if page.family not in _FOLDER_PACKAGES:
            return ()
        folder = self.folders.names[page.file].rpartition("/")[0]
        found = [
            each
            for each in self.definitions(name, page.family)
            if self.folders.names[each.file].rpartition("/")[0] == folder
            and not each.entity.container
            and each.entity.kind is not EntityKind.ROUTE
        ]
        return tuple(found) if len({each.file for each in found}) == 1 else ()

    def definitions(self, name: str, family: str) -> list[Found]:
        """Definitions of exactly this name in the languages of a family; none if too many files have one."""
        files = self.snapshot.find_defining(name)
        if len(files) > DEFINING_FILES_MAX:
            return []
        pages = [page for page in map(self.page, files) if page.family == family]
        return [Found(page.file, entity) for page in pages for entity in page.by_name.get(name, ())]

    def _unique(self, page: Page, name: str) -> Resolution:
        found = [
            each
            for each in self.definitions(name, page.family)
            if each.entity.kind in CALLABLE_KINDS | TYPE_KINDS
            and (not self.page(each.file).is_type(each.entity.container) or page.family in {"ruby", "elixir"})
        ]
        found = [each for each in found if self._in_reach(page, each)]
        if len({(each.file, each.entity.container) for each in found}) == 1:
            return _found(tuple(found), Reason.UNIQUE, 0.75 if page.family == "c" else None)
        return _none("several candidates" if found else "external or unknown name")

    def _unique_member(self, page: Page, name: str) -> Resolution:
        """A member that only one type has, where the file speaks of that type or of its file."""
        found = [
            each
            for each in self.definitions(name, page.family)
            if each.entity.kind in CALLABLE_KINDS and self.page(each.file).is_type(each.entity.container)
        ]
        found = [each for each in found if self._in_reach(page, each)]
        if len({(each.file, each.entity.container) for each in found}) != 1:
            return _none("several candidates" if found else "type of the receiver is unknown")
        owner = found[0].entity.container.rpartition(".")[2]
        spoken = found[0].file == page.file or owner in page.imports or owner in page.by_name
        spoken = spoken or any(each.name == owner for each in page.facts.references)
        if not spoken:
            return _none("type of the receiver is unknown")
        return _found(tuple(found), Reason.UNIQUE)

    def _in_reach(self, page: Page, found: Found) -> bool:
        """Tell whether a definition of another file can be meant at all: tests and file-local names are not."""
        if found.file == page.file:
            return True
        if _is_test(self.folders.names[found.file]) and not _is_test(self.folders.names[page.file]):
            return False
        if found.entity.kind is EntityKind.TEST or (
            page.family == "c" and found.entity.signature.startswith("static ")
        ):
            return False
        around = found.entity.container
        other = self.page(found.file)
        while around and other.is_type(around):
            around = around.rpartition(".")[0]
        return not any(each.kind in CALLABLE_KINDS for each in other.by_path.get(around, ()))

    # --- receivers

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
        if qualifier in _SELVES:
            attribute = self._attribute(page, container, name, steps)
            if attribute is not None and not called:
                return attribute
        owner = self.owner_of(page, container, qualifier, steps - 1)
        if owner is None:
            return None
        if owner.module and not called and page.family == "python":
            files = self.modules.find(page.family, self.snapshot.paths[page.file], f"{owner.module}.{name}")
            if files:
                return Owner.of_module(f"{owner.module}.{name}", files)
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
        page = self.page(first.file)
        path = first.entity.qualified_name
        if first.entity.kind in TYPE_KINDS:
            return Owner.type(first.file, path)
        if first.entity.kind is EntityKind.NAMESPACE:
            return Owner.type(first.file, path)
        if called and first.entity.kind in CALLABLE_KINDS:
            if first.entity.name in {"new", "constructor", "__init__"} and page.is_type(
                first.entity.container
            ):
                return Owner.type(first.file, first.entity.container)
            returned = [each for each in page.bindings.get("<return>", ()) if each.container == path]
            typed = [each for each in returned if each.kind == "type"] or returned
            if typed and len({each.value for each in typed}) == 1:
                if typed[0].value in {"Self", "self", "static"}:
                    return Owner.type(first.file, page.type_around(path))
                return self.owner_of_binding(page, typed[0], steps - 1)
        if first.entity.kind in {EntityKind.VARIABLE, EntityKind.CONSTANT, EntityKind.FIELD}:
            bound = self._bound_here(page, first.entity.container, first.entity.name)
            return self.owner_of_binding(page, bound, steps - 1) if bound is not None else None
        return None

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

    # --- members

    def _member(self, page: Page, owner: Owner, name: str, steps: int) -> Resolution:
        if owner.outside:
            return _none(f"external: {owner.outside}")
        if owner.module:
            for file in owner.files:
                found = self.exported(self.page(file), name, steps)
                if found:
                    return _found(found, Reason.IMPORT)
            return _none("not in the module")
        found = self.member_of(owner, name, steps)
        if not found and page.family == "ruby" and name == "new":
            found = self.member_of(owner, "initialize", steps)
        if not found:
            return self._unknown_member(owner, steps)
        own = found[0].entity.container == owner.type_path
        return _found(found, Reason.RECEIVER if own and not owner.above else Reason.INHERITED)

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
                    return _none(f"external: a base of {each.type_path}")
            border = [base for each in border for base in self.bases_of(each, steps - 1)][:STEPS_MAX]
        return _none("not in the type of the receiver")

    def _elsewhere(self, page: Page, path: str, name: str) -> list[Entity]:
        """Members of a type that stand outside of its body in the same file, under a longer or shorter path."""
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


def _is_test(path: str) -> bool:
    return any(part.casefold() in {"test", "tests", "spec", "__tests__"} for part in path.split("/"))


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


def _found(targets: tuple[Found, ...], reason: Reason, confidence: float | None = None) -> Resolution:
    sure = CONFIDENCE[reason] if confidence is None else confidence
    return Resolution(targets, reason, sure / len({each.entity.container for each in targets}))


def _none(missing: str) -> Resolution:
    return Resolution((), None, 0.0, missing)
