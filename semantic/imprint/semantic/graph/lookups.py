"""What names mean in files and modules: the lookups that the rungs of the ladder share.

Invariants:
1. Files are read when a lookup needs them.
2. Following imports and assigned names ends after `STEPS_MAX` steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.model import Reason
from imprint.semantic.graph.modules import Modules
from imprint.semantic.graph.pages import CALLABLE_KINDS, Folders, Found, Page
from imprint.semantic.graph.receivers import split_chain
from imprint.semantic.parse.model import EntityKind

if TYPE_CHECKING:
    from imprint.semantic.parse.model import Binding, Import
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

# Where the files of one folder are one package.
_FOLDER_PACKAGES: Final = frozenset({"go", "jvm", "hcl", "swift"})


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a use reaches. `missing` says why, where `targets` is empty."""

    targets: tuple[Found, ...]
    reason: Reason | None
    confidence: float
    missing: str = ""


class Lookups(ABC):
    """Looks names up at one snapshot; not safe to share between threads."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.folders = Folders(snapshot)
        self.modules = Modules(snapshot, self.folders)
        self._pages: OrderedDict[int, Page] = OrderedDict()
        self._exported: dict[tuple[int, str], tuple[Found, ...]] = {}

    def rebind(self, snapshot: Snapshot) -> None:
        """Go on with another snapshot of the same commit."""
        self.snapshot = snapshot
        self.modules.rebind(snapshot)

    def page(self, file: int) -> Page:
        """The facts of a file, by name."""
        page = self._pages.get(file)
        if page is None:
            page = self._pages[file] = Page(file, self.snapshot.facts(file))
            while len(self._pages) > PAGES_KEPT:
                self._pages.popitem(last=False)
        return page

    @abstractmethod
    def resolve_name(
        self, page: Page, container: str, qualifier: str, name: str, steps: int = STEPS_MAX
    ) -> Resolution:
        """Climb the ladder for a name as written in a container, behind a qualifier or none."""

    def _bound_here(self, page: Page, container: str, name: str) -> Binding | None:
        """The binding of a name in the nearest scope that has one; None where it has several meanings."""
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

    def _in_reach(self, page: Page, found: Found) -> bool:
        """Tell whether another file's definition can be meant: one of a test or of a scope can not."""
        if found.file == page.file:
            return True
        if is_test(self.folders.names[found.file]) and not is_test(self.folders.names[page.file]):
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


def is_test(path: str) -> bool:
    """Tell whether a path is one of tests."""
    return any(part.casefold() in {"test", "tests", "spec", "__tests__"} for part in path.split("/"))


def found_by(targets: tuple[Found, ...], reason: Reason, confidence: float | None = None) -> Resolution:
    """What a rung found; several definitions of one name share the confidence."""
    sure = CONFIDENCE[reason] if confidence is None else confidence
    return Resolution(targets, reason, sure / len({each.entity.container for each in targets}))


def nothing(missing: str) -> Resolution:
    """Nothing, and why."""
    return Resolution((), None, 0.0, missing)
