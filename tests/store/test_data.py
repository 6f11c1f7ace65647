"""The data folder: made, opened again by several, upgraded, and refused where it must be."""

import json
import shutil
import sqlite3
import subprocess
import sys

import pytest

from imprint.store.catalog.schema import REVISION
from imprint.store.errors import DataFolderMismatch, StorageFailed
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.types import RepositoryName

APP = RepositoryName("acme", "app")


def make(root, **options) -> None:
    DataFolder.create_or_open(root, **options).close()


def listing(root) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def revision(root) -> str | None:
    connection = sqlite3.connect(root / "ground" / "catalogue.db")
    try:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    finally:
        connection.close()


def test_a_new_folder_has_its_key_beside_it_and_opens_again(tmp_path):
    root = tmp_path / "deep" / "data"
    folder = DataFolder.create_or_open(root)
    key = folder.master_key
    assert len(key) == 32
    assert folder.key_file == tmp_path / "deep" / "data.key"
    assert folder.key_file.stat().st_mode & 0o777 == 0o600
    assert key.hex() not in " ".join(path.read_bytes().hex() for path in root.rglob("*") if path.is_file())
    folder.close()
    again = DataFolder.create_or_open(root)
    assert again.master_key == key
    again.close()


def test_every_path_but_the_key_is_below_the_root(tmp_path):
    folder = DataFolder.create_or_open(tmp_path / "data")
    paths = [
        folder.catalogue_path,
        folder.repositories_path,
        folder.transcripts_path,
        folder.derived_path,
        folder.index_path,
        folder.admin_token_path,
    ]
    assert all(path.is_relative_to(tmp_path / "data") for path in paths)
    assert len(set(paths)) == len(paths)
    assert folder.derived_path.parent.is_dir()
    folder.close()


def test_the_folder_is_for_its_owner_alone(tmp_path):
    make(tmp_path / "data")
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "data").mkdir()
    make(tmp_path / "data")
    assert (tmp_path / "data" / "format").exists()


def test_the_key_may_be_anywhere(tmp_path):
    make(tmp_path / "data", key_file=tmp_path / "elsewhere.key")
    assert not (tmp_path / "data.key").exists()
    make(tmp_path / "data", key_file=tmp_path / "elsewhere.key")
    with pytest.raises(DataFolderMismatch) as refused:
        make(tmp_path / "data")
    assert "--key-file" in refused.value.hint
    assert not (tmp_path / "data.key").exists(), "a lost key is never replaced by a new one"


def test_the_key_of_another_folder_is_refused(tmp_path):
    make(tmp_path / "one")
    make(tmp_path / "two")
    with pytest.raises(DataFolderMismatch, match="another data folder"):
        make(tmp_path / "one", key_file=tmp_path / "two.key")


def test_a_damaged_key_is_refused(tmp_path):
    make(tmp_path / "data")
    (tmp_path / "data.key").write_text("12345")
    with pytest.raises(DataFolderMismatch, match="no master key"):
        make(tmp_path / "data")


def test_a_folder_of_something_else_is_never_touched(tmp_path):
    root = tmp_path / "home"
    root.mkdir()
    (root / "letter.txt").write_text("dear Ada")
    with pytest.raises(DataFolderMismatch, match="no data folder") as refused:
        make(root)
    assert "empty folder" in refused.value.hint
    assert [path.name for path in root.iterdir()] == ["letter.txt"]
    assert not (tmp_path / "home.key").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "other"}'])
def test_a_format_of_something_else_is_refused(tmp_path, content):
    make(tmp_path / "data")
    (tmp_path / "data" / "format").write_text(content)
    with pytest.raises(DataFolderMismatch, match="format"):
        make(tmp_path / "data")


@pytest.mark.parametrize("version", [3, 99, 0, "x", None])
def test_a_folder_of_a_newer_version_is_refused_untouched_with_what_to_do(tmp_path, version):
    root = tmp_path / "data"
    make(root)
    content = json.loads((root / "format").read_text())
    (root / "format").write_text(json.dumps({**content, "version": version}))
    before = listing(root)
    with pytest.raises(DataFolderMismatch, match=f"version {version}") as refused:
        make(root)
    assert "newer Imprint" in refused.value.hint
    assert listing(root) == before


