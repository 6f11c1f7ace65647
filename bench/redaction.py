"""What the redactor finds, what it harms, and how fast it is.

    python bench/redaction.py recall
    python bench/redaction.py code /path/to/bare.git ...
    python bench/redaction.py speed /path/to/bare.git refs/heads/entire/checkpoints/v1

`recall` makes secrets of every kind from a seed, puts each into the places where transcripts hold them, and
counts which are gone afterwards. No secret is real, and none stands in this file. `code` redacts the files of
the default branch of repositories and prints the share of bytes and lines that changed. `speed` redacts the
unique lines of the transcripts (`full.jsonl`) below a ref, as import does.
"""

import argparse
import base64
import json
import random
import string
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

from imprint.store.redaction.engine import make_redactor
from imprint.store.redaction.ports import Redactor

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits
WORD = ALNUM + "_-"

Maker = Callable[[random.Random], str]
"""Makes one secret."""


def run(alphabet: str, length: int, head: str = "", tail: str = "") -> Maker:
    return lambda rng: head + "".join(rng.choice(alphabet) for _ in range(length)) + tail


def jwt(rng: random.Random) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return ".".join((part({"alg": "HS256"}), part({"sub": run(ALNUM, 12)(rng)}), run(WORD, 43)(rng)))


def pem(rng: random.Random) -> str:
    kind = rng.choice(("RSA ", "EC ", "OPENSSH ", "", "ENCRYPTED "))
    body = "\n".join(run(ALNUM + "+/", 64)(rng) for _ in range(rng.randrange(3, 30)))
    return (
        f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n{run(ALNUM, 20)(rng)}==\n-----END {kind}PRIVATE KEY-----"
    )


def password(rng: random.Random) -> str:
    return run(string.ascii_lowercase, 5)(rng) + rng.choice("!$%*-_.") + run(ALNUM + "!#", 7)(rng) + "7"


