# SPDX-License-Identifier: Apache-2.0
"""The publishers' git repositories: fetching a commit, and reading its files.

git checks every object it fetches against the commit's id.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path


class SourceError(Exception):
    """A publisher's file cannot be had; the message says which and why."""


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """What a git command prints in `folder`.

    Raises:
        SourceError: git or the folder is missing, or git reports a failure.
    """
    command = ["git", "-C", str(folder), *arguments]
    try:
        run = subprocess.run(command, input=stdin, capture_output=True, check=True)
    except OSError as error:
        raise SourceError(f"git cannot be run: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode("utf-8", "replace").splitlines()
        fatal = next((line for line in lines if line.startswith("fatal: ")), f"git in {folder}")
        raise SourceError(fatal.removeprefix("fatal: ")) from error
    return run.stdout


def read_files(folder: Path, commit: str, paths: Sequence[str]) -> list[bytes]:
    """The files at a commit of the repository in `folder`, as they were committed.

    Raises:
        SourceError: there is no such repository, commit or file.
    """
    request = "".join(f"{commit}:{path}\n" for path in paths)
    output = git(folder, "cat-file", "--batch", stdin=request.encode())
    files, position = [], 0
    for path in paths:
        # "<object id> blob <size>\n<content>\n", or "<request> missing\n"
        end = output.index(b"\n", position)
        fields = output[position:end].split()
        if len(fields) != 3 or fields[1] != b"blob":
            raise SourceError(f"{folder} has no {path} at commit {commit}")
        begin, size = end + 1, int(fields[2])
        files.append(output[begin : begin + size])
        position = begin + size + 1
    return files


def fetch(folder: Path, url: str, commit: str) -> bool:
    """Fetches a commit without its past into the repository in `folder`; False: it was there.

    Raises:
        SourceError: git reports a failure.
    """
    try:
        git(folder, "cat-file", "-e", f"{commit}^{{tree}}")
        return False
    except SourceError:
        if not any((folder / name).exists() for name in (".git", "HEAD")):
            git(folder, "init", "--quiet", "--bare")
        git(folder, "fetch", "--quiet", "--depth", "1", url, commit)
        return True
