"""Prompts rank code for those who may read them; for others a repository answers as if it had none."""

import json

import pytest

from imprint.store.actors import Verb
from imprint.store.hosting.sessions import erase_session
from imprint.store.types import RepositoryName

READ = frozenset({Verb.READ})
READ_WORDS = frozenset({Verb.READ, Verb.TRANSCRIPTS})
FILES = {
    "budget.py": "def spend(amount):\n    return amount - 1\n",
    "clock.py": "def wait(seconds):\n    return seconds\n",
    "door.py": "def open_door(key):\n    return key\n",
}
ASKED = (
    {"q": "customers wait after a payment failed", "explain": True},
    {"q": "customers wait after a payment failed", "explain": True, "ref": "main~1"},
    {"q": "payment failed for customers", "what": "files", "explain": True},
    {"q": "open door", "explain": True},
)


class Prompted:
    """A repository whose second commit was asked for by a prompt, and one of the same commits without it."""

    def __init__(self, server) -> None:
        self.server = server
        self.name, self.control = server.repository(), server.repository()
        git = server.work_tree()
        git.commit(FILES, "Begin")
        self.push(git, self.name, server.admin)
        wish = {
            "target_branch": "main",
            "commit_message": "Two",
            "files": [{"path": "budget.py", "content": FILES["budget.py"].replace("1", "2")}],
            "session": "s1",
            "agent": "a",
            "prompt": "Customers whose payment failed wait for hours: try again",
        }
        client = server.client(server.token(self.name, actor="agent-a"))
        assert client.post(f"/api/repos/{self.name}/commits", json=wish).status_code == 201
        git("pull", "-q", server.git_url(self.name, server.admin), "main")
        git("mv", "budget.py", "spending.py")
        git("commit", "-qm", "Another name")
        self.push(git, self.name, server.admin)
        self.push(git, self.control, server.admin)
        server.settle()

    def push(self, git, name: str, token: str) -> None:
        git("push", "-q", self.server.git_url(name, token), "HEAD:refs/heads/main")

    def ask(self, verbs, name: str, given) -> dict[str, object]:
        client = self.server.client(self.server.token(self.name, self.control, verbs=verbs))
        answer = client.get(f"/api/repos/{name}/search", params=given)
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = json.loads(answer.text.replace(name, "this"))
        return found


@pytest.fixture(scope="module")
def prompted(server) -> Prompted:
    return Prompted(server)


def test_what_was_asked_for_ranks_the_files_it_brought(prompted) -> None:
    told = prompted.ask(READ_WORDS, prompted.name, ASKED[0])
    parts = {hit["path"]: hit["parts"] for hit in told["hits"]}
    assert parts["spending.py"]["history"] > 0, "through a rename"
    control = prompted.ask(READ_WORDS, prompted.control, ASKED[0])
    assert not any("history" in hit["parts"] for hit in control["hits"])
    files = prompted.ask(READ_WORDS, prompted.name, ASKED[2])
    assert files["hits"][0]["path"] == "spending.py"


def test_who_may_not_read_it_is_told_as_if_there_were_none(prompted) -> None:
    prompted.ask(READ_WORDS, prompted.name, ASKED[0])  # what is kept of its words is there
    for given in ASKED:
        told, control = (prompted.ask(READ, name, given) for name in (prompted.name, prompted.control))
        assert told == control, given


def test_an_erased_prompt_ranks_no_more(server) -> None:
    prompted = Prompted(server)  # its own: the others ask for what is erased here
    assert any("history" in hit["parts"] for hit in prompted.ask(READ_WORDS, prompted.name, ASKED[0])["hits"])
    hosting = prompted.server.hosting
    erase_session(hosting, hosting.get(RepositoryName.parse(prompted.name)).record.id, "s1", None)
    told = prompted.ask(READ_WORDS, prompted.name, ASKED[0])
    assert not any("history" in hit["parts"] for hit in told["hits"])
