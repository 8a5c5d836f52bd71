# SPDX-License-Identifier: Apache-2.0
"""Downloads files of a Hugging Face hub at one revision: by `rotor pull` where it exists, else by
urllib. Whatever fetched a file, it is hashed here."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import urllib.error
import urllib.request
from pathlib import Path

from program import Failed, Rotor

BLOCK = 1 << 20
TIMEOUT = 60  # seconds without a byte


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


class Hub:
    """The hub at `endpoint`; files go below `folder`."""

    def __init__(self, endpoint: str, folder: Path, rotor: Rotor) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.folder = folder
        self.rotor = rotor

    def revision(self, repo: str, pinned: str | None) -> str:
        """The pinned commit, or the one that `main` is now."""
        kind = "" if repo.startswith("datasets/") else "models/"
        path = f"/api/{kind}{repo}/revision/{pinned or 'main'}"
        try:
            with self._open(path) as answer:
                commit = json.load(answer).get("sha")
        except urllib.error.HTTPError as error:
            raise Failed(f"{self.endpoint}{path}: {error}") from error
        if not commit or (pinned and commit != pinned):
            raise Failed(f"{repo}: the hub says revision {commit}, expected {pinned or 'one'}")
        return commit

    def fetch(self, repo: str, commit: str, files: list[str]) -> Path:
        """The folder that holds these files of this commit."""
        if self.rotor.can_pull() and not repo.startswith("datasets/"):
            return self._pull(repo, commit, files)
        folder = self.folder / repo.replace("/", "--") / commit
        for name in files:
            self._download(f"/{repo}/resolve/{commit}/{name}", folder / name)
        return folder

    def _pull(self, repo: str, commit: str, files: list[str]) -> Path:
        cache = (self.folder / "cache").resolve()
        env = {"HF_ENDPOINT": self.endpoint, "HF_HUB_CACHE": str(cache)}
        folder = cache / f"models--{repo.replace('/', '--')}" / "snapshots" / commit
        if all((folder / name).exists() for name in files):
            return folder
        self.rotor.run("pull", f"{repo}@{commit}", "-q", env=env)
        for name in files:  # what rotor did not need
            if not (folder / name).exists():
                self._download(f"/{repo}/resolve/{commit}/{name}", folder / name)
        return folder

    def _download(self, path: str, target: Path) -> None:
        """Goes on where an earlier try stopped; the file has its name only when it is complete."""
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        have = part.stat().st_size if part.exists() else 0
        try:
            answer = self._open(path, {"Range": f"bytes={have}-"} if have else {})
        except urllib.error.HTTPError as error:
            if error.code != 416 or not have:  # 416: nothing is missing
                raise Failed(f"{self.endpoint}{path}: {error}") from error
            part.rename(target)
            return
        with answer:
            resumes = answer.status == 206
            size = int(answer.headers.get("Content-Length", -1))
            expected = size + have if resumes and size >= 0 else size
            with part.open("ab" if resumes else "wb") as file:
                try:
                    while block := answer.read(BLOCK):
                        file.write(block)
                except (OSError, http.client.HTTPException) as error:
                    raise Failed(f"{self.endpoint}{path}: {error}; run it again") from error
        got = part.stat().st_size
        if expected >= 0 and got != expected:
            raise Failed(f"{self.endpoint}{path}: {got} of {expected} bytes came; run it again")
        part.rename(target)

    def _open(self, path: str, headers: dict[str, str] | None = None) -> object:
        request = urllib.request.Request(self.endpoint + path, headers=headers or {})
        if "HF_TOKEN" in os.environ:
            request.add_unredirected_header("Authorization", f"Bearer {os.environ['HF_TOKEN']}")
        try:
            return urllib.request.urlopen(request, timeout=TIMEOUT)
        except urllib.error.HTTPError:
            raise
        except OSError as error:
            raise Failed(f"{self.endpoint}{path}: {error}") from error
