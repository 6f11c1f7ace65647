"""What a caller may not see changes nothing in any answer to a question about code: no word, count or score.

A control repository holds the very commits that are shown: its answers are what the others have to be.
"""

import json

import pytest

from imprint.semantic.asking.table import QUESTIONS
from imprint.store.actors import Verb
from imprint.store.hosting.access import SessionSeed
from imprint.store.types import RepositoryName

SECRET = "zanzibar"
"""In every path, name, message, author, agent, session and prompt that is not to be seen."""
READ = frozenset({Verb.READ})
READ_WORDS = frozenset({Verb.READ, Verb.TRANSCRIPTS})
USE = "from door import turn\n\nturn({})\n"
SHOWN = {
    "door.py": "def open_door(key):\n    return turn(key)\n\n\ndef turn(key):\n    return key\n",
    "gate.py": "def close_gate(gate):\n    return gate.shut()\n",
    "use.py": USE.format(3),
}
CHANGED = {"door.py": SHOWN["door.py"].replace("return key", "return key + 1"), "use.py": USE.format(4)}
ASKED = (
    ("search", {"q": "open door", "explain": True}),
    ("search", {"q": f"{SECRET} turn"}),
    ("search", {"q": "open_door", "why": True}),
    ("search", {"q": "close gate", "removed": True}),
    ("search", {"q": f"{SECRET} gate", "removed": True}),
    ("search", {"q": "key gate turn", "what": "messages"}),
    ("search", {"q": "[a-z]+", "mode": "regex", "what": "messages"}),
    ("search", {"q": "[a-z]+", "mode": "regex", "what": "diffs"}),
    ("search", {"q": "[a-z]+", "mode": "regex", "what": "prompts"}),
    ("search", {"q": "the door does not open", "what": "files"}),
    ("search", {"q": "[a-z]+", "mode": "regex"}),
    ("search", {"q": "door", "author": "a", "since": "2001-01-01"}),
    ("search", {"q": "door", "agent": f"{SECRET}-code"}),
    ("search", {"q": "door", "session": f"session-{SECRET}"}),
    ("definition", {"name": "turn"}),
    ("definition", {"name": f"{SECRET}_turn"}),
    ("references", {"name": "turn"}),
    ("callers", {"name": "turn"}),
    ("callees", {"name": "open_door"}),
    ("impact", {"name": "turn"}),
    ("outline", {"path": "door.py"}),
    ("map", {}),
    ("history", {"name": "turn", "why": True}),
    ("diff", {"base": "main~3"}),
    ("why", {"path": "door.py", "line": 6}),
    ("symbols", {"name": "turn"}),
)
AT_A_PLACE = {
    "search": {"q": "turn"},
    "outline": {"path": "door.py"},
    "map": {},
    "diff": {"base": "main"},
    "why": {"symbol": "turn"},
}


class Unseen:
    """A repository with a hidden branch, the control without it, and one that holds it unread."""

    def __init__(self, server) -> None:
        self.server = server
        self.name, self.control, other = (server.repository() for _ in range(3))
        git = server.work_tree()
        git.commit(SHOWN, "Doors turn keys")
        git("branch", "secret")
        git.commit({"note.md": "the gate\n"}, "Notes on the gate")
        git("rm", "-q", "gate.py")
        git("commit", "-q", "-m", "No gate any more")
        self.push(git, self.name, "main", server.admin)
        server.settle()
        git("checkout", "-q", "secret")
        for role in ("AUTHOR", "COMMITTER"):
            git.environment[f"GIT_{role}_NAME"] = f"{SECRET} a"
        own = {f"{SECRET}.py": f"from door import turn\n\n\ndef {SECRET}_turn(key):\n    return turn(key)\n"}
        message = f"{SECRET} turns doors\n\n{'gate key door turn ' * 400}\n"
        self.hidden = [git.commit(CHANGED | own, message)]
        again = {f"{SECRET}.py": "", "gate.py": f"def {SECRET}_gate():\n    pass\n\n\n" + SHOWN["gate.py"]}
        self.hidden.append(git.commit(again, f"{SECRET} closes the gate"))
        seed = SessionSeed(f"session-{SECRET}", agent=f"{SECRET}-code", prompt=f"{SECRET} gate key door")
        self.push(git, self.name, "secret", server.token(self.name, actor=f"agent-{SECRET}", session=seed))
        for role in ("AUTHOR", "COMMITTER"):
            git.environment[f"GIT_{role}_NAME"] = "Ada"
        git("checkout", "-q", "main")
        git.commit(CHANGED, "Turn by one more")
        self.push(git, self.control, "main", server.admin)
        self.push(git, self.name, "main", server.admin)
        self.push(git, other, "secret:main", server.admin)
        server.settle()
        for question, given in ASKED:  # what is kept of these answers is whole
            assert server.client(server.admin).get(self.url(self.name, question), params=given).is_success
        self.hide("refs/heads/secret")

    def hide(self, patterns: str | None) -> None:
        name = RepositoryName.parse(self.name)
        self.server.hosting.change_settings(name, {"transfer.hideRefs": patterns}, None)

    def push(self, git, name: str, what: str, token: str) -> None:
        git("push", "-q", self.server.git_url(name, token), what)

    @staticmethod
    def url(name: str, question: str) -> str:
        return f"/api/repos/{name}/{question}"

    def client(self, verbs):
        return self.server.client(self.server.token(self.name, self.control, verbs=verbs))


@pytest.fixture(scope="module")
def unseen(server):
    return Unseen(server)


@pytest.mark.parametrize("verbs", [READ, READ_WORDS], ids=["read", "transcripts"])
def test_what_is_hidden_changes_no_answer(unseen, verbs) -> None:
    client = unseen.client(verbs)
    for question, given in ASKED:
        told, control = (
            client.get(unseen.url(name, question), params=given) for name in (unseen.name, unseen.control)
        )
        assert told.status_code == control.status_code == 200, (question, given, told.text)
        text = told.text.replace(unseen.name, unseen.control)
        for word in (SECRET, *(commit[:10] for commit in unseen.hidden)):
            assert word not in text.replace(str(given.get("name")), ""), (question, given, text)
        assert without_events(json.loads(text)) == without_events(control.json()), (question, given)


def without_events(document):
    """Deliveries are events of their own in each repository."""
    if isinstance(document, dict):
        return {key: without_events(value) for key, value in document.items() if key != "delivered"}
    return [without_events(each) for each in document] if isinstance(document, list) else document


def test_how_much_is_hidden_is_not_told(unseen) -> None:
    told, control = (
        unseen.client(READ).get(unseen.url(name, "index")).json() for name in (unseen.name, unseen.control)
    )
    assert told["history"] == {"done": 100, "total": 100}
    assert told | {"history": None} == control | {"history": None}


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_is_answered_at_a_hidden_commit(unseen, question) -> None:
    client, given = unseen.client(READ), AT_A_PLACE.get(question, {"name": "turn"})
    commit = unseen.hidden[1]
    parameters = [{"ref": name} for name in ("secret", commit, commit[:8], f"{commit}~1")]
    parameters += [{"base": each["ref"]} for each in parameters] if question == "diff" else []
    for each in parameters:
        told = client.get(unseen.url(unseen.name, question), params=given | each)
        assert (told.status_code, told.json()["code"]) == (404, "ref_missing"), told.text
