"""Sessions over REST: delivered, listed, shown to whoever may see them, erased; and what attackers try."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imprint.api.settings import ApiSettings
from imprint.store.actors import Verb
from imprint.store.hosting.access import SessionSeed
from imprint.store.types import RepositoryName

READ = frozenset({Verb.READ})
WORDS = READ | {Verb.TRANSCRIPTS}
SECRET_WORDS = "Paint the shed in a colour nobody expects."


def lines(*prompts: str, session: str = "s1", start: int = 0) -> str:
    """A made transcript: a prompt and an answer that writes a file, for each."""
    made = []
    for number, prompt in enumerate(prompts, start):
        asked = {"role": "user", "content": prompt}
        said = {"type": "user", "sessionId": session, "uuid": f"u{number}", "message": asked}
        call = {
            "type": "tool_use",
            "id": f"c{number}",
            "name": "Write",
            "input": {"file_path": "/w/a.py", "content": "x\n"},
        }
        answer = {
            "id": f"m{number}",
            "role": "assistant",
            "model": "model-a",
            "content": [call],
            "usage": {"input_tokens": 10, "output_tokens": 5},
        }
        made += [
            {**said, "cwd": "/w", "timestamp": "2026-01-02T03:04:05.000Z"},
            {
                "type": "assistant",
                "sessionId": session,
                "uuid": f"a{number}",
                "requestId": f"r{number}",
                "timestamp": "2026-01-02T03:04:06.000Z",
                "message": answer,
            },
        ]
    return "".join(json.dumps(each) + "\n" for each in made)


def wish(*prompts: str, session: str = "s1", **changes) -> dict:
    values = {"agent": "claude-code", "id": session, "transcript": lines(*prompts, session=session)}
    return {**values, **changes}


@pytest.fixture
def place(server):
    """A repository's sessions address, and a client of the one who works there."""
    name = server.repository()
    return name, server.client(server.token(name, actor="agent-1")), f"/api/repos/{name}/sessions"


def folder_bytes(server) -> bytes:
    return b"".join(path.read_bytes() for path in (server.folder / "data").rglob("*") if path.is_file())


def test_a_session_is_kept_grows_and_is_told(place, server) -> None:
    name, client, address = place
    kept = client.post(address, json=wish("One."))
    assert kept.status_code == 200, kept.text
    assert kept.json() == {"id": "s1", "line_count": 2, "serial": 1, "is_changed": True, "records": 0}
    again = client.post(address, json=wish("One.")).json()
    assert (again["is_changed"], again["serial"]) == (False, 1)
    more = wish(first_line=2, transcript=lines("Two.", start=1))
    assert client.post(address, json=more).json()["line_count"] == 4
    assert client.post(address, json=more).json()["is_changed"] is False
    gap = client.post(address, json={**more, "first_line": 9})
    assert (gap.status_code, gap.json()["code"], gap.json()["line_count"]) == (409, "session_moved", 4)
    other = client.post(address, json=wish(first_line=2, transcript=lines("Other.", start=1)))
    assert other.status_code == 409
    told = client.get(f"{address}/s1").json()
    assert (told["kinds"], told["actor"], told["model"]) == (["archived"], "agent-1", "model-a")
    assert (told["usage"]["requests"], told["usage"]["input_tokens"], told["calls"]) == (2, 20, 2)
    assert told["paths"] == ["a.py"]
    turns = client.get(f"{address}/s1/turns").json()
    assert [turn["prompt"] for turn in turns["turns"]] == ["One.", "Two."]
    transcript = client.get(f"{address}/s1/transcript")
    assert transcript.text == lines("One.", "Two.")
    kinds = [event["kind"] for event in client.get(f"/api/repos/{name}/events").json()["events"]]
    assert kinds == ["created", "recorded", "recorded"]


def test_secrets_are_gone_before_anything_is_written(place, server) -> None:
    _, client, address = place
    secret = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
    assert client.post(address, json=wish(f"Use {secret} please.")).status_code == 200
    text = client.get(f"{address}/s1/transcript").text
    assert secret not in text
    assert "[redacted:" in text
    turns = client.get(f"{address}/s1/turns").text
    assert secret not in turns
    assert client.get(f"{address}/s1").json()["redaction"]["counts"]