BY_LOOKS: dict[str, Maker] = {
    "aws access key": run(string.ascii_uppercase + "234567", 16, "AK" + "IA"),
    "anthropic": run(WORD, 93, "sk-" + "ant-api03-", "AA"),
    "openai project": run(WORD, 74, "sk-" + "proj-"),
    "openai": run(ALNUM, 48, "sk" + "-"),
    "github personal": run(ALNUM, 36, "gh" + "p_"),
    "github fine grained": run(ALNUM + "_", 82, "github" + "_pat_"),
    "gitlab": run(WORD, 20, "gl" + "pat-"),
    "slack bot": lambda rng: (
        "xo" + f"xb-{run('123456789', 11)(rng)}-{run('123456789', 12)(rng)}-{run(ALNUM, 24)(rng)}"
    ),
    "stripe": run(ALNUM, 24, "sk" + "_live_"),
    "twilio": run(HEX, 32, "S" + "K"),
    "sendgrid": lambda rng: "S" + f"G.{run(WORD, 22)(rng)}.{run(WORD, 43)(rng)}",
    "npm": run(ALNUM, 36, "np" + "m_"),
    "pypi": run(WORD, 120, "py" + "pi-AgEIcHlwaS5vcmc"),
    "huggingface": run(string.ascii_letters, 34, "h" + "f_"),
    "google api": run(WORD, 35, "AI" + "za"),
    "google oauth": run(WORD, 60, "ya" + "29."),
    "azure client secret": lambda rng: run(ALNUM, 3)(rng) + "8" + "Q~" + run(ALNUM, 34)(rng),
    "digitalocean": run(HEX, 64, "dop" + "_v1_"),
    "databricks": run(HEX, 32, "da" + "pi"),
    "shopify": run(HEX, 32, "shp" + "at_"),
    "imprint": run(ALNUM, 40, "imp" + "rint_"),
    "jwt": jwt,
    "age": run("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58, "AGE-SECRET" + "-KEY-1"),
    "private key": pem,
}
"""Secrets that say themselves what they are."""

BY_PLACE: dict[str, tuple[Maker, tuple[str, ...]]] = {
    "password": (
        password,
        (
            "DB_PASSWORD={}",
            'export PGPASSWORD="{}"',
            'password: "{}"',
            "'password' => '{}'",
            '{{"user": "ada", "password": "{}"}}',
            "mysql --user=ada --password={} shop",
            "Server=db;User Id=ada;Password={};Encrypt=true",
            "client.login('ada', password='{}')",
        ),
    ),
    "secret": (
        run(ALNUM, 40),
        (
            "AWS_SECRET_ACCESS_KEY={}",
            'aws_secret_access_key = "{}"',
            'const API_KEY = "{}";',
            '{{"client_secret": "{}", "scope": "all"}}',
            "api_key: {}",
            "https://example.com/hook?access_token={}&page=2",
            "SECRET_KEY = '{}'",
            "AccountKey={};EndpointSuffix=core.example.net",
            "the API key is {} for now",
        ),
    ),
    "header": (
        run(ALNUM, 40),
        (
            "Authorization: Bearer {}",
            'curl -H "Authorization: token {}" https://api.example.com',
            '{{"headers": {{"authorization": "{}"}}}}',
            "X-Api-Key: {}",
            "Cookie: theme=dark; session_id={}; lang=en",
            "Set-Cookie: auth={}; Path=/; HttpOnly",
        ),
    ),
    "address": (
        run(ALNUM, 18),
        (
            "postgres://ada:{}@db.example.com:5432/shop",
            "git clone https://ada:{}@git.example.com/a/b.git",
            "mongodb+srv://ada:{}@cluster.example.net/?retryWrites=true",
            "redis://:{}@cache:6379/0",
            "curl -u ada:{} https://api.example.com",
        ),
    ),
}
"""Secrets that only their place tells."""

AFTERWARDS: tuple[tuple[Maker, tuple[str, ...]], ...] = (
    (
        password,
        (
            'os.environ.get("DB_PASSWORD", "{}")',
            "    password: {}",
            "<password>{}</password>",
            "sshpass -p {} ssh host",
            "mysql -uroot -p{} db",
            "CREATE USER ada IDENTIFIED BY '{}'",
            "machine git.example.com login ada password {}",
            "PGPASSWORD={} psql",
            "spring.datasource.password={}",
            "the password is {}",
            'password := "{}"',
            'let pw = "{}";',
            '"passphrase": "{}"',
            '{{"Username":"ada","Password":"{}"}}',
        ),
    ),
    (
        run(ALNUM, 32),
        (
            'apiKey: "{}"',
            '"clientSecret":"{}"',
            "accessToken={}",
            "//registry.example.com/:_authToken={}",
            '<add key="ApiKey" value="{}"/>',
            "deploy --token={}",
            "deploy --token {}",
            "https://x.blob.example.net/c?sv=2020&sig={}%3D",
            "Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey={}=",
            'SECRET="{}"',
            "GITLAB_TOKEN: {}",
            'headers["X-Auth-Token"] = "{}"',
            "export TOKEN={}",
            "token: {}",
            "DATABASE_URL=mysql://root:{}@127.0.0.1/x",
            "redis-cli -a {}",
            "npm config set _auth={}",
            "OPENAI_KEY={}",
            "STRIPE_KEY={}",
            "KEY={}",
            "MY_CREDENTIALS={}",
        ),
    ),
    (
        run(HEX, 64),
        ("ENCRYPTION_KEY={}", "JWT_SECRET={}", '"privateKey": "{}"', "wallet key 0x{}"),
    ),
)
"""Written after the rules. The rules were then mended by what they missed."""

UNSEEN: tuple[tuple[Maker, tuple[str, ...]], ...] = (
    (
        password,
        (
            "docker login -u ada -p {} registry.example.com",
            "ansible_become_pass: {}",
            "smtp_pass = {}",
            "kubectl create secret generic x --from-literal=password={}",
            "ssh-keygen -N {} -f key",
            "openssl enc -aes-256-cbc -k {}",
            "echo {} | sudo -S true",
            "ALTER ROLE ada WITH PASSWORD '{}'",
        ),
    ),
    (
        run(ALNUM, 36),
        (
            "Cookie: connect.sid=s%3A{}",
            'wget --header="X-Auth-Token: {}" https://example.com',
            "gh auth login --with-token <<< {}",
            'client = Client(api_key="{}")',
            'config.api_token = "{}"',
            "define('AUTH_KEY', '{}');",
            "consumer_secret: {}",
            'curl -H "PRIVATE-TOKEN: {}" https://git.example.com',
            '"refresh_token":"{}"',
            "ftp://ada:{}@files.example.com/",
            "amqps://ada:{}@queue.example.com/v",
            "secret_key_base: {}",
            '$env:API_TOKEN = "{}"',
            "set API_SECRET={}",
            "My new token: {}",
            "it logged Bearer {} there",
        ),
    ),
)
"""Written last. What it missed at first is in docs/redaction.md."""

PLACES: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "sentence": lambda text: f"Then I ran it with {text} and it worked.",
    "json": lambda text: json.dumps({"type": "user", "message": {"content": f"see\n{text}\nabove"}}),
    "json in json": lambda text: json.dumps({"out": json.dumps({"stdout": f"x\n{text}\n", "code": 0})}),
    "three deep": lambda text: json.dumps({"a": json.dumps({"b": json.dumps({"c": f"\t{text}\n"})})}),
    "numbered lines": lambda text: "\n".join(
        f"{n:6}\u2192{line}" for n, line in enumerate(text.split("\n"), 1)
    ),
    "diff": lambda text: "\n".join(f"+{line}" for line in text.split("\n")),
    "numbered in json": lambda text: json.dumps(
        {"content": "\n".join(f"{n:6}\u2192{line}" for n, line in enumerate(text.split("\n"), 1))}
    ),
}
"""Where a transcript holds what was typed, printed or read."""


