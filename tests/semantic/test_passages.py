"""What begins in a passage is unpacked alone: the same as all of its facts have."""

import pytest

from imprint.semantic.index.passages.rows import cut_passages, join_facts, list_entities
from imprint.semantic.parse.model import Chunk, Entity, EntityKind, Extraction, Reference, ReferenceKind


@pytest.mark.parametrize("count", [0, 1, 3, 30])
@pytest.mark.parametrize("signature", ["int f()", "[[1], [[2]],[3]],", "]],["])
def test_definitions_are_found_in_the_front_of_the_facts(count: int, signature: str) -> None:
    entities = tuple(
        Entity(EntityKind.FUNCTION, f"f{number}", "", 2, 3, 2, signature, "]],", "hash")
        for number in range(count)
    )
    uses = tuple(Reference(f"use{number}", ReferenceKind.CALL, 3, "f0", "") for number in range(200))
    chunk = Chunk(1, 4, "f0", "function", "text\n" * 4)
    [passage] = cut_passages(Extraction("cpp", entities, uses, (chunk,), None)).passages

    listed = list_entities(passage.facts)

    assert [fields[1] for fields in listed] == [entity.name for entity in entities]
    assert join_facts("cpp", [(passage.facts, 1)], b"").entities == entities
