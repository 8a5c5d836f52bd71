# SPDX-License-Identifier: Apache-2.0
"""Where a model or an adapter lies: a path, what ships with Rotor, or on the Hugging Face hub."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from rotor import _core

ProgressCall = Callable[[str, int, int], object]


@runtime_checkable
class ProgressBar(Protocol):
    """The part of a tqdm bar that is used: what has come (n) of the whole (total)."""

    n: float
    total: float | None

    def update(self, n: float = 1) -> object: ...


def find_model(
    model: str,
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    progress: ProgressCall | ProgressBar | None = None,
) -> str:
    """The path of a model.

    model: a path that exists, else the name of a model that ships with Rotor, else what
    ``rotor pull`` takes: ``org/name[@revision][:file]`` or an alias. Of the hub, with a cache that
    huggingface_hub shares:

    revision: branch, tag or commit. cache_dir: the folder of ``models--org--name``, default
    ``HF_HUB_CACHE``. local_files_only: ask nobody; FileNotFoundError if it is not all there. token:
    a token, None or True for the one of ``HF_TOKEN`` or the file it lies in, False for none.
    progress: called with (file, bytes so far, bytes in all) a few times a second, or a bar like
    tqdm's. An exception that it raises, or Ctrl-C, ends the download; the next one goes on from
    there.

    ConnectionError: no network, access refused. VerificationError: the content is not what the hub
    says. FileNotFoundError, UnsupportedError, ValueError: nothing like it, or several files fit.
    """
    if Path(model).exists() or model.startswith("synthetic:"):
        return model
    if (shipped := _shipped(model)) is not None:
        return shipped
    if not _core.means_hub_model(model):
        raise FileNotFoundError(
            f"{model}: no such file or folder, no model that ships with Rotor "
            f"({', '.join(_shipped_names()) or 'none was found'}), and no name of the hub"
        )
    return _fetch(model, revision, cache_dir, local_files_only, token, progress)


def find_adapter(
    adapter: str,
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    progress: ProgressCall | ProgressBar | None = None,
) -> str:
    """The folder of an adapter in PEFT's format: a path, or ``org/name[@revision][:folder]`` of the
    hub; arguments and errors are those of :func:`find_model`."""
    if not _core.means_hub_model(adapter):
        return adapter
    return _fetch(adapter, revision, cache_dir, local_files_only, token, progress)


def _fetch(
    name: str,
    revision: str | None,
    cache_dir: str | os.PathLike[str] | None,
    local_files_only: bool,
    token: str | bool | None,
    progress: ProgressCall | ProgressBar | None,
) -> str:
    return _core.fetch_model(
        name,
        revision=revision,
        cache_dir=None if cache_dir is None else os.fspath(cache_dir),
        local_files_only=local_files_only,
        token="" if token is False else token if isinstance(token, str) else None,
        progress=_teller(progress),
    )


def _folders() -> list[Path]:
    named = os.environ.get("ROTOR_MODELS")
    here = Path(__file__).resolve()
    # pip's --target has its data beside the package; --user, and Debian's own pip, four folders up.
    prefixes = [Path(sys.prefix), here.parents[1], *here.parents[4:5]]
    return [
        *([Path(named)] if named else []),
        *(prefix / "share" / "rotor" for prefix in prefixes),
        here.parents[2] / "models",
    ]


def _shipped(name: str) -> str | None:
    if "/" in name:
        return None
    paths = (folder / f"{name}.rotor" for folder in _folders())
    return next((str(path) for path in paths if path.is_file()), None)


def _shipped_names() -> list[str]:
    return sorted({path.stem for folder in _folders() for path in folder.glob("*.rotor")})


def _teller(progress: ProgressCall | ProgressBar | None) -> ProgressCall | None:
    """What is called with (file, done, total)."""
    if isinstance(progress, ProgressBar):
        bar = progress

        def move(_: str, done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return move
    if progress is not None and not callable(progress):
        raise TypeError(f"progress: expected a callable or a bar, got {type(progress).__name__}")
    return progress
