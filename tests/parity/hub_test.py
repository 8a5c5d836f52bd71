# SPDX-License-Identifier: Apache-2.0
"""rotor pull, ls, rm and names in place of a path, against a hub on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hub_server
from engine import ROOT, Engine, Outcome
from hub_server import Hub, cut, git_name, shorter, slow, status, wrong
from tiny_models import RECIPES, Recipe

REPO = "org/tiny.model"
STORIES = ROOT / "models" / "stories.rotor"
UNSET = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class User:
    """Somebody with a cache, a hub and the program."""

    def __init__(self, engine: Engine, hub: Hub, home: Path) -> None:
        self.engine, self.hub, self.home = engine, hub, home
        self.environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("HF_", "ROTOR_")) and key.lower() not in UNSET
        }
        self.environment |= {"HF_HOME": str(home), "HF_ENDPOINT": hub.address}
        self.cache = home / "hub"

    def start(self, *arguments: object, **environment: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(self.engine.program), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment | environment,
        )

    def rotor(self, *arguments: object, **environment: str) -> Outcome:
        process = self.start(*arguments, **environment)
        stdout, stderr = (text.decode() for text in process.communicate(timeout=120))
        assert process.returncode >= 0, f"{arguments}: {stderr}"
        return Outcome(process.returncode, stdout, stderr)

    def check(self, *arguments: object, **environment: str) -> Outcome:
        outcome = self.rotor(*arguments, **environment)
        assert outcome.status == 0, outcome
        return outcome

    def fails(self, code: int, *words: str, name: str = REPO, **environment: str) -> Outcome:
        outcome = self.rotor("pull", name, **environment)
        assert outcome.status == code, outcome
        assert outcome.stdout == "" and outcome.stderr.startswith("rotor: "), outcome
        for word in words:
            assert word in outcome.stderr, outcome
        return outcome

    def blob(self, content: bytes) -> Path:
        name = hashlib.sha256(content).hexdigest()
        return self.cache / f"models--{REPO.replace('/', '--')}" / "blobs" / name


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as started:
        yield started


@pytest.fixture
def user(engine: Engine, hub: Hub, tmp_path: Path) -> User:
    return User(engine, hub, tmp_path / "home")


@pytest.fixture
def files(model_dir: Callable[[Recipe], Path]) -> dict[str, bytes]:
    """A Hugging Face folder as a repository holds it, with what rotor must leave alone."""
    folder = model_dir(RECIPES["packed-multiply"])
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {"README.md": b"# tiny", "pytorch_model.bin": b"\x80\x02 pickle", **found}


@pytest.fixture
def weights(hub: Hub) -> bytes:
    """A repository of one file that is only ever downloaded: 3 MB that compress to nothing."""
    content = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(93_750))
    hub.add(REPO, {"m.gguf": content})
    return content


def test_a_folder_is_pulled_once(user: User, hub: Hub, files: dict[str, bytes]) -> None:
    commit = hub.add(REPO, files).commit
    outcome = user.check("pull", REPO)
    folder = Path(outcome.stdout.strip())
    assert folder == user.cache / "models--org--tiny.model" / "snapshots" / commit
    assert (user.cache / "models--org--tiny.model" / "refs" / "main").read_text() == commit
    assert not (folder / "pytorch_model.bin").exists() and not (folder / "README.md").exists()
    for path in folder.iterdir():
        assert path.is_symlink() and str(path.readlink()).startswith("../../blobs/")
        assert path.read_bytes() == files[path.name]
    assert user.blob(files["model.safetensors"]).is_file()
    before = len(hub.requests)
    assert user.check("pull", REPO).stdout == outcome.stdout
    assert [r.path for r in hub.requests[before:]] == [f"/api/models/{REPO}/revision/main"]


def test_nothing_is_sent_but_what_was_asked_for(
    user: User, hub: Hub, files: dict[str, bytes]
) -> None:
    commit = hub.add(REPO, files).commit
    user.check("pull", REPO, HF_TOKEN="hf_secret")
    wanted = set(files) - {"README.md", "pytorch_model.bin"}
    expected = {("GET", f"/api/models/{REPO}/revision/main")}
    expected |= {(how, f"/{REPO}/resolve/{commit}/{f}") for how in ("HEAD", "GET") for f in wanted}
    assert {(r.method, r.path) for r in hub.asked("hub")} == expected
    assert len(hub.asked("hub")) == len(expected)
    allowed = {"Host", "User-Agent", "Accept", "Accept-Encoding", "Authorization"}
    for request in hub.requests:
        assert set(request.headers) <= allowed, request
        assert request.headers["User-Agent"].startswith("rotor/")
        assert ("Authorization" in request.headers) == (request.host == "hub"), request
    assert hub.asked("hub")[0].headers["Authorization"] == "Bearer hf_secret"


def test_the_token_is_left_at_home_when_told_so(user: User, hub: Hub, weights: bytes) -> None:
    user.check("pull", REPO, HF_TOKEN="hf_secret", HF_HUB_DISABLE_IMPLICIT_TOKEN="1")
    assert not any("Authorization" in r.headers for r in hub.requests)


def test_a_name_stands_for_its_path(user: User, hub: Hub, files: dict[str, bytes]) -> None:
    hub.add(REPO, files)
    run = ("-p", "Hello", "-n", "8", "--temp", "0", "-q")
    first = user.check("run", REPO, *run)
    folder = user.check("pull", REPO, "-q").stdout.strip()
    assert user.check("run", folder, *run).stdout == first.stdout
    asked = len(hub.requests)
    assert user.check("run", f"hf://{REPO}", *run).stdout == first.stdout
    assert user.check("run", f"https://huggingface.co/{REPO}", *run).stdout == first.stdout
    assert user.check("run", REPO, *run, HF_ENDPOINT="http://127.0.0.1:1").stdout == first.stdout
    assert user.check("run", REPO, *run, HF_HUB_OFFLINE="1").stdout == first.stdout
    assert len(hub.requests) == asked, "what is in the cache is not asked for"
    for command in ("inspect", "verify"):
        report = json.loads(user.check(command, REPO, "--json").stdout)
        assert report["model"] == folder


def test_every_command_takes_a_name(
    user: User, hub: Hub, files: dict[str, bytes], tmp_path: Path
) -> None:
    hub.add("microsoft/bitnet-b1.58-2B-4T", files)
    name = "bitnet-2b-4t"
    user.check("convert", name, tmp_path / "m.rotor", "-q")
    user.check("logits", name, "--tokens", "1,2", "--out", tmp_path / "l.npy")
    user.check("bench", name, "-p", "4", "-n", "2", "-r", "1")
    user.check("tokenize", name, "--json")
    assert (tmp_path / "m.rotor").stat().st_size > 0


def test_a_path_that_exists_wins(user: User, hub: Hub, weights: bytes, tmp_path: Path) -> None:
    (tmp_path / "org").mkdir()
    shutil.copy(STORIES, tmp_path / REPO)
    run = ["run", REPO, "-p", "Once", "-n", "1", "-q"]
    program = [str(user.engine.program)]
    subprocess.run([*program, *run], cwd=tmp_path, env=user.environment, check=True)
    (tmp_path / REPO).unlink()  # the folder is left: still a path, now of nothing
    done = subprocess.run([*program, *run], cwd=tmp_path, env=user.environment, check=False)
    assert done.returncode == 3
    assert user.rotor("inspect", "models/none.gguf").status == 3
    assert hub.requests == []


def test_one_file_of_a_repository(user: User, hub: Hub) -> None:
    stories = STORIES.read_bytes()
    ggufs = {"a-F16.gguf": b"f16", "a-Q2_0.gguf": b"q2", "a-PQ2_0.gguf": b"pq2"}
    hub.add(REPO, {"config.json": b"{}", **ggufs})
    assert user.check("pull", REPO).stdout.endswith("/a-Q2_0.gguf\n")
    assert user.check("pull", f"{REPO}:pq2_0").stdout.endswith("/a-PQ2_0.gguf\n")
    assert user.check("pull", f"{REPO}:config.json").stdout.endswith("/config.json\n")
    user.fails(3, "a-F16.gguf", name=f"{REPO}:Q8_0")
    hub.add("org/several", {"x-Q8_0.gguf": b"1", "x-Q4_0.gguf": b"2"})
    user.fails(2, ":x-Q8_0.gguf", ":x-Q4_0.gguf", name="org/several")
    hub.add("org/stories", {"sub/stories.rotor": stories})
    assert user.check("run", "org/stories", "-p", "Once", "-n", "4", "--temp", "0").stdout.strip()
    user.fails(3, "pickle", name=f"{REPO}:pytorch_model.bin")


def test_revisions(user: User, hub: Hub) -> None:
    old = hub.add(REPO, {"m.gguf": b"old"}, revisions=("main", "v1", "refs/pr/1"))
    new = hub.add(REPO, {"m.gguf": b"new"})
    for name, commit in (("", new), ("@v1", old), ("@refs/pr/1", old), (f"@{old.commit}", old)):
        path = Path(user.check("pull", REPO + name).stdout.strip())
        assert path.parent.name == commit.commit and path.read_bytes() == commit.files["m.gguf"]
    user.fails(3, "no such revision", name=f"{REPO}@v9")


def test_result_as_json(user: User, hub: Hub, weights: bytes) -> None:
    result = json.loads(user.check("pull", REPO, "--json").stdout)
    assert result["repo"] == REPO and result["revision"] == "main"
    assert result["commit"] == hub.find(REPO, "main").commit
    assert result["files"] == [{"name": "m.gguf", "bytes": len(weights), "downloaded": True}]
    assert result["bytes"] == result["downloaded_bytes"] == len(weights)
    assert Path(result["path"]).read_bytes() == weights
    again = json.loads(user.check("pull", REPO, "--json").stdout)
    assert again["downloaded_bytes"] == 0 and again["bytes"] == len(weights)


def test_broken_connections_are_gone_on_after(user: User, hub: Hub, weights: bytes) -> None:
    hub.mishaps = [cut(1_000_000), status(503), cut(0), cut(1_500_000)]
    user.check("pull", REPO)
    ranges = [r.headers.get("Range") for r in hub.asked("content")]
    assert ranges == [None, *["bytes=1000000-"] * 3, "bytes=2500000-"]
    assert user.blob(weights).read_bytes() == weights


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "whole"])
def test_a_killed_download_is_gone_on_with(
    user: User, hub: Hub, weights: bytes, ranges: bool
) -> None:
    hub.mishaps = [slow(60)]
    hub.ranges = ranges
    process = user.start("pull", REPO)
    part = user.blob(weights).with_suffix(".incomplete")
    wait_for(lambda: part.exists() and part.stat().st_size == len(weights) // 2)
    process.kill()
    process.communicate()
    user.check("pull", REPO)
    assert hub.asked("content")[-1].headers["Range"] == f"bytes={len(weights) // 2}-"
    assert user.blob(weights).read_bytes() == weights and not part.exists()


def test_an_interruption_ends_with_130(user: User, hub: Hub, weights: bytes) -> None:
    hub.mishaps = [slow(60)]
    process = user.start("pull", REPO)
    part = user.blob(weights).with_suffix(".incomplete")
    wait_for(lambda: part.exists() and part.stat().st_size == len(weights) // 2)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130 and b"interrupted; 1500000 bytes are kept" in stderr, stderr
    assert time.monotonic() - start < 20
    assert part.stat().st_size == len(weights) // 2


def test_wrong_content_is_refused(user: User, hub: Hub, weights: bytes) -> None:
    hub.mishaps = [wrong, wrong]
    user.fails(6, "SHA-256", hashlib.sha256(weights).hexdigest())
    assert not list(user.cache.rglob("*.gguf")) and not list(user.cache.rglob("*.incomplete"))
    user.check("pull", REPO)


def test_a_shorter_file_is_never_the_whole(user: User, hub: Hub, weights: bytes) -> None:
    hub.mishaps = [shorter]
    user.check("pull", REPO)  # the rest is asked for
    assert user.blob(weights).read_bytes() == weights


def test_wrong_small_files_are_found_by_their_git_name(user: User, hub: Hub) -> None:
    hub.add(REPO, {"m.gguf": b"m", "config.json": b"{}"})

    def other(handler: hub_server.Handler, _: bytes) -> bool:
        if handler.command == "GET" and handler.path.endswith("config.json"):
            handler.send_file(b"[]")
            return True
        return False

    hub.hub_mishaps = [other] * 5
    user.fails(6, git_name(b"{}"), name=f"{REPO}:config.json")


def test_a_hub_that_is_busy_is_waited_for(user: User, hub: Hub, weights: bytes) -> None:
    hub.hub_mishaps = [status(429, {"Retry-After": "2"}), status(500), status(502)]
    start = time.monotonic()
    outcome = user.check("pull", REPO)
    assert time.monotonic() - start > 2
    assert outcome.stderr.count("trying again") == 3
    hub.hub_mishaps = [status(429, {"Retry-After": "9999"})]
    user.fails(5, "429", "9999 s")


def test_refusals(user: User, hub: Hub, weights: bytes) -> None:
    user.fails(3, "no such repository", name="org/none")
    hub.add("org/gated", {"m.gguf": b"m"}, gated=True)
    user.fails(5, "gated", "HF_TOKEN", name="org/gated")
    user.check("pull", "org/gated", HF_TOKEN="hf_ok")
    hub.add("org/evil", {"../../../../evil.gguf": b"m"})
    user.fails(3, "outside its folder", name="org/evil")
    hub.add("org/pickles", {"config.json": b"{}", "pytorch_model.bin": b"p"})
    user.fails(3, "pickles", name="org/pickles")
    for name in ("org", "org/name/x", "https://example.com/a/b", "a/b:../../c"):
        assert user.rotor("pull", name).status in (2, 3)
    assert user.rotor("pull").status == 2
    user.fails(2, "HF_TOKEN", HF_TOKEN="two words")


def test_without_a_network(user: User, hub: Hub, weights: bytes) -> None:
    user.fails(5, "127.0.0.1:1", "not in the cache", HF_ENDPOINT="http://127.0.0.1:1")
    user.fails(5, "HF_HUB_OFFLINE", HF_HUB_OFFLINE="1")
    assert hub.requests == []
    user.check("pull", REPO)
    assert user.check("pull", REPO, HF_HUB_OFFLINE="1").stdout.endswith("/m.gguf\n")
    outcome = user.rotor("run", f"{REPO}@v2", "-p", "x", HF_HUB_OFFLINE="1")
    assert outcome.status == 5 and hub.find(REPO, "main").commit in outcome.stderr


def test_a_silent_server_is_given_up(user: User, hub: Hub, weights: bytes) -> None:
    hub.mishaps = [slow(30)]
    start = time.monotonic()
    user.check("pull", REPO, HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert time.monotonic() - start < 25


def test_a_proxy_is_followed(user: User, hub: Hub, files: dict[str, bytes]) -> None:
    small = {name: data for name, data in files.items() if not name.endswith(hub_server.LARGE)}
    hub.add(REPO, small)
    name = f"{REPO}:config.json"
    user.check("pull", name, HF_ENDPOINT="http://hub.invalid", http_proxy=hub.address)
    assert {r.headers["Host"] for r in hub.requests} == {"hub.invalid"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and what it signed for 127.0.0.1, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=hub", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", folder / "key", "-out", folder / "cert"]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "both").write_text((folder / "key").read_text() + (folder / "cert").read_text())
    return folder / "both"


def test_tls_is_checked(engine: Engine, certificate: Path, tmp_path: Path) -> None:
    with Hub(certificate=certificate) as hub:
        hub.add(REPO, {"m.gguf": b"m"})
        user = User(engine, hub, tmp_path)
        user.fails(5, "certificate")
        assert hub.requests == []
        user.check("pull", REPO, SSL_CERT_FILE=str(certificate))


def test_tls_is_never_left(engine: Engine, certificate: Path, tmp_path: Path) -> None:
    with Hub(certificate=certificate, plain_content=True) as hub:
        hub.add(REPO, {"m.gguf": b"m"})
        user = User(engine, hub, tmp_path)
        user.fails(5, "without TLS", SSL_CERT_FILE=str(certificate))
        assert hub.asked("content") == []


def test_two_at_once_download_once(user: User, hub: Hub, weights: bytes) -> None:
    hub.mishaps = [slow(6)]
    both = [user.start("pull", REPO) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0][0] == said[1][0]
    assert sum(b"waiting for another process" in stderr for _, stderr in said) == 1
    assert len(hub.asked("content")) == 1


def test_a_full_disk_keeps_what_came(user: User, hub: Hub, weights: bytes) -> None:
    small = (1_000_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    done = subprocess.run(
        [str(user.engine.program), "pull", REPO],
        env=user.environment,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, small),
        check=False,
    )
    assert done.returncode == 1 and "is kept" in done.stderr, done
    user.check("pull", REPO)
    assert hub.asked("content")[-1].headers["Range"] == "bytes=1000000-"


def test_without_links_the_file_itself_is_shown(user: User, hub: Hub, weights: bytes) -> None:
    path = Path(user.check("pull", REPO, HF_HUB_DISABLE_SYMLINKS="1").stdout.strip())
    assert not path.is_symlink() and path.read_bytes() == weights
    assert not user.blob(weights).exists()
    assert user.check("pull", REPO).stdout.strip() == str(path)
    assert len(hub.asked("content")) == 1


@contextlib.contextmanager
def somebody_without_rights() -> Iterator[dict[str, object]]:
    """Options of subprocess for a process that may not write; root becomes nobody."""
    yield {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}


def test_a_cache_that_cannot_be_written(engine: Engine, hub: Hub, weights: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, somebody_without_rights() as options:
        home = Path(folder)
        user = User(engine, hub, home / "home")
        path = user.check("pull", REPO).stdout
        program = shutil.copy(engine.program, home / "rotor")
        for place in (home, *home.rglob("*")):
            if place.is_dir() and not place.is_symlink():
                place.chmod(0o555)
        try:
            command = {"env": user.environment, "capture_output": True, "text": True, **options}
            again = subprocess.run([program, "pull", REPO], check=False, **command)
            assert (again.returncode, again.stdout) == (0, path), again
            hub.add(REPO, {"m.gguf": b"newer"})
            newer = subprocess.run([program, "pull", REPO], check=False, **command)
            assert newer.returncode == 1 and "HF_HUB_CACHE" in newer.stderr, newer
        finally:
            for place in (home, *home.rglob("*")):
                if place.is_dir() and not place.is_symlink():
                    place.chmod(0o755)


def test_progress_is_shown_on_a_terminal_only(user: User, hub: Hub, weights: bytes) -> None:
    plain = user.check("pull", REPO).stderr
    assert plain.count("\n") == 1 and "downloading org/tiny.model" in plain and "\r" not in plain
    assert user.check("pull", REPO, "-q").stderr == ""
    shutil.rmtree(user.cache)
    mine, theirs = pty.openpty()
    command = [str(user.engine.program), "pull", REPO]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=user.environment)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal says that its other end is closed
        while data := os.read(mine, 4096):
            shown += data
    process.communicate()
    os.close(mine)
    assert process.returncode == 0
    assert b"m.gguf" in shown and b"of  3.00 MB" in shown and shown.endswith(b"\r\x1b[K")


def test_ls_and_rm(user: User, hub: Hub, files: dict[str, bytes]) -> None:
    assert json.loads(user.check("ls", "--json").stdout) == []
    assert "no model" in user.check("ls").stderr
    config = json.loads(files["config.json"])
    newer = {**files, "config.json": json.dumps({**config, "note": 1}).encode()}
    hub.add(REPO, files, revisions=("main", "v1"))
    hub.add(REPO, newer)
    hub.add("org/stories", {"stories.rotor": STORIES.read_bytes(), "bad.gguf": b"GGUF no"})
    for name in (REPO, f"{REPO}@v1", "org/stories", "org/stories:bad.gguf"):
        user.check("pull", name)
    rows = json.loads(user.check("ls", "--json").stdout)
    names = [REPO, f"{REPO}@v1", "org/stories:stories.rotor"]
    assert sorted(row["name"] for row in rows) == sorted(names)
    for row in rows:
        user.check("inspect", row["name"], "--json", HF_HUB_OFFLINE="1")
        assert row["container"] and row["architecture"] and row["bytes"] > 0
    every = json.loads(user.check("ls", "--all", "--json").stdout)
    assert [row["name"] for row in every if row.get("error")] == ["org/stories:bad.gguf"]
    assert REPO in user.check("ls").stdout and "1 more" in user.check("ls").stderr

    assert user.rotor("rm", f"{REPO}@v1").status == 2, "a script has to say --yes"
    gone = json.loads(user.check("rm", f"{REPO}@v1", "--yes", "--json").stdout)
    assert gone["freed_bytes"] == len(files["config.json"]), "the weights are shown by main too"
    user.check("verify", REPO, HF_HUB_OFFLINE="1")
    user.check("rm", "org/stories:bad.gguf", "--yes")
    user.check("verify", "org/stories", HF_HUB_OFFLINE="1")
    user.check("rm", REPO, "--yes")
    assert user.rotor("rm", REPO, "--yes").status == 3
    assert [row["name"] for row in json.loads(user.check("ls", "--json").stdout)] == ["org/stories"]
    assert not user.blob(files["model.safetensors"]).exists()


def test_aliases(user: User) -> None:
    aliases = json.loads(user.check("pull", "--list", "--json").stdout)
    assert len(aliases) > 10
    for alias in aliases:
        assert alias["alias"] in user.check("pull", "--list").stdout
        outcome = user.rotor("pull", alias["alias"], HF_HUB_OFFLINE="1")
        assert outcome.status == 5 and alias["name"] in outcome.stderr, outcome


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)
