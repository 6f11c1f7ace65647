"""Numbers for whoever administers the store, and for nobody else."""

import re

LINE = re.compile(r'# (HELP|TYPE) \w+ [\w ]+|\w+\{process="\d+"(,command="[\w-]+")?\} [\d.e+-]+')


def test_what_git_took_is_told_to_administrators(server) -> None:
    name, git = server.pushed({"a": "a"})
    git("tag", "-a", "-m", "first", "v1")
    git("push", "-q", server.git_url(name, server.admin), "v1")  # a tag is for git to check
    answer = server.client(server.admin).get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert [line for line in answer.text.splitlines() if not LINE.fullmatch(line)] == []
    values = dict(re.findall(r'(\w+)\{process="\d+"(?:,command="index-pack")?\} (\S+)\n', answer.text))
    assert float(values["imprint_git_process_runs_total"]) >= 1
    assert float(values["imprint_git_process_cpu_seconds_total"]) > 0
    assert float(values["imprint_git_process_peak_bytes"]) > 1_000_000
    assert float(values["imprint_git_requests_running"]) >= 0
    assert float(values["imprint_resident_bytes"]) > 10_000_000


def test_nobody_else_hears_them(server, sample) -> None:
    assert server.client().get("/metrics").status_code == 401
    assert server.client(server.token(sample.name)).get("/metrics").status_code == 403
