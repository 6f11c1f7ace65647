"""A data folder whose catalogue is in PostgreSQL: whose it is, where it is, and pushes that lose it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from imprint.store.catalog import postgres as postgres_module
from imprint.store.errors import BadInput, DataFolderMismatch, OutcomeUnknown, StorageFailed
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.receive.collect import collect
from imprint.store.types import RepositoryName

pytestmark = [
    pytest.mark.usefixtures("sockets_of_the_driver"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
APP = RepositoryName.parse("acme/app")


@pytest.fixture
def url(postgres) -> str:
    return postgres.url(postgres.make())


@pytest.fixture
def open_hosting() -> Iterator[Callable[..., Hosting]]:
    opened: list[Hosting] = []

    def make(root: Path, **options: object) -> Hosting:
        opened.append(Hosting.open(DataFolder.create_or_open(root, **options)))
        return opened[-1]

    yield make
    for hosting in opened:
        hosting.close()


def test_the_address_is_said_once_and_kept_for_the_owner_alone(tmp_path, url, open_hosting):
    made = open_hosting(tmp_path / "data", catalogue_url=url)
    made.create(APP, None)
    again = open_hosting(tmp_path / "data")
    assert again.get(APP).record.name == APP
    assert again.folder.catalogue_place == made.folder.catalogue_place
    assert not (tmp_path / "data" / "ground" / "catalogue.db").exists()
    assert (tmp_path / "data" / "catalogue-url").stat().st_mode & 0o077 == 0


def test_a_database_serves_one_data_folder(tmp_path, url, open_hosting):
    open_hosting(tmp_path / "data", catalogue_url=url)
    with pytest.raises(DataFolderMismatch, match="catalogue of another data folder"):
        open_hosting(tmp_path / "other", catalogue_url=url)


def test_without_its_address_a_folder_is_not_opened_and_gets_no_other_catalogue(tmp_path, url, open_hosting):
    open_hosting(tmp_path / "data", catalogue_url=url).create(APP, None)
    (tmp_path / "data" / "catalogue-url").unlink()
    with pytest.raises(DataFolderMismatch, match="catalogue-url") as refused:
        open_hosting(tmp_path / "data")
    assert "imprint init" in refused.value.hint
    assert not (tmp_path / "data" / "ground" / "catalogue.db").exists()
    assert open_hosting(tmp_path / "data", catalogue_url=url).get(APP)


def test_a_folder_is_not_led_to_an_empty_database(tmp_path, url, postgres, open_hosting):
    open_hosting(tmp_path / "data", catalogue_url=url)
    with pytest.raises(DataFolderMismatch, match="holds no catalogue of this folder"):
        open_hosting(tmp_path / "data", catalogue_url=postgres.url(postgres.make()))
    kept = (tmp_path / "data" / "catalogue-url").read_text().strip()
    assert kept == url


def test_a_folder_follows_its_database_to_another_address(tmp_path, url, postgres, open_hosting):
    made = open_hosting(tmp_path / "data", catalogue_url=url)
    made.create(APP, None)
    made.close()
    copy = postgres.url(postgres.make(urlsplit(url).path.strip("/")))
    assert open_hosting(tmp_path / "data", catalogue_url=copy).get(APP)
    assert open_hosting(tmp_path / "data").folder.catalogue_place.endswith(urlsplit(copy).path)


def test_a_folder_with_a_catalogue_of_its_own_keeps_it(tmp_path, url, open_hosting):
    open_hosting(tmp_path / "data").create(APP, None)
    with pytest.raises(DataFolderMismatch, match="file of its own"):
        open_hosting(tmp_path / "data", catalogue_url=url)
    assert open_hosting(tmp_path / "data").get(APP)


def test_a_wrong_address_leaves_a_folder_that_can_still_be_made(tmp_path, url, open_hosting):
    with pytest.raises(BadInput):
        open_hosting(tmp_path / "data", catalogue_url="mysql://x/y")
    away = url.replace(f":{urlsplit(url).port}", ":1")
    with pytest.raises(StorageFailed):
        open_hosting(tmp_path / "data", catalogue_url=away)
    open_hosting(tmp_path / "data", catalogue_url=url)


# -- pushes -----------------------------------------------------------------------------------------------


@pytest.fixture
def source(work_tree) -> Path:
    work_tree.commit_file("a.txt", "one\n")
    return work_tree.folder


def test_a_push_is_admitted_collected_and_read_back(
    tmp_path, url, open_hosting, make_bench_on, source, work_tree
):
    bench = make_bench_on(open_hosting(tmp_path / "data", catalogue_url=url))
    tip = work_tree("rev-parse", "HEAD")
    receipt = bench.push({"refs/heads/main": (None, tip)}, bench.pack(source, tip))
    assert [result.error for result in receipt.results] == [None]
    assert collect(bench.repository, bench.hosting).packs == ()
    bench.fsck()


@pytest.mark.parametrize("cut", ["after", "before"])
def test_a_push_whose_outcome_nobody_knows_keeps_its_pack_until_it_is_known(  # noqa: PLR0917 - fixtures
    tmp_path, url, open_hosting, make_bench_on, source, work_tree, proxied, monkeypatch, cut
):
    monkeypatch.setattr(postgres_module, "SETTLE_SECONDS_MAX", 0.6)
    proxy = proxied(urlsplit(url).port)
    through = url.replace(f":{urlsplit(url).port}", f":{proxy.port}")

    def break_off(step: str) -> None:
        if step == "placed":
            proxy.cut, proxy.is_closed_to_new = cut, True

    bench = make_bench_on(open_hosting(tmp_path / "data", catalogue_url=through), step=break_off)
    tip = work_tree("rev-parse", "HEAD")
    with pytest.raises(OutcomeUnknown):
        bench.push({"refs/heads/main": (None, tip)}, bench.pack(source, tip))
    proxy.is_closed_to_new = False
    report = collect(bench.repository, bench.hosting)
    has_landed = cut == "after"
    assert bench.refs == ({"refs/heads/main": tip} if has_landed else {})
    assert len(report.packs) == (0 if has_landed else 1)
    assert not any("quarantine" in name for name in bench.files)
    bench.fsck()