def iter_others(
    seed: int, lists: tuple[tuple[Maker, tuple[str, ...]], ...], rounds: int = 5
) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """As `iter_cases`, of a list that was written when the rules were there."""
    rng = random.Random(seed)
    for make, templates in lists:
        for template in templates:
            for place in ("plain", "json", "three deep", "diff"):
                for _ in range(rounds):
                    secret = make(rng)
                    yield template, place, PLACES[place](template.format(secret)), (secret,)


def iter_cases(seed: int, rounds: int = 5) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Kind, place, text, and the parts of the secret that must be gone."""
    rng = random.Random(seed)
    for place, put in PLACES.items():
        for kind, make in BY_LOOKS.items():
            for _ in range(rounds):
                secret = make(rng)
                parts = tuple(line for line in secret.split("\n") if not line.startswith("-----"))
                yield kind, place, put(secret), parts
        for kind, (make, templates) in BY_PLACE.items():
            for template in templates:
                for _ in range(rounds):
                    secret = make(rng)
                    yield f"{kind}: {template[:28]}", place, put(template.format(secret)), (secret,)


def measure_recall(
    redactor: Redactor, title: str, cases: Iterator[tuple[str, str, str, tuple[str, ...]]]
) -> None:
    found: Counter[str] = Counter()
    total: Counter[str] = Counter()
    by_place: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for kind, place, text, parts in cases:
        after = redactor.redact(text).text
        is_gone = not any(json.dumps(part)[1:-1] in after or part in after for part in parts)
        total[kind] += 1
        places[place] += 1
        found[kind] += is_gone
        by_place[place] += is_gone
    print(f"{title}; {redactor.engine}; policy {redactor.policy_hash}")
    for kind in total:
        if found[kind] < total[kind]:
            print(f"  missed: {kind}: {found[kind]} of {total[kind]}")
    for place in places:
        print(f"{place:18} {by_place[place]:5} of {places[place]:5}")
    print(f"{'all':18} {found.total():5} of {total.total():5}  {found.total() / total.total():.4f}")


def git(folder: str, *arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(
        ["git", "-C", folder, *arguments], input=stdin, capture_output=True, check=True
    ).stdout


def read_blobs(folder: str, blobs: list[str]) -> Iterator[bytes]:
    """Contents, one after the other; what a public copy lacks is left out."""
    with subprocess.Popen(
        ["git", "-C", folder, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        for blob in blobs:
            process.stdin.write(f"{blob}\n".encode())
            process.stdin.flush()
            header = process.stdout.readline().split()
            if len(header) == 3:
                yield process.stdout.read(int(header[2]))
                process.stdout.read(1)
        process.stdin.close()


def list_blobs(folder: str, ref: str, name: str = "") -> list[str]:
    lines = git(folder, "ls-tree", "-r", ref).decode("utf-8", "replace").splitlines()
    return [
        line.split()[2] for line in lines if line.split()[1] == "blob" and line.split("\t")[1].endswith(name)
    ]


def measure_code(redactor: Redactor, folders: list[str], *, show: bool) -> None:
    for folder in folders:
        size = changed = lines = changed_lines = 0
        counts: Counter[str] = Counter()
        for raw in read_blobs(folder, list_blobs(folder, "HEAD")):
            if b"\0" in raw[:8000] or len(raw) > 2**21:
                continue
            text = raw.decode("utf-8", "replace")
            redacted = redactor.redact(text)
            counts.update(redacted.counts)
            size += len(text)
            before, after = text.split("\n"), redacted.text.split("\n")
            assert len(before) == len(after)
            lines += len(before)
            for old, new in zip(before, after, strict=True):
                if old != new:
                    changed_lines += 1
                    changed += max(0, len(old) - len(new.replace("[redacted:", "")))
                    if show:
                        print("-", old.strip()[:150], "\n+", new.strip()[:150])
        print(
            f"{folder}: {size / 1e6:.1f} MB, {lines} lines; changed {changed_lines} lines "
            f"({changed_lines / max(1, lines):.6f}), {changed / max(1, size):.6f} of bytes; {dict(counts)}"
        )


def measure_speed(redactor: Redactor, folder: str, ref: str, megabytes: float) -> None:
    seen: set[int] = set()
    raw_bytes = unique_bytes = 0
    seconds = 0.0
    counts: Counter[str] = Counter()
    for raw in read_blobs(folder, list_blobs(folder, ref, "full.jsonl")):
        raw_bytes += len(raw)
        fresh = [line for line in raw.decode("utf-8", "replace").split("\n") if hash(line) not in seen]
        seen.update(map(hash, fresh))
        text = "\n".join(fresh)
        unique_bytes += len(text)
        begun = time.process_time()
        redacted = redactor.redact(text)
        seconds += time.process_time() - begun
        counts.update(redacted.counts)
        assert redacted.text.count("\n") == text.count("\n")
        if unique_bytes > megabytes * 1e6:
            break
    print(
        f"{raw_bytes / 1e6:.0f} MB of transcripts, {unique_bytes / 1e6:.0f} MB in unique lines: "
        f"{seconds:.1f} s of processor time, {unique_bytes / 1e6 / seconds:.1f} MB/s; {dict(counts)}"
    )


class Peer:
    """Another library on the same texts, line by line as it works: what it names is taken out."""

    policy_hash = "-"

    def __init__(self) -> None:
        from detect_secrets.core.scan import scan_line
        from detect_secrets.settings import default_settings

        self.engine = "detect-secrets"
        self._scan, self._settings = scan_line, default_settings

    def redact(self, text: str):
        from imprint.store.redaction.ports import Redacted

        with self._settings():
            for line in text.split("\n"):
                for secret in self._scan(line):
                    if secret.secret_value:
                        text = text.replace(secret.secret_value, "[redacted]")
        return Redacted(text)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("recall", "code", "speed"))
    parser.add_argument("given", nargs="*", help="bare repositories; for speed, one and a ref")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--megabytes", type=float, default=1e6, help="unique lines to stop after")
    parser.add_argument("--show", action="store_true", help="print the lines that changed")
    parser.add_argument("--peer", action="store_true", help="measure detect-secrets, if installed, instead")
    asked = parser.parse_args()
    try:
        redactor = Peer() if asked.peer else make_redactor()
    except ModuleNotFoundError:
        sys.exit("detect-secrets is not installed")
    if asked.what == "recall":
        seed = asked.seed
        measure_recall(redactor, f"seed {seed}", iter_cases(seed))
        measure_recall(redactor, f"written afterwards, seed {seed}", iter_others(seed, AFTERWARDS))
        measure_recall(redactor, f"unseen, seed {seed}", iter_others(seed, UNSEEN))
    elif asked.what == "code":
        measure_code(redactor, asked.given, show=asked.show)
    else:
        measure_speed(redactor, asked.given[0], asked.given[1], asked.megabytes)


if __name__ == "__main__":
    main()