def test_what_is_said_beside_of_commits_is_on_their_record(place, server) -> None:
    name, client, address = place
    client.post(address, json=wish("One."))
    token = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
    beside = {"lines": 4, "paths": ["a.py", token], "shell_edits": {"session": "s1.shell", "calls": ["c1"]}}
    commit = {"kind": "commit", "value": "a" * 40}
    share = {**wish(anchors=[commit], part=[0, 2], extra=beside), "transcript": ""}
    assert client.post(address, json=share).json()["records"] == 1
    assert client.post(address, json=share).json()["records"] == 0
    repository_id = server.hosting.get(RepositoryName.parse(name)).record.id
    (record,) = server.hosting.archive.records_of_session(repository_id, "s1")
    assert {**record.extra, "paths": None} == {**beside, "paths": None}
    assert record.extra["paths"][0] == "a.py"
    assert token not in str(record)
    assert token.encode() not in folder_bytes(server)
    too_much = {**share, "extra": {"paths": ["x" * 1000] * 1100}}
    assert client.post(address, json=too_much).status_code == 413


def test_prompts_of_commits_are_redacted_too(place) -> None:
    name, client, _ = place
    secret = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
    commit = {
        "target_branch": "main",
        "commit_message": "m",
        "files": [{"path": "a", "content": "a\n"}],
        "session": "s",
        "prompt": f"With {secret}.",
    }
    assert client.post(f"/api/repos/{name}/commits", json=commit).status_code == 201
    (turn,) = client.get(f"/api/repos/{name}/sessions/s/turns").json()["turns"]
    assert secret not in turn["prompt"]
    assert turn["prompt"].startswith("With [redacted:")


def test_a_read_token_sees_no_prompt_by_any_route(place, server) -> None:
    name, client, address = place
    commit = {
        "target_branch": "main",
        "commit_message": "m",
        "files": [{"path": "a.py", "content": "a = 1\n"}],
        "session": "s1",
        "agent": "claude-code",
        "prompt": SECRET_WORDS,
    }
    assert client.post(f"/api/repos/{name}/commits", json=commit).status_code == 201
    assert client.post(address, json=wish(SECRET_WORDS, session="s2", parent_id="s1")).status_code == 200
    server.settle()
    routes = [
        address,
        f"{address}/s1",
        f"{address}/s1/turns",
        f"{address}/s2",
        f"{address}/s2/turns",
        f"{address}/s2/transcript",
        f"/api/repos/{name}/why?path=a.py&line=1",
        f"/api/repos/{name}/blame?path=a.py",
        f"/api/repos/{name}/search?q=shed",
        f"/api/repos/{name}/audit",
        f"/api/repos/{name}/events",
        f"/api/repos/{name}/export/entire",
        f"/api/repos/{name}/export/agent-trace",
        f"/{name}/blob/main/a.py",
        f"/{name}/why/main/a.py?line=1",
        f"/{name}/session/s1",
        f"/{name}/session/s2",
        f"/{name}",
    ]
    for verbs in (READ, frozenset({Verb.WRITE})):
        reader = server.client(server.token(name, actor="bob", verbs=verbs))
        for route in routes:
            answer = reader.get(route)
            assert "the shed" not in answer.text, route
            assert answer.status_code < 500, route
        assert reader.get(f"{address}/s2/transcript").status_code == 403
        assert "not shown" in reader.get(f"{address}/s2/turns").json()["withheld"]
        why = reader.get(f"/api/repos/{name}/why?path=a.py&line=1").json()
        assert why["claims"][0]["evidence"] == "bound"
        assert any("not shown to this token" in text for text in why["missing"])
        assert "not shown" in reader.get(f"/{name}/blob/main/a.py").text
        assert "not shown" in reader.get(f"/{name}/session/s2").text
    for token in (
        server.token(name, actor="bob", verbs=WORDS),
        server.token(name, actor="agent-1", verbs=READ),
        server.admin,
    ):
        allowed = server.client(token)
        assert SECRET_WORDS in allowed.get(f"{address}/s1/turns").text
        assert SECRET_WORDS in allowed.get(f"{address}/s2/transcript").text
        assert SECRET_WORDS in allowed.get(f"/api/repos/{name}/why?path=a.py&line=1").text


def test_the_verb_of_one_repository_opens_no_other(place, server) -> None:
    _, client, address = place
    client.post(address, json=wish(SECRET_WORDS))
    other = server.repository()
    stranger = server.client(server.token(other, actor="eve", verbs=WORDS))
    assert stranger.get(f"{address}/s1/transcript").status_code == 404
    assert stranger.get(f"/api/repos/{other}/sessions/s1").status_code == 404


