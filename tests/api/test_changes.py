"""What is pushed is logged, and what is hidden stays so."""

from imprint.store.refs.hidden import HiddenRefs
from imprint.store.types import RepositoryName
from imprint.store.view import show_view


def test_pushed_commits_are_logged_and_hidden_ones_are_not_shown(server) -> None:
    name = server.repository()
    tree = server.work_tree()
    url = server.git_url(name, server.token(name, actor="ada"))
    shown = tree.commit({"a.py": "A = 1\n"}, "Begin with a constant")
    tree("push", "-q", url, "main")
    hidden = tree.commit({"a.py": "A = 2\n"}, "Embargoed change")
    tree("push", "-q", url, "HEAD:refs/heads/embargo")
    server.settle()
    changes = server.app.state.services.changes
    repository = server.hosting.get(RepositoryName.parse(name))
    assert changes.position(repository.record.id) > 0
    whole = changes.of(repository.record.id)
    assert whole.find(hidden) is not None
    past = changes.seen(show_view(repository.view, HiddenRefs((b"refs/heads/embargo",))))
    assert past.find(hidden) is None
    assert past.find_word("embargoed")[0].size == 0
    assert past.subject(past.find(shown)) == "Begin with a constant"
