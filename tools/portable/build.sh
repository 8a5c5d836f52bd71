#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tools/portable/build.sh
# Builds what runs on Linux of any distribution, with the shipped models and the terms of what is linked
# in: build/portable/dist/rotor-VERSION-linux-ARCH.tar.xz, which holds the program, and Python wheels,
# which bring it, too. docs/portable.md tells how.
# Needs Debian 12 with the group build of tools/packages.txt, dpkg-dev, perl, python3-dev, python3-venv.
# ROTOR_ARCHES: x86_64, aarch64 or both, whatever the machine is. Default: x86_64.
# ROTOR_PYTHONS: the interpreters that wheels are made for; one of 3.12 or later serves all later ones.
# ROTOR_DEBIAN_SUITES: where the libraries' sources come from.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
work=$root/build/portable
dist=$work/dist
read -ra arches <<<"${ROTOR_ARCHES:-x86_64}"
read -ra pythons <<<"${ROTOR_PYTHONS:-/usr/bin/python3}"
glibc=2.17  # the oldest C library that wheels have a name for and zig can link with; of 2012
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
  local name nanobind folder=$work/licences
  rm -rf "$folder"
  mkdir -p "$folder"
  for name in "${source_packages[@]}"; do
    cp "$(source_of "$name")/debian/copyright" "$folder/$name.txt"
  done
  cp /usr/share/doc/libboost1.81-dev/copyright "$folder/boost.txt"
  cp "${zig%/zig}/lib/libcxx/LICENSE.TXT" "$folder/libcxx.txt"
  cp "${zig%/zig}/lib/libc/musl/COPYRIGHT" "$folder/musl.txt"
  nanobind=$("$work/venv/bin/python" -c 'import nanobind; print(nanobind.__path__[0])')
  cp "$nanobind"-*/licenses/LICENSE "$folder/nanobind.txt"
  sed '/\*\//q' "$nanobind/ext/robin_map/include/tsl/robin_map.h" >"$folder/robin-map.txt"
  cp "$work/sources/versions" "$folder/VERSIONS"
  echo "zig $("$zig" version)" >>"$folder/VERSIONS"
  sed -n 's/^nanobind==/nanobind /p' "$root/tools/portable/requirements.txt" >>"$folder/VERSIONS"
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

# wheel ARCH PYTHON: the package for one interpreter, with the tarball's program. auditwheel gives the
# file its name, unless something in it needs more than the name says; of another architecture than the
# machine's it knows no names to be told, and gives the oldest that fits.
wheel() {
  local arch=$1 python=$2 target=$1-linux-gnu.$glibc name include define settings plat=auto
  local build=$work/$target/rotor made=$work/$target/wheels
  libraries_once "$target"
  name=$("$python" -c 'import sys; print("cpython-%d%d" % sys.version_info[:2])')
  [[ -x $work/$name/bin/python ]] || "$python" -m venv "$work/$name"
  "$work/$name/bin/python" -m pip install -q -c "$root/tools/portable/requirements.txt" \
    scikit-build-core nanobind
  # What Python.h says is the same on every 64-bit Linux. Debian has a part of it elsewhere.
  include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  rm -rf "$work/$name/headers"
  cp -rL "$include" "$work/$name/headers"
  find "${include%/*}/$(uname -m)-linux-gnu/${include##*/}" -name pyconfig.h \
    -exec cp {} "$work/$name/headers" ';' 2>/dev/null || true
  settings=(--config-settings=build-dir="$build" --config-settings=build.targets=rotor_python)
  for define in CMAKE_TOOLCHAIN_FILE="$root/tools/portable/toolchain.cmake" ROTOR_TARGET="$target" \
    ROTOR_TARGET_DIR="$work/$target" ROTOR_LICENCES="$work/licences" \
    Python_INCLUDE_DIR="$work/$name/headers" \
    ROTOR_PROGRAM="$work/$arch-linux-musl/rotor/cli/rotor"; do
    settings+=(--config-settings=cmake.define."$define")
  done
  rm -rf "$build/CMakeCache.txt" "$made"  # the cache is of another Python; objects stay
  _PYTHON_HOST_PLATFORM=linux-$arch SETUPTOOLS_EXT_SUFFIX=.$name-$arch-linux-gnu.so \
    "$work/$name/bin/python" -m pip wheel -q --no-deps --no-build-isolation -w "$made" \
    "${settings[@]}" "$root"
  [[ $arch == "$(uname -m)" ]] && plat=manylinux_${glibc/./_}_$arch
  "$work/venv/bin/auditwheel" repair --plat "$plat" --patcher none -w "$dist" "$made"/*.whl
}

mkdir -p "$dist"
find_zig
[[ -e $work/sources/versions ]] || fetch_sources >"$work/sources.log" 2>&1 || {
  tail -n 25 "$work/sources.log" >&2
  exit 1
}
licences
for arch in "${arches[@]}"; do
  tarball "$arch"
  for python in "${pythons[@]}"; do
    wheel "$arch" "$python"
  done
done
ls -l "$dist"