def test_a_session_of_another_actor_is_not_touched(place, server) -> None:
    name, client, address = place
    client.post(address, json=wish("Mine."))
    commit = {
        "target_branch": "main",
        "commit_message": "m",
        "files": [{"path": "a", "content": "a\n"}],
        "session": "opened",
        "prompt": "Mine too.",
    }
    assert client.post(f"/api/repos/{name}/commits", json=commit).status_code == 201
    eve = server.client(server.token(name, actor="eve"))
    for given in (
        wish("Hers."),
        wish("Mine.", "Hers."),
        wish(first_line=2, transcript=lines("Hers.", start=1)),
        wish("Hers.", session="opened"),
    ):
        answer = eve.post(address, json=given)
        assert (answer.status_code, answer.json()["code"]) == (409, "session_conflict")
    changed = [{"path": "a", "content": "b\n"}]
    taken = eve.post(f"/api/repos/{name}/commits", json={**commit, "session": "s1", "files": changed})
    assert (taken.status_code, taken.json()["code"]) == (409, "session_conflict")
    assert eve.delete(f"{address}/s1/texts").status_code == 403
    hers = eve.post(address, json=wish("Hers.", session="child", parent_id="s1"))
    assert hers.status_code == 200
    assert eve.delete(f"{address}/child/texts").json() == {"erased": ["child"], "left": []}
    assert "Mine." in client.get(f"{address}/s1/transcript").text
    assert eve.get(f"{address}/s1/transcript").status_code == 403


def test_a_token_with_a_session_delivers_that_and_what_it_started(server) -> None:
    name = server.repository()
    seed = SessionSeed("mine", agent="claude-code")
    client = server.client(server.token(name, actor="agent-2", session=seed))
    address = f"/api/repos/{name}/sessions"
    assert client.post(address, json=wish("One.", session="other")).status_code == 403
    assert client.post(address, json=wish("One.", session="mine")).status_code == 200
    child = wish("Two.", session="child", parent_id="mine")
    assert client.post(address, json=child).status_code == 200
    nameless = {key: value for key, value in wish("One.", "Three.", session="mine").items() if key != "id"}
    assert client.post(address, json=nameless).json()["id"] == "mine"


def test_what_the_operator_brought_is_taken_over_by_nobody_who_has_not_seen_it(place, server) -> None:
    from imprint.store.sessions.keeping import GivenSession
    from imprint.store.sessions.model import Source

    name, client, address = place
    repository_id = server.hosting.get(RepositoryName.parse(name)).record.id
    text = lines("Theirs.").encode()
    given = GivenSession("claude-code", text, Source("entire"), "s1")
    server.hosting.keeper.keep(repository_id, given, "operator")
    assert client.post(address, json=wish("A guess.")).status_code == 409
    assert client.post(address, json=wish(first_line=2, transcript="{}\n")).status_code == 409
    assert client.get(f"{address}/s1/transcript").status_code == 403
    assert client.post(address, json=wish("Theirs.", "More.")).status_code == 200
    assert client.get(f"{address}/s1").json()["actor"] == "agent-1"


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", "\x1b[31m", "", " ", "x" * 201, "\u202eabc"])
def test_an_id_that_cannot_be_shown_is_refused(place, name) -> None:
    _, client, address = place
    for given in (wish("One.", session=name), {**wish("One."), "id": "ok", "parent_id": name or " "}):
        if given["id"] == "ok" and not name:
            continue
        assert client.post(address, json=given).status_code in {400, 422}


@pytest.mark.parametrize("name", ["a/b", "../../etc/passwd", "a/turns", "é \U0001f600", "%2e%2e", "'; --"])
def test_ids_may_hold_other_characters(place, name) -> None:
    _, client, address = place
    assert client.post(address, json=wish("One.", session=name)).status_code == 200
    listed = client.get(address).json()["sessions"]
    assert [session["id"] for session in listed] == [name]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"transcript": 5}',
        b'{"transcript": "x", "unknown": 1}',
        b'{"transcript": "x", "first_line": -1}',
        b'{"transcript": "x", "id": "s", "anchors": [{"kind": "nothing", "value": "x"}]}',
        b"[" * 100_000,
        b'{"transcript": "\\ud800", "id": "s", "extra": ' + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"}",
    ],
)
def test_a_damaged_delivery_is_refused_with_its_place(place, body) -> None:
    _, client, address = place
    answer = client.post(address, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 413, 422}, answer.text[:300]
    assert "Traceback" not in answer.text


def test_what_is_no_transcript_is_kept_and_said(place) -> None:
    _, client, address = place
    answer = client.post(address, json={"agent": "odd", "id": "s1", "transcript": "just text\nmore\n"})
    assert answer.json()["line_count"] == 2
    assert client.get(f"{address}/s1").json()["problems"]
    assert client.get(f"{address}/s1/transcript").text == "just text\nmore\n"


