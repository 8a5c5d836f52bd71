# SPDX-License-Identifier: Apache-2.0
"""A Hugging Face hub on this machine: its questions, its redirects to another host, its mishaps.

The hub and its content server listen on ports of their own, so that they are different hosts to a
client. Every request is recorded. Small files are answered by the hub with git's name of their
content as the entity tag, large ones with a redirect whose X-Linked-Etag is their SHA-256.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import re
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

PIECE = 1 << 20
NAME = r"(?:datasets/)?[^/]+/[^/]+"  # of a repository
LARGE = (".safetensors", ".gguf", ".rotor", ".bin", ".zip")


@functools.lru_cache(maxsize=256)
def git_name(content: bytes) -> str:
    """What `git hash-object` prints."""
    digest = hashlib.sha1(b"blob %d\0" % len(content))
    digest.update(content)
    return digest.hexdigest()


@functools.lru_cache(maxsize=256)
def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Repository:
    """One commit of a model. A large file may as well be an mmap."""

    files: dict[str, bytes]
    commit: str = ""
    revisions: tuple[str, ...] = ("main",)
    gated: bool = False

    def __post_init__(self) -> None:
        if not self.commit:
            names = repr(sorted((name, git_name(data)) for name, data in self.files.items()))
            self.commit = hashlib.sha1(names.encode()).hexdigest()


@dataclass(frozen=True)
class Request:
    """What a client asked. host: "hub" or "content"."""

    host: str
    method: str
    path: str
    headers: dict[str, str]


# What a server does in place of an answer; False: nothing, the answer follows.
Mishap = Callable[["Handler", bytes], bool]


@dataclass
class Hub:
    """Both servers. Use as a context manager."""

    repositories: dict[str, list[Repository]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    mishaps: list[Mishap] = field(default_factory=list)  # of content, each for one GET
    hub_mishaps: list[Mishap] = field(default_factory=list)  # of the hub, each for one request
    ranges: bool = True
    certificate: Path | None = None  # of both servers, with its key; None: without TLS
    plain_content: bool = False  # the content server has no TLS, whatever the hub has

    def __enter__(self) -> Hub:
        self.servers = [self._serve("hub"), self._serve("content")]
        self.address, self.content_address = (
            f"{'https' if self._has_tls(host) else 'http'}://127.0.0.1:{server.server_address[1]}"
            for host, server in zip(("hub", "content"), self.servers, strict=True)
        )
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def _has_tls(self, host: str) -> bool:
        return self.certificate is not None and not (host == "content" and self.plain_content)

    def _serve(self, host: str) -> http.server.ThreadingHTTPServer:
        handler = type("BoundHandler", (Handler,), {"hub": self, "host": host})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        if self._has_tls(host):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def add(self, repo: str, files: dict[str, bytes], **options: object) -> Repository:
        """Adds a commit; its revisions no longer mean earlier ones."""
        added = Repository(files, **options)
        for other in self.repositories.setdefault(repo, []):
            other.revisions = tuple(set(other.revisions) - set(added.revisions))
        self.repositories[repo].append(added)
        return added

    def add_folder(self, repo: str, folder: Path, **options: object) -> Repository:
        """Adds the files of a folder as a commit; "datasets/org/name" is a dataset."""
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        return self.add(repo, files, **options)

    def find(self, repo: str, revision: str) -> Repository | None:
        """The commit that a revision means."""
        for candidate in self.repositories.get(repo, []):
            if revision == candidate.commit or revision in candidate.revisions:
                return candidate
        return None

    def content(self, sha256: str) -> bytes:
        """A large file by its name."""
        for commits in self.repositories.values():
            for commit in commits:
                for data in commit.files.values():
                    if sha256_of(data) == sha256:
                        return data
        raise KeyError(sha256)

    def asked(self, host: str, method: str = "") -> list[Request]:
        return [r for r in self.requests if r.host == host and method in ("", r.method)]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers for both hosts; `hub` and `host` are set by Hub."""

    protocol_version = "HTTP/1.1"
    hub: Hub
    host: str

    def log_message(self, *_: object) -> None:
        """Tests look at Hub.requests."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path  # a proxy is asked with a whole address
        self.hub.requests.append(Request(self.host, self.command, path, dict(self.headers)))
        if self.host == "content":
            data = self.hub.content(path.removeprefix("/"))
            if self.hub.mishaps and self.hub.mishaps.pop(0)(self, data):
                return
            self.send_file(data)
            return
        if self.hub.hub_mishaps and self.hub.hub_mishaps.pop(0)(self, b""):
            return
        for pattern, answer in (
            (r"/api/(?:models/|(?=datasets/))(NAME)/revision/([^/]+)", self._revision),
            (r"/api/models/(NAME)/tree/([^/]+)", self._tree),
            (r"/(NAME)/resolve/([^/]+)/(.+)", self._resolve),
        ):
            if match := re.fullmatch(pattern.replace("NAME", NAME), path):
                self._in_repository(answer, *map(unquote, match.groups()))
                return
        self.refuse(404, "")

    def _in_repository(
        self, answer: Callable[..., None], repo: str, revision: str, *rest: str
    ) -> None:
        if repo not in self.hub.repositories:
            self.refuse(401, "RepoNotFound")
        elif (found := self.hub.find(repo, revision)) is None:
            self.refuse(404, "RevisionNotFound")
        elif found.gated and "Authorization" not in self.headers:
            self.refuse(401, "GatedRepo")
        else:
            answer(repo, found, *rest)

    def _revision(self, repo: str, found: Repository) -> None:
        siblings = [{"rfilename": name} for name in found.files]
        self._json({"id": repo, "modelId": repo, "sha": found.commit, "siblings": siblings})

    def _tree(self, repo: str, found: Repository) -> None:
        entries = []
        for name, data in found.files.items():
            entry = {"type": "file", "path": name, "size": len(data), "oid": git_name(data)}
            if name.endswith(LARGE):
                sha256 = sha256_of(data)
                entry["lfs"] = {"oid": sha256, "size": len(data), "pointerSize": 130}
            entries.append(entry)
        self._json(entries)

    def _resolve(self, repo: str, found: Repository, name: str) -> None:
        if name not in found.files:
            self.refuse(404, "EntryNotFound")
            return
        data = found.files[name]
        if not name.endswith(LARGE):
            etag = f'"{git_name(data)}"'
            self.send_file(data, {"ETag": etag, "X-Repo-Commit": found.commit})
            return
        sha256 = sha256_of(data)
        self.send_head(
            302,
            {
                "Location": f"{self.hub.content_address}/{sha256}?signature=1",
                "X-Repo-Commit": found.commit,
                "X-Linked-Etag": f'"{sha256}"',
                "X-Linked-Size": str(len(data)),
                "Content-Length": "0",
            },
        )

    def _json(self, value: object) -> None:
        self.send_file(json.dumps(value).encode(), {"Content-Type": "application/json"})

    def refuse(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        extra = {"X-Error-Code": code} if code else {}
        self.send_head(status, {"Content-Length": "0", **extra, **(headers or {})})

    def send_head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send_file(self, data: bytes, headers: dict[str, str] | None = None) -> None:
        """The whole file, or what Range asks for."""
        headers = dict(headers or {})
        start = 0
        if (wanted := self.headers.get("Range")) and self.hub.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(data):
                self.refuse(416, "")
                return
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        headers["Content-Length"] = str(len(data) - start)
        self.send_head(206 if start else 200, headers)
        if self.command == "GET":
            self._send_from(memoryview(data)[start:])

    def _send_from(self, view: memoryview) -> None:
        """In pieces: a file of gigabytes is not copied."""
        try:
            for begin in range(0, len(view), PIECE):
                self.wfile.write(view[begin : begin + PIECE])
        except OSError:  # the client has gone
            self.close_connection = True


def status(code: int, headers: dict[str, str] | None = None) -> Mishap:
    """Refuses once."""

    def mishap(handler: Handler, _: bytes) -> bool:
        handler.refuse(code, "", headers)
        return True

    return mishap


def cut(count: int) -> Mishap:
    """Closes the connection after so many bytes of what was asked for."""

    def mishap(handler: Handler, data: bytes) -> bool:
        wanted = handler.headers.get("Range", "bytes=0-")
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
        headers = {"Content-Length": str(len(data) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        handler.send_head(206 if start else 200, headers)
        handler.wfile.write(data[start : start + count])
        handler.close_connection = True
        return True

    return mishap


def only(content: bytes, mishap: Mishap) -> Mishap:
    """Waits until that content is asked for."""

    def when(handler: Handler, data: bytes) -> bool:
        if data == content:
            return mishap(handler, data)
        handler.hub.mishaps.insert(0, when)
        return False

    return when


def wrong(handler: Handler, data: bytes) -> bool:
    """Sends as many other bytes."""
    handler.send_file(bytes(len(data)))
    return True


def shorter(handler: Handler, data: bytes) -> bool:
    """Sends a shorter file as if that were all of it."""
    handler.send_file(data[: len(data) // 2])
    return True


def slow(seconds: float) -> Mishap:
    """Sends the first half, then waits before the rest."""

    def mishap(handler: Handler, data: bytes) -> bool:
        handler.send_head(200, {"Content-Length": str(len(data))})
        try:
            handler.wfile.write(data[: len(data) // 2])
            handler.wfile.flush()
            time.sleep(seconds)
            handler.wfile.write(data[len(data) // 2 :])
        except OSError:  # the client has gone
            handler.close_connection = True
        return True

    return mishap
