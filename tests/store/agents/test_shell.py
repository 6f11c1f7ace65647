"""Edits found in shell commands."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imprint.store.agents.model import Edit, EditKind
from imprint.store.agents.reading.shell import find_shell_edits
from imprint.store.agents.reading.words import read_commands


def written(path, *lines, removed=()):
    return Edit(path, EditKind.SHELL, lines, removed)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("cat > a.txt <<'EOF'\none $x\n  two\nEOF\n", [written("a.txt", "one $x", "  two")]),
        ("cat <<EOF >> 'my file.txt'\none\nEOF", [written("my file.txt", "one")]),
        ("mkdir -p d && cat > d/a <<-EOF\n\tone\n\tEOF\necho done", [written("d/a", "one")]),
        ("cat <<A > a; cat <<B > b\n1\nA\n2\nB\n", [written("a", "1"), written("b", "2")]),
        ("cat <<EOF | sudo tee -a /etc/hosts > /dev/null\n1 h\nEOF", [written("/etc/hosts", "1 h")]),
        ("echo 'hello world' > out.txt", [written("out.txt", "hello world")]),
        ('echo -e "a\\nb" >> out.txt', [written("out.txt", "a", "b")]),
        ("printf '%s\\n' one two > f", [written("f", "one", "two")]),
        ("printf 'x = %s\\n' 1 > f", [written("f", "x = 1")]),
        ("echo hi | tee f g", [written("f", "hi"), written("g", "hi")]),
        ("cat <<< 'one line' > f", [written("f", "one line")]),
        ("sed -i 's/old name/new name/g' src/a.py", [written("src/a.py", "new name", removed=["old name"])]),
        ("sed -i '' -e 's|a/b|c/d|' x y", [written(n, "c/d", removed=["a/b"]) for n in ("x", "y")]),
        ("sed -n 's/a/b/p' f", []),
        ("perl -pi -e 's/foo/bar/' f.c", [written("f.c", "bar", removed=["foo"])]),
        ("mv a.py b.py", [Edit("b.py", EditKind.MOVE, old_path="a.py")]),
        ("git mv a b lib/", [Edit(f"lib/{n}", EditKind.MOVE, old_path=n) for n in "ab"]),
        ("rm -rf build old.py", [Edit("build", EditKind.DELETE), Edit("old.py", EditKind.DELETE)]),
        ("rm *.pyc", []),
        ("bash -lc \"cd sub && echo 'x' > y\"", [written("sub/y", "x")]),
        ("cd sub\necho x > y\ncd ..\necho x > z", [written("sub/y", "x"), written("z", "x")]),
        ("echo x > $OUT", [written("", "x")]),
        ("go test ./... 2>&1 | tail -5 > /dev/null", []),
        ("ls -la 2> err.txt; grep foo < in.txt", []),
        ("git commit -m \"$(cat <<'EOF'\nfix: a > b\nEOF\n)\"", []),
        ("# echo x > y", []),
    ],
)
def test_what_a_command_writes_is_found(command, expected):
    assert list(find_shell_edits(command)) == [
        Edit(edit.path, edit.kind, edit.added, tuple(edit.removed), edit.old_path) for edit in expected
    ]


def test_paths_are_seen_from_the_folder_of_the_command():
    (edit,) = find_shell_edits("echo x > ../b/f", "/users/kim/app/a")
    assert edit.path == "/users/kim/app/b/f"


def test_a_patch_in_a_here_document_is_a_patch():
    patch = "--- a/f.py\n+++ b/f.py\n@@ -1,2 +1,2 @@\n one\n-two\n+drei\n"
    expected = (Edit("f.py", EditKind.PATCH, ("drei",), ("two",)),)
    assert find_shell_edits(f"git apply <<'EOF'\n{patch}EOF\n") == expected
    assert find_shell_edits(f"patch -p1 <<'EOF'\n{patch}EOF\n") == expected
    assert find_shell_edits("git apply --check p.diff") == ()


def test_the_envelope_of_codex_is_read_in_every_wrapping():
    patch = (
        "*** Begin Patch\n*** Add File: n.py\n+one\n"
        "*** Update File: a.py\n*** Move to: b.py\n@@ def f\n-x\n+y\n"
        "*** Delete File: d.py\n*** End Patch"
    )
    expected = (
        Edit("n.py", EditKind.WRITE, ("one",)),
        Edit("b.py", EditKind.MOVE, old_path="a.py"),
        Edit("b.py", EditKind.PATCH, ("y",), ("x",)),
        Edit("d.py", EditKind.DELETE),
    )
    assert find_shell_edits(["apply_patch", patch]) == expected
    assert find_shell_edits(f"apply_patch <<'EOF'\n{patch}\nEOF") == expected
    assert find_shell_edits(["bash", "-lc", f"apply_patch <<'EOF'\n{patch}\nEOF\n"]) == expected


def test_literals_of_an_inline_script_count_as_written():
    script = (
        "python3 - <<'EOF'\nfrom pathlib import Path\np = Path('src/app.py')\ns = p.read_text()\n"
        "s = s.replace('''old call()''', '''new call()\nsecond()''')\np.write_text(s)\nEOF"
    )
    (edit,) = find_shell_edits(script)
    assert edit.path == "src/app.py"
    assert {"new call()", "second()"} <= set(edit.added)
    (edit,) = find_shell_edits("node -e \"fs.writeFileSync('a.js', 'let x = 1;')\"")
    assert (edit.path, edit.added) == ("a.js", ("let x = 1;",))


def test_a_script_that_only_reads_writes_nothing():
    assert find_shell_edits("python3 -c \"import json, sys; print(json.load(sys.stdin)['name'])\"") == ()
    assert find_shell_edits("cat a.json | node -e 'console.log(\"count\")'") == ()


@given(text=st.text(alphabet="ab \n\t'\"\\$`|&;<>()#-=/EOF{}é", max_size=120))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read(text):
    find_shell_edits(text)
    read_commands(f"cat <<EOF {text}")


def test_work_grows_with_the_length_of_the_command():
    """Quotes that are never closed, documents that never end, marks without a partner: no blow-up."""
    for piece in ("'", '"', '"\\', "`", "<<A\n", "s/", "$(", "\\", "a'b\"", "> ", "s!@", "'''", '"""'):
        find_shell_edits(piece * 20_000)
        find_shell_edits(f"python - <<EOF\n{piece * 20_000}\nEOF")
        find_shell_edits(["sed", "-i", piece * 20_000, "f"])