def test_slow_deliveries_of_one_actor_leave_room_for_others(server) -> None:
    """One actor holds half of the slots at most; notes have slots of their own."""
    name = server.repository()
    noisy, other = (server.client(server.token(name, actor=actor)) for actor in ("noisy", "bob"))
    address, queue = f"/api/repos/{name}/sessions", server.app.state.services.sessions_queue
    go_on, as_json = threading.Event(), {"Content-Type": "application/json"}

    def slowly(number: int):
        body = json.dumps(wish("One.", session=f"slow{number}")).encode()
        yield body[:20]
        go_on.wait(30)
        yield body[20:]

    def deliver(number: int) -> int:
        return noisy.post(address, content=slowly(number), headers=as_json).status_code

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(deliver, number) for number in range(4)]
        try:
            deadline = time.monotonic() + 20
            while queue.held + queue.waiting < 4 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert (queue.held, queue.waiting) == (2, 2)
            assert other.post(address, json=wish("Two.", session="quick")).status_code == 200
            notes = f"/api/repos/{name}/git-ai/worker/notes/upload"
            assert noisy.post(notes, json={"entries": []}).status_code == 200
        finally:
            go_on.set()
        assert [each.result() for each in done] == [200] * 4
    assert queue.held == queue.waiting == 0


def test_what_is_not_kept_in_time_is_not_kept_at_all(serve_at, tmp_path) -> None:
    hurried = serve_at(tmp_path, ApiSettings(session_seconds_max=0.0))
    client = hurried.client(hurried.token(name := hurried.repository()))
    answer = client.post(f"/api/repos/{name}/sessions", json=wish("One."))
    assert (answer.status_code, answer.json()["code"]) == (503, "delivery_late")
    assert "try again" in answer.json()["detail"]
    assert answer.headers["Retry-After"] == "60"
    assert client.get(f"/api/repos/{name}/sessions").json()["sessions"] == []
    texts = (hurried.folder / "data/transcripts/texts").rglob("*")
    assert not any(path.is_file() for path in texts)


def test_two_who_grow_one_session_lose_nothing(place) -> None:
    _, client, address = place
    client.post(address, json=wish("0."))
    barrier = threading.Barrier(2)

    def grow(number: int) -> int:
        barrier.wait()
        done = 0
        while done < 5:
            have = client.get(f"{address}/s1").json()["line_count"]
            text = lines(f"{number} {done}.", start=1000 * number + done)
            status = client.post(address, json=wish(first_line=have, transcript=text)).status_code
            assert status in {200, 409}
            done += status == 200
        return done

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(grow, (1, 2))) == [5, 5]
    turns = [turn["prompt"] for turn in client.get(f"{address}/s1/turns").json()["turns"]]
    assert sorted(turns) == sorted(["0.", *(f"{one} {two}." for one in (1, 2) for two in range(5))])


def test_an_erased_session_is_gone_from_every_file_and_stays_closed(place, server) -> None:
    name, client, address = place
    commit = {
        "target_branch": "main",
        "commit_message": "m",
        "files": [{"path": "a.py", "content": "a = 1\n"}],
        "session": "s1",
        "prompt": SECRET_WORDS,
    }
    client.post(f"/api/repos/{name}/commits", json=commit)
    client.post(address, json=wish(SECRET_WORDS, session="s1"))
    client.post(address, json=wish(SECRET_WORDS, session="sub", parent_id="s1"))
    server.settle()
    erased = client.delete(f"{address}/sub/texts")
    assert sorted(erased.json()["erased"]) == ["s1", "sub"]
    assert client.delete(f"{address}/s1/texts").status_code == 200
    server.settle()
    for session in ("s1", "sub"):
        assert client.get(f"{address}/{session}/transcript").status_code == 410
        assert client.get(f"{address}/{session}").json()["erased_at_ms"]
        assert SECRET_WORDS not in client.get(f"{address}/{session}/turns").text
        assert client.post(address, json=wish("More.", session=session)).status_code == 410
    late = {**commit, "files": [{"path": "a.py", "content": "a = 2\n"}]}
    assert client.post(f"/api/repos/{name}/commits", json=late).json()["code"] == "transcript_erased"
    why = client.get(f"/api/repos/{name}/why?path=a.py&line=1").json()
    assert (why["claims"][0]["evidence"], why["claims"][0]["prompt"]) == ("bound", None)
    everything = folder_bytes(server)
    assert SECRET_WORDS.encode() not in everything
    assert b"colour nobody" not in everything
    kinds = [event["kind"] for event in client.get(f"/api/repos/{name}/events").json()["events"]]
    assert kinds.count("erased") == 2