def test_a_catalogue_of_a_newer_revision_is_refused_untouched(tmp_path):
    root = tmp_path / "data"
    make(root)
    with sqlite3.connect(root / "ground" / "catalogue.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(DataFolderMismatch, match="9999") as refused:
        make(root)
    assert "newer Imprint" in refused.value.hint
    assert revision(root) == "9999"


def test_an_older_folder_is_upgraded_when_opened(tmp_path):
    """The oldest there can be: a catalogue before its first revision."""
    root = tmp_path / "data"
    make(root)
    (root / "ground" / "catalogue.db").unlink()
    sqlite3.connect(root / "ground" / "catalogue.db").close()
    hosting = Hosting.open(DataFolder.create_or_open(root))
    hosting.create(APP, None)
    hosting.close()
    assert revision(root) == REVISION


def test_an_older_folder_in_use_is_not_upgraded_under_its_users(tmp_path):
    root = tmp_path / "data"
    user = DataFolder.create_or_open(root)
    with sqlite3.connect(root / "ground" / "catalogue.db") as connection:
        connection.execute("DELETE FROM alembic_version")
    connection.close()
    with pytest.raises(DataFolderMismatch, match="in use") as refused:
        DataFolder.create_or_open(root, wait_seconds=0.2)
    assert "stop the server" in refused.value.hint
    user.close()


def test_derived_data_may_be_deleted(tmp_path):
    root = tmp_path / "data"
    make(root)
    shutil.rmtree(root / "derived")
    folder = DataFolder.create_or_open(root)
    assert folder.derived_path.parent.is_dir()
    folder.close()


@pytest.mark.parametrize("left", [[], ["lock"], ["lock", ".format.0123"]])
def test_a_folder_whose_making_was_cut_short_is_finished(tmp_path, left):
    root = tmp_path / "data"
    root.mkdir()
    for name in left:
        (root / name).write_text("")
    make(root)
    key = (tmp_path / "data.key").read_text()
    shutil.rmtree(root)
    root.mkdir()
    (root / "lock").write_text("")  # the key was written, the format was not
    make(root)
    assert (tmp_path / "data.key").read_text() == key


def test_a_catalogue_that_was_not_made_yet_is_made(tmp_path):
    root = tmp_path / "data"
    make(root)
    shutil.rmtree(root / "ground")
    make(root)
    assert revision(root) == REVISION


def test_a_path_through_a_file_is_not_writable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed) as refused:
        make(tmp_path / "file" / "data")
    assert "--data" in refused.value.hint
    with pytest.raises(StorageFailed):
        make(tmp_path / "file")


AS_SOMEBODY_ELSE = """
import os, sys
from pathlib import Path
from imprint.store.hosting.data import DataFolder
from imprint.store.errors import StorageFailed
import imprint.store.catalog.sql
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    DataFolder.create_or_open(Path(sys.argv[1]))
except StorageFailed as failed:
    print(failed.message, "|", failed.hint)
"""


@pytest.mark.parametrize("existing", [False, True])
def test_a_folder_that_is_not_writable_is_told_with_what_to_do(tmp_path, existing):
    above = tmp_path / "above"
    above.mkdir()
    if existing:
        make(above / "data")
        (above / "data" / "lock").chmod(0o444)
    above.chmod(0o555)
    for parent in [above, *above.parents][:3]:  # the test's own folders, closed to others by pytest
        parent.chmod(parent.stat().st_mode | 0o055)
    if existing:
        (above / "data").chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", AS_SOMEBODY_ELSE, str(above / "data")],
        capture_output=True,
        text=True,
        check=False,
    )
    above.chmod(0o755)
    if existing:
        (above / "data").chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert "Permission denied" in done.stdout
    assert "--data" in done.stdout


OPENER = """
import sys
from pathlib import Path
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.types import RepositoryName
hosting = Hosting.open(DataFolder.create_or_open(Path(sys.argv[1])))
hosting.create(RepositoryName("acme", sys.argv[2]), None)
print(hosting.ensure_admin_token() is not None)
hosting.close()
"""


def test_processes_that_start_together_make_one_folder_and_one_administrator(tmp_path):
    root = tmp_path / "data"
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(root), f"app{number}"], stdout=subprocess.PIPE, text=True
        )
        for number in range(4)
    ]
    told = [start.communicate()[0].strip() for start in starts]
    assert [start.returncode for start in starts] == [0] * 4
    assert sorted(told) == ["False", "False", "False", "True"]
    hosting = Hosting.open(DataFolder.create_or_open(root))
    assert len(hosting.list()) == 4
    assert len(hosting.catalogue.list_tokens()) == 1
    hosting.authenticate(hosting.folder.admin_token_path.read_text().strip())
    hosting.close()


def test_commands_work_on_a_folder_that_a_server_has_open(tmp_path):
    root = tmp_path / "data"
    server = Hosting.open(DataFolder.create_or_open(root))
    subprocess.run([sys.executable, "-c", OPENER, str(root), "app"], check=True, capture_output=True)
    repository = server.get(APP)
    assert repository.git_dir.is_dir()
    assert repository.view.refs.snapshot().generation == 1
    server.close()
