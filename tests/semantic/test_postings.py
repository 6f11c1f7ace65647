"""Looking strings up in postings, against a plain search through all of them."""

from hypothesis import given
from hypothesis import strategies as st

from imprint.semantic.index.postings import PostingsBuilder

strings = st.text(alphabet="abé\uffff", min_size=1, max_size=4)


@given(st.lists(st.lists(strings, max_size=12), max_size=8), strings, st.integers(0, 5))
def test_strings_and_prefixes_are_found(items, wanted, most):
    builder = PostingsBuilder()
    for number, own in enumerate(items):
        builder.add(number, own)
    postings = builder.build()
    found, counts = postings.find(wanted)
    assert dict(zip(found.tolist(), counts.tolist(), strict=True)) == {
        number: own.count(wanted) for number, own in enumerate(items) if wanted in own
    }
    every = sorted({string.encode() for own in items for string in own})
    assert (
        postings.find_prefix(wanted, most) == [one for one in every if one.startswith(wanted.encode())][:most]
    )