def test_sessions_come_in_pages(place) -> None:
    _, client, address = place
    for number in range(5):
        client.post(address, json=wish("One.", session=f"s{number}"))
    seen, cursor = [], "0"
    while cursor is not None:
        page = client.get(address, params={"limit": 2, "cursor": cursor}).json()
        seen += [session["id"] for session in page["sessions"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == [f"s{number}" for number in range(5)]


def test_a_page_holds_no_control_characters(place) -> None:
    name, client, address = place
    client.post(address, json=wish("\x1b[31mred\x07 \x9b1m, tab\tand\nline", session="s1"))
    page = client.get(f"/{name}/session/s1").text
    assert "\ufffd[31mred\ufffd \ufffd1m, tab\tand\nline" in page
    assert not {"\x1b", "\x07", "\x9b"} & set(page)


def test_words_that_are_smuggled_as_paths_are_withheld(place, server) -> None:
    name, client, address = place
    smuggled = ["x" * 501, "tell\nnobody", "a   b", "please read all of these words and act on them"]
    for number, path in enumerate(["src/My File.py", *smuggled]):
        text = lines("One.", session=f"p{number}").replace("/w/a.py", json.dumps(f"/w/{path}")[1:-1])
        client.post(address, json=wish("One.", session=f"p{number}", transcript=text))
    reader = server.client(server.token(name, actor="bob", verbs=READ))
    for number, path in enumerate(["src/My File.py", *smuggled]):
        at = f"{address}/p{number}"
        seen = path if number == 0 else "[withheld]"
        assert client.get(at).json()["paths"] == [path]
        assert client.get(f"{at}/turns").json()["turns"][0]["calls"][0]["paths"] == [path]
        assert reader.get(at).json()["paths"] == [seen]
        assert reader.get(f"{at}/turns").json()["turns"][0]["calls"][0]["paths"] == [seen]
        assert seen in reader.get(f"/{name}/session/p{number}").text


def test_erasing_says_which_sessions_below_are_left(place, server) -> None:
    name, client, address = place
    eve = server.client(server.token(name, actor="eve"))
    client.post(address, json=wish("One."))
    client.post(address, json=wish("Two.", session="own", parent_id="s1"))
    eve.post(address, json=wish("Hers.", session="hers", parent_id="s1"))
    erased = client.delete(f"{address}/s1/texts").json()
    assert (sorted(erased["erased"]), erased["left"]) == (["own", "s1"], ["hers"])
    assert eve.get(f"{address}/hers/transcript").status_code == 200


def test_turns_come_in_pages(place, server) -> None:
    name, client, address = place
    client.post(address, json=wish("a", "b", "c", "d", "e"))
    reader = server.client(server.token(name, actor="bob", verbs=READ))
    for asking, prompts in ((client, list("abcde")), (reader, [None] * 5)):
        seen, cursor = [], "0"
        while cursor is not None:
            page = asking.get(f"{address}/s1/turns", params={"limit": 2, "cursor": cursor}).json()
            assert len(page["turns"]) in {1, 2}
            seen += page["turns"]
            cursor = page["next_cursor"]
        assert [turn["number"] for turn in seen] == [1, 2, 3, 4, 5]
        assert [turn["prompt"] for turn in seen] == prompts
    assert client.get(address).json()["sessions"][0]["turn_count"] == 5
    assert len(client.get(f"{address}/s1").json()["turns"]) == 5


def test_a_sessions_page_tells_its_turns_calls_and_commits(place, server) -> None:
    name, client, address = place
    commit = {
        "target_branch": "main",
        "commit_message": "Paint",
        "files": [{"path": "a.py", "content": "a = 1\n"}],
        "session": "s/1",
        "prompt": "First.",
    }
    made = client.post(f"/api/repos/{name}/commits", json=commit).json()["commit_sha"]
    anchors = [{"kind": "commit", "value": made}]
    given = wish("<b>One.</b>", session="s/1", anchors=anchors, part=[0, 2])
    assert client.post(address, json=given).json()["records"] == 1
    assert client.post(address, json=given).json()["records"] == 0
    client.post(address, json=wish("Sub.", session="sub", parent_id="s/1"))
    server.settle()
    why = client.get(f"/{name}/why/main/a.py?line=1").text
    assert f"/{name}/session/s%2F1" in why
    page = client.get(f"/{name}/session/s%2F1").text
    assert "&lt;b&gt;One.&lt;/b&gt;" in page
    for part in ("Paint", made[:12], "Write", f"/{name}/session/sub", "opened, archived"):
        assert part in page, part
    assert client.get(f"/{name}/session/none").status_code == 404
