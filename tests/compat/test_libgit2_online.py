"""libgit2's own online suite, built from a clone of its repository that LIBGIT2_SOURCE names."""

import os
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CLIENT = "libgit2's own online suite, without and with Expect: 100-continue"


def test_every_case_that_takes_the_address_of_a_server(
    site, project, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source = os.environ.get("LIBGIT2_SOURCE")
    if not source:
        pytest.skip("LIBGIT2_SOURCE does not name a clone of libgit2's repository")
    name = site.create(default_branch="master")
    # what the suite asks of every server: it deletes all branches before each case
    settings = {"settings": {"receive.denyDeleteCurrent": "ignore"}}
    assert site.api.patch(f"/api/repos/{name}/settings", json=settings).status_code == 200
    script = Path(__file__).with_name("libgit2_online.sh")
    build = os.environ.get("LIBGIT2_BUILD") or str(tmp_path / "build")
    done = subprocess.run(
        [str(script), source, site.address(name), build],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = re.findall(r"^(ok|not ok) \d+ - (# SKIP )?(\S+)", done.stdout, re.MULTILINE)
    failed = [name for word, _, name in lines if word == "not ok"]
    skipped = [name for word, skip, name in lines if word == "ok" and skip]
    cases = {
        "passed": len(lines) - len(failed) - len(skipped),
        "failed": len(failed),
        "skipped": len(skipped),
    }
    request.node.user_properties.append(("cases", cases))
    assert failed == [], done.stdout
    assert cases["passed"] >= 40, done.stdout + done.stderr
