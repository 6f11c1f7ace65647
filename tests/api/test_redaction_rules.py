"""An operator's own rules of redaction, where a server meets them."""

import json

import pytest

from imprint.api.server import serve
from imprint.store.errors import BadInput
from imprint.store.redaction.engine import make_redactor
from imprint.store.types import RepositoryName


def test_a_server_does_not_start_with_rules_that_have_a_fault(tmp_path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "redaction.toml").write_text("[[rules]]\nkind = 'a'\n")
    with pytest.raises(BadInput, match=r"redaction.toml: rule 1: 'pattern' is missing"):
        serve(data, port=0)


def test_a_delivered_session_is_kept_without_its_secrets(server) -> None:
    name = server.repository()
    secret = "gh" + "p_" + "Zk3" * 12
    lines = [
        {
            "type": "user",
            "uuid": "u-1",
            "sessionId": "s-1",
            "message": {"role": "user", "content": f"use {secret}"},
        },
        {"type": "user", "uuid": "u-2", "sessionId": "s-1", "message": {"role": "user", "content": "thanks"}},
    ]
    content = "\n".join(json.dumps(line) for line in lines) + "\n"
    client = server.client(server.token(name))
    sent = client.post(
        f"/api/repos/{name}/sessions",
        json={"agent": "claude-code", "id": "s-1", "transcript": content, "source": {"system": "test"}},
    )
    assert sent.status_code in {200, 201}, sent.text
    hosting = server.hosting
    repository_id = hosting.get(RepositoryName.parse(name)).record.id
    session = hosting.archive.find_session(repository_id, "s-1")
    kept = hosting.keeper.read_transcript(repository_id, session).decode()
    assert kept == content.replace(secret, "[redacted:github-token]")
    assert dict(session.redaction.counts) == {"github-token": 1}
    assert session.redaction.policy_hash == make_redactor().policy_hash
