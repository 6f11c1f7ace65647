"""A session that is delivered over REST answers why for the lines of commits that are there."""

import json

from imprint.store.actors import Verb

TEXT = "def retry(call):\n    wait = 1\n    return call(wait)\n"


def transcript(session: str, text: str) -> str:
    """A prompt, and an answer that writes a file."""
    call = {
        "type": "tool_use",
        "id": f"call-{session}",
        "name": "Write",
        "input": {"file_path": "/w/app/retry.py", "content": text},
    }
    common = {"sessionId": session, "cwd": "/w/app", "timestamp": "2026-01-02T03:04:05.000Z"}
    made = [
        {**common, "type": "user", "uuid": "u1", "message": {"role": "user", "content": "Add a retry."}},
        {
            **common,
            "type": "assistant",
            "uuid": "a1",
            "message": {"id": "m1", "role": "assistant", "model": "model-a", "content": [call]},
        },
    ]
    return "".join(f"{json.dumps(line)}\n" for line in made)


def test_a_delivered_session_is_matched_with_a_commit_that_names_it(server) -> None:
    name = server.repository()
    client = server.client(server.token(name, actor="ada"))
    tree = server.work_tree()
    tree("remote", "add", "origin", server.git_url(name, server.token(name, actor="ada")))
    commit = tree.commit({"retry.py": TEXT + "# by hand, at night\n"}, "Retry")
    tree("push", "-q", "origin", "main")
    kept = client.post(
        f"/api/repos/{name}/sessions",
        json={
            "agent": "claude-code",
            "id": "s-observed",
            "transcript": transcript("s-observed", TEXT),
            "anchors": [{"kind": "commit", "value": commit}],
        },
    )
    assert kept.status_code == 200, kept.text
    server.settle()
    reader = server.client(server.token(name, verbs=frozenset({Verb.READ, Verb.TRANSCRIPTS})))
    asked = {"path": "retry.py", "start": 1, "end": 9}
    parts = reader.get(f"/api/repos/{name}/why", params=asked).json()["parts"]
    told = [(part["line"], part["end"], part["claims"][0]["evidence"], part["level"]) for part in parts]
    assert told[0] == (1, 3, "observed", "turn")
    assert told[1][:2] == (4, 4)
    assert told[1][2] != "observed"
    claim = parts[0]["claims"][0]
    assert (claim["turn"], claim["prompt"], claim["session"]) == (1, "Add a retry.", "s-observed")
    stranger = server.client(server.token(name, actor="stranger", verbs=frozenset({Verb.READ})))
    hidden = stranger.get(f"/api/repos/{name}/why", params=asked)
    assert "Add a retry." not in hidden.text
    assert hidden.json()["parts"][0]["claims"][0]["turn"] == 1
