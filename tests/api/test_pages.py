"""Pages over HTTP: what they show, how they escape it, and the headers around them."""

import os
import re
from html.parser import HTMLParser

import pytest

from imprint.store.actors import Verb
from imprint.store.transcripts.ports import transcript_key
from imprint.store.types import RepositoryName


class Reader(HTMLParser):
    """The text, tags and links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.links, self.attributes = "", [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.links += [value for name, value in attrs if name in {"href", "src", "action"} and value]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def get(server, sample):
    """A page of the sample, read as a browser of one of its readers would."""
    client = server.client(server.token(sample.name, verbs=frozenset({Verb.READ, Verb.TRANSCRIPTS})))

    def page(address: str = "", **parameters: object) -> Reader:
        answer = client.get(f"/acme/app{address}", params=parameters or None, headers={"Accept": "text/html"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        return Reader(answer.text)

    return page


PAGES = (
    "",
    "/tree/main/app",
    "/blob/main/app/retry.py",
    "/blob/main/app/retry.py?plain=true",
    "/blob/main/app/empty.txt",
    "/blob/main/assets/dot.png",
    "/blob/main/%22app/%3Cb%3Ebold%20%26%20%5C%22odd%5C%22.txt%22",
    "/search?q=retry",
    "/search?q=%3Cscript%3E",
    "/search",
    "/why/main/app/retry.py?line=9",
    "/why/main/README.md?line=1",
)


@pytest.mark.parametrize("address", PAGES)
def test_a_page_runs_nothing_and_may_load_nothing_foreign(server, get, sample, address: str) -> None:
    answer = server.client(server.admin).get(f"/acme/app{address}")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    page = Reader(answer.text)
    assert "script" not in page.tags
    assert [name for name in page.attributes if name == "style" or name.startswith("on")] == []
    assert [link for link in page.links if "//" in link] == []


@pytest.mark.parametrize("address", PAGES)
def test_every_link_of_a_page_leads_somewhere(server, get, address: str) -> None:
    links = {link.partition("#")[0] for link in get(address).links}
    client = server.client(server.admin)
    broken = {
        link: status
        for link in links
        if link.startswith("/") and (status := client.get(link).status_code) != 200
    }
    assert broken == {}


def test_the_front_says_what_the_repository_is(server, get) -> None:
    page = get()
    for said in ("default branch main", "3 commits", "2 branches", "1 tag", f"{server.url}/acme/app.git"):
        assert said in page.text
    assert "A sample." in page.text
    assert "/acme/app/tree/main/app" in page.links
    assert "/acme/app/search" in page.links


def test_the_front_shows_how_much_is_known(get) -> None:
    text = " ".join(get().text.split())
    assert "evidence for 3 commits on all branches" in text
    assert "bound 1 commit" in text
    assert "unknown 2 commits" in text


def test_a_file_shows_where_each_line_comes_from(server, get, sample) -> None:
    client = server.client(server.admin)
    html = client.get("/acme/app/blob/main/app/retry.py").text
    page = Reader(html)
    assert sample.human[:8] in page.text
    assert sample.agent[:8] in page.text
    assert "claude-code" in page.text
    assert "bound" in page.text
    assert "unknown" in page.text
    titles = re.findall(r'title="([^"]*)"', html)
    assert any(
        "session: session-1" in title and "Retry them with a growing pause." in title for title in titles
    )
    assert "/acme/app/why/main/app/retry.py?line=1" in page.links


def test_the_gutter_has_every_line_in_exactly_one_run(server, sample) -> None:
    html = server.client(server.admin).get("/acme/app/blob/main/app/retry.py").text
    numbers = [int(number) for number in re.findall(r'<tr id="L(\d+)"', html)]
    spans = [int(span) for span in re.findall(r'rowspan="(\d+)"', html)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert sum(spans) == len(numbers)


def test_an_erased_prompt_is_gone_from_a_page_that_was_shown_before(server) -> None:
    name = server.repository()
    client = server.client(server.token(name, actor="agent-3"))
    wish = {
        "target_branch": "main",
        "commit_message": "Add",
        "files": [{"path": "a.py", "content": "a = 1\n"}],
        "session": "to-erase",
        "prompt": "Tell nobody of this.",
    }
    assert client.post(f"/api/repos/{name}/commits", json=wish).status_code == 201
    server.settle()
    assert "Tell nobody of this." in client.get(f"/{name}/blob/main/a.py").text
    repository = server.hosting.get(RepositoryName.parse(name))
    server.hosting.transcripts.erase(transcript_key(repository.record.id, "to-erase"))
    for address in (f"/{name}/blob/main/a.py", f"/{name}/why/main/a.py?line=1"):
        page = client.get(address)
        assert page.status_code == 200
        assert "Tell nobody" not in page.text
        assert "bound" in page.text


def test_a_page_learns_what_the_ledger_learns(server) -> None:
    """The second commit changes one line; the page, seen before, shows both origins."""
    name, git = server.pushed({"a.py": "a = 1\nb = 2\n"})
    server.settle()
    client = server.client(server.token(name))
    first = client.get(f"/{name}/blob/main/a.py").text
    assert first.count('class="origin ') == 1
    git.commit({"a.py": "a = 1\nb = 3\n"}, "Change b")
    git("push", "-q", server.git_url(name, server.token(name)), "HEAD:refs/heads/main")
    server.settle()
    assert client.get(f"/{name}/blob/main/a.py").text.count('class="origin ') == 2


def test_why_tells_the_story_and_what_is_missing(get) -> None:
    told = get("/why/main/app/retry.py?line=9").text
    assert "Calls fail when the service is busy." in told
    assert "agent-7" in told
    unknown = get("/why/main/README.md?line=1").text
    assert "What is not known" in unknown


def test_search_marks_what_was_asked_for(get) -> None:
    page = get("/search", q="retry policy")
    assert "app/retry.py" in page.text
    assert "mark" in page.tags
    assert any(re.fullmatch(r"/acme/app/blob/HEAD/app/retry.py#L\d+", link) for link in page.links)


def test_search_without_an_answer_says_so(get) -> None:
    assert "Nothing found" in get("/search", q="zzzunheardof").text


def test_what_somebody_pushed_is_text(get, server, sample) -> None:
    """Subject, file name and content hold markup; none of it becomes any."""
    client = server.client(server.admin)
    front = client.get("/acme/app").text
    assert "<script>alert(1)" not in front
    assert "Add assets &lt;script&gt;alert(1)" in front
    assert "<b>bold" not in client.get("/acme/app/tree/main/app").text
    assert "<script>alert" not in client.get("/acme/app/blob/main/assets/page.html").text
    assert "<script>" not in client.get("/acme/app/search", params={"q": "<script>alert"}).text


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("assets/page.html", "text/plain; charset=utf-8"),
        ("assets/dot.png", "image/png"),
        ("app/retry.py", "text/plain; charset=utf-8"),
    ],
)
def test_raw_files_are_sandboxed_and_never_run(server, sample, path: str, media_type: str) -> None:
    answer = server.client(server.admin).get(f"/acme/app/raw/main/{path}")
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_picture_that_can_hold_scripts_is_text(server) -> None:
    name, _ = server.pushed({"a.svg": "<svg onload='alert(1)'/>"})
    answer = server.client(server.admin).get(f"/{name}/raw/main/a.svg")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_an_empty_repository_tells_how_to_push(server) -> None:
    name = server.repository("pages/empty", default_branch="trunk")
    page = Reader(server.client(server.admin).get(f"/{name}").text)
    assert f"git remote add imprint {server.url}/{name}.git" in page.text
    assert "git push imprint trunk" in page.text
    assert "the password is the token" in page.text


def test_the_list_shows_what_the_reader_may_see(server, sample) -> None:
    hidden = server.repository("pages/hidden-one")
    page = Reader(server.client(server.token(sample.name)).get("/").text)
    assert sample.name in page.text
    assert hidden not in page.text


def test_a_page_that_is_not_there_is_a_page(server) -> None:
    answer = server.client(server.admin).get("/no/such", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "no repository &#39;no/such&#39; here" in answer.text
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    "address",
    [
        "/acme/app/blob/main/nothing",
        "/acme/app/blob/nothing/a",
        "/acme/app/tree/main/README.md",
        "/api/x",
        "/.x/y",
    ],
)
def test_what_is_not_there_is_not_found(server, sample, address: str) -> None:
    assert server.client(server.admin).get(address).status_code == 404


def test_odd_paths_and_bytes_that_are_no_utf8_have_pages(server) -> None:
    name = server.repository()
    git = server.work_tree()
    odd = [b"caf\xe9.txt", b"tab\there", b"a b#c?d%e.txt", b"back\\slash", "größe.md".encode()]
    for path in odd:
        (git.folder / os.fsdecode(path)).write_bytes(b"latin \xe9\n")
    git("add", "-A")
    git("commit", "-q", "-m", "Odd")
    git("push", "-q", server.git_url(name, server.token(name)), "HEAD:refs/heads/main")
    client = server.client(server.admin)
    links = [link for link in Reader(client.get(f"/{name}").text).links if "/blob/" in link]
    assert len(links) == len(odd)
    for link in links:
        page = client.get(link)
        assert page.status_code == 200
        assert "latin �" in page.text
        raw = client.get(link.replace("/blob/", "/raw/"))
        assert raw.content == b"latin \xe9\n"


def test_a_file_too_large_or_binary_is_offered_raw(server) -> None:
    name, _ = server.pushed({"large.txt": "line\n" * 250_000, "data.bin": bytes(range(256))})
    client = server.client(server.admin)
    assert "too large to show" in client.get(f"/{name}/blob/main/large.txt").text
    assert "binary" in client.get(f"/{name}/blob/main/data.bin").text
    assert client.get(f"/{name}/raw/main/data.bin").headers["content-type"] == "application/octet-stream"


def test_the_manual_is_one_page_without_scripts_for_every_operation(server) -> None:
    answer = server.client().get("/docs")
    page = Reader(answer.text)
    assert "script" not in page.tags
    assert [link for link in page.links if "//" in link] == []
    schema = server.client().get("/openapi.json").json()
    for path, verbs in schema["paths"].items():
        assert path in page.text
        for operation in verbs.values():
            assert f"#{operation['operationId']}" in page.links


def test_operations_have_unique_names_and_say_what_they_do(server) -> None:
    schema = server.client().get("/openapi.json").json()
    operations = [op for verbs in schema["paths"].values() for op in verbs.values()]
    names = [operation["operationId"] for operation in operations]
    assert sorted(names) == sorted(set(names))
    assert [op["operationId"] for op in operations if not op.get("description")] == []


def test_the_style_sheet_loads_without_a_token(server) -> None:
    answer = server.client().get("/static/imprint.css")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "prefers-color-scheme: dark" in answer.text
    assert "url(" not in answer.text


def test_the_manual_names_every_member_of_what_goes_in_and_out(server) -> None:
    text = server.client().get("/docs").text
    for member in (
        "files[].path",
        "files[].action",
        "author.email",
        "hits[].start_line",
        "claims[].evidence",
    ):
        assert f">{member}" in text
    assert "upsert | delete" in text
