"""What the text of an issue names."""

import pytest

from imprint.semantic.index.definitions import fold_name
from imprint.semantic.search.signals.mentions import read_quoted, score_frames

PATHS = [b"src/app/utils.py", b"src/web/utils.py", b"setup.py", b"lib/Router.php"]


def test_single_backticks_quote_and_blocks_of_code_do_not():
    text = "see `Session.Fetch`, `id`\n```\nother_name\n```\nand `next_delay`"
    assert read_quoted(text) == tuple(map(fold_name, ("Session", "Fetch", "next_delay")))
    assert read_quoted("`never closed") == ()


def test_the_file_where_a_trace_ends_counts_most():
    trace = 'File "/srv/x/app/utils.py", line 3, in f\nFile "/srv/x/web/utils.py", line 9, in g\n'
    assert score_frames(trace, PATHS) == pytest.approx({1: 1.0, 0: 0.6})


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("at lib/Router.php:12", 3),
        ("C:\\x\\lib\\Router.php:12", 3),
        ('File "/srv/x/setup.py", line 1', 2),
        ('File "/srv/other/utils.py", line 1', None),
        ("it is 12:30", None),
    ],
)
def test_a_line_of_a_trace_leads_to_the_file_whose_folder_fits_too(line, file):
    assert list(score_frames(line, PATHS)) == ([] if file is None else [file])
