# SPDX-License-Identifier: Apache-2.0
"""A hub on this machine: serves folders as repositories of one revision, in the hub's addresses."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BLOCK = 1 << 20


class LocalHub(http.server.ThreadingHTTPServer):
    """repos: folder by name ("org/model", "datasets/org/set"); commits: their revisions.

    cut: requests for files that get half of the bytes, counted down, of names that end in cut_ending.
    requests: the paths asked.
    """

    daemon_threads = True

    def __init__(self, repos: dict[str, Path], commits: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos, self.commits = repos, commits
        self.cut = 0
        self.cut_ending = ""
        self.requests: list[str] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: LocalHub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        info = re.fullmatch(r"/api/(?:models/)?(.+)/revision/([^/?]+)(?:\?.*)?", self.path)
        file = re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", self.path)
        if info and self._known(*info.groups()):
            folder = self.server.repos[info[1]]
            names = [{"rfilename": path.name} for path in sorted(folder.iterdir())]
            answer = {"sha": self.server.commits[info[1]], "siblings": names}
            self._send(200, json.dumps(answer).encode())
        elif file and self._known(file[1], file[2]) and (
            path := self.server.repos[file[1]] / file[3]
        ).is_file():
            self._send_file(path, self.server.commits[file[1]])
        else:
            self._send(404, b"not found")

    def _known(self, repo: str, revision: str) -> bool:
        return revision in ("main", self.server.commits.get(repo))

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _tags(self, path: Path, commit: str) -> dict[str, str]:
        """The headers that name the content: git's hash of small files, SHA-256 of large ones."""
        content = path.read_bytes()
        if path.suffix == ".json":
            tag = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            return {"X-Repo-Commit": commit, "ETag": f'"{tag}"'}
        tag = hashlib.sha256(content).hexdigest()
        linked = {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(content))}
        return {"X-Repo-Commit": commit, "ETag": f'"{tag}"', **linked}

    def _send_file(self, path: Path, commit: str) -> None:
        size = path.stat().st_size
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(wanted[1]) if wanted else 0
        if begin >= size > 0:
            self._send(416, b"")
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(size - begin))
        if wanted:
            self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        for name, value in self._tags(path, commit).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        left = size - begin
        if self.server.cut > 0 and path.name.endswith(self.server.cut_ending):
            self.server.cut -= 1
            left //= 2
            self.close_connection = True
        with path.open("rb") as file:
            file.seek(begin)
            while left > 0:
                block = file.read(min(BLOCK, left))
                self.wfile.write(block)
                left -= len(block)


@contextmanager
def serving(repos: dict[str, Path], commits: dict[str, str]) -> Iterator[LocalHub]:
    """The hub, while the block runs."""
    with LocalHub(repos, commits) as hub:
        thread = threading.Thread(target=hub.serve_forever, daemon=True)
        thread.start()
        yield hub
        hub.shutdown()
        thread.join()
