#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tools/portable/build.sh
# Builds the program that runs on any x86-64 Linux, with the shipped models and the terms of what is
# linked in: build/portable/dist/rotor-VERSION-linux-x86_64.tar.xz. docs/portable.md tells how.
# Needs Debian 12 with the group build of tools/packages.txt, dpkg-dev, perl and python3-venv.
# ROTOR_DEBIAN_SUITES: where the libraries' sources come from.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
work=$root/build/portable
dist=$work/dist
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/pyproject.toml")
. "$root/tools/portable/libraries.sh"

# find_zig: the compiler, from PyPI, in an environment of its own.
find_zig() {
  [[ -x $work/venv/bin/python ]] || /usr/bin/python3 -m venv "$work/venv"
  "$work/venv/bin/python" -m pip install -q -r "$root/tools/portable/requirements.txt"
  zig=$("$work/venv/bin/python" -c 'import ziglang; print(ziglang.__path__[0])')/zig
  export ZIG_GLOBAL_CACHE_DIR=${ZIG_GLOBAL_CACHE_DIR:-$work/zig-cache}
}

# libraries_once TARGET: builds them unless this recipe and these sources have done so.
libraries_once() {
  local state
  state=$(cat "$work/sources/versions" "$root/tools/portable/"{libraries.sh,toolchain.cmake} \
    "$root/tools/portable/requirements.txt" | sha256sum)
  [[ $(cat "$work/$1/state" 2>/dev/null) == "$state" ]] && return
  rm -rf "${work:?}/$1"
  mkdir -p "$work/$1"
  build_libraries "$1" >"$work/$1/libraries.log" 2>&1 || {
    tail -n 25 "$work/$1/libraries.log" >&2
    echo "failed: the libraries of $1; all of it is in $work/$1/libraries.log" >&2
    return 1
  }
  echo "$state" >"$work/$1/state"
}

# licences: the terms of everything that is linked in, and of which version, in $work/licences.
licences() {
  local name folder=$work/licences
  rm -rf "$folder"
  mkdir -p "$folder"
  for name in "${source_packages[@]}"; do
    cp "$(source_of "$name")/debian/copyright" "$folder/$name.txt"
  done
  cp /usr/share/doc/libboost1.81-dev/copyright "$folder/boost.txt"
  cp "${zig%/zig}/lib/libcxx/LICENSE.TXT" "$folder/libcxx.txt"
  cp "${zig%/zig}/lib/libc/musl/COPYRIGHT" "$folder/musl.txt"
  cp "$work/sources/versions" "$folder/VERSIONS"
  echo "zig $("$zig" version)" >>"$folder/VERSIONS"
}

# tarball ARCH
tarball() {
  local target=$1-linux-musl name=rotor-$version-linux-$1
  local build=$work/$target/rotor stage=$work/$target/$name
  libraries_once "$target"
  cmake -S "$root" -B "$build" -G Ninja --toolchain "$root/tools/portable/toolchain.cmake" \
    -DROTOR_TARGET="$target" -DROTOR_TARGET_DIR="$work/$target" -DCMAKE_BUILD_TYPE=Release \
    -DROTOR_TESTS=OFF -DROTOR_LICENCES="$work/licences" -DCMAKE_INSTALL_PREFIX="$stage"
  cmake --build "$build" --parallel "$(nproc)" --target rotor_cli
  rm -rf "$stage"
  cmake --install "$build" --component program
  cmake --install "$build" --component models
  cp "$root"/{README.md,LICENSE,CHANGELOG.md} "$stage"
  tar -C "$work/$target" --sort=name --owner=0 --group=0 --numeric-owner -cJf "$dist/$name.tar.xz" "$name"
}

mkdir -p "$dist"
find_zig
[[ -e $work/sources/versions ]] || fetch_sources >"$work/sources.log" 2>&1 || {
  tail -n 25 "$work/sources.log" >&2
  exit 1
}
licences
tarball x86_64
ls -l "$dist"
