# SPDX-License-Identifier: Apache-2.0
"""usage: PYTHON bare_root.py FOLDER

Makes FOLDER a file system with the interpreter that runs this, its standard library and the shared
libraries that these are linked with, as well as the C++ library, which NumPy's wheels need. There is
no compiler in it, no other library of a distribution, not even a shell.
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

C_LIBRARY = ("libpthread.so.0", "libdl.so.2", "librt.so.1")  # old names, now in libc.so.6
OTHERS = {"site-packages", "dist-packages", "test", "__pycache__"}


def standard_library() -> Iterable[Path]:
    folder = Path(sysconfig.get_path("stdlib"))
    for path in folder.rglob("*"):
        inside = path.relative_to(folder).parts
        if path.is_file() and not OTHERS & set(inside) and not inside[0].startswith("config-"):
            yield path


def linked_with(files: list[Path]) -> set[Path]:
    ldd = subprocess.run(["ldd", *files], check=True, capture_output=True, text=True)
    return {Path(path) for path in re.findall(r"(/\S+) \(0x", ldd.stdout)}


def cxx_library() -> Path:
    ctypes.CDLL("libstdc++.so.6")
    maps = Path("/proc/self/maps").read_text()
    (folder,) = set(re.findall(r" (/\S+)/libstdc\+\+\.so\S*$", maps, re.M))
    return Path(folder, "libstdc++.so.6")


root = Path(sys.argv[1])
interpreter = Path(os.path.realpath(sys.executable))
files = [interpreter, cxx_library(), *standard_library()]
compiled = [path for path in files if path == interpreter or ".so" in path.suffixes]
linked = linked_with(compiled)
(libc,) = (path for path in linked if path.name == "libc.so.6")
for path in {*files, *linked, *map(libc.with_name, C_LIBRARY)}:
    target = root / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, target)
for name in ("dev", "proc", "tmp"):
    (root / name).mkdir(exist_ok=True)
