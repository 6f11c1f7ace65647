"""What the doctor says of a data folder."""

import hashlib
import io
from pathlib import Path

from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.types import RepositoryName


def put_objects(root: Path, *contents: bytes) -> list[Path]:
    """A repository `acme/app` with large objects; their files."""
    hosting = Hosting.open(DataFolder.create_or_open(root))
    repository_id = hosting.create(RepositoryName.parse("acme/app"), None).record.id
    hosting.create(RepositoryName.parse("acme/empty"), None)
    files = []
    for content in contents:
        oid = hashlib.sha256(content).hexdigest()
        hosting.lfs.put(repository_id, (oid, len(content)), io.BytesIO(content), "ada")
        files += (hosting.folder.lfs_path / repository_id).rglob(oid)
    hosting.close()
    return files


def test_the_doctor_hashes_large_objects_and_names_the_damaged(imprint, tmp_path: Path) -> None:
    files = put_objects(tmp_path / "data", b"one", b"two")
    ended = imprint("doctor", "--data", str(tmp_path / "data"), "--json")
    assert (ended.code, ended.document["ok"]) == (0, True)
    found = {check["what"]: check["found"] for check in ended.document["checks"]}
    assert found["large objects of acme/app"] == "2 whole"
    assert "large objects of acme/empty" not in found

    files[0].write_bytes(b"ONE")
    ended = imprint("doctor", "--data", str(tmp_path / "data"), "--json")
    assert (ended.code, ended.document["ok"]) == (1, False)
    found = {check["what"]: check["found"] for check in ended.document["checks"]}
    assert found["large objects of acme/app"] == f"{files[0].name}: its file was changed"


def test_the_doctor_is_told_of_a_folder_that_is_none(imprint, tmp_path: Path) -> None:
    assert imprint("doctor", "--data", str(tmp_path)).code == 1
