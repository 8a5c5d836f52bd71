#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tools/portable/check.sh
# Uses what build.sh made as a stranger would: the tarball alone in a folder that is the whole file
# system; each wheel where there is an interpreter besides (bare_root.py), installed by pip. The logits
# have to be those of the program ROTOR (default: build/test/cli/rotor), at every instruction-set level;
# the tests of the command line and of the hub run with the new program, those of the Python package with
# the wheel. What is for another architecture than this machine's runs in qemu-user: of the tests a few, and
# of the wheels that for Debian's Python. Needs user namespaces, PyPI, and Debian's archive for the latter.
# ROTOR_ARCHES, ROTOR_PYTHONS: what build.sh was told.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
dist=$root/build/portable/dist
tools=$root/build/portable/venv/bin
reference=${ROTOR:-$root/build/test/cli/rotor}
read -ra arches <<<"${ROTOR_ARCHES:-x86_64}"
read -ra pythons <<<"${ROTOR_PYTHONS:-/usr/bin/python3}"
tokens=$(seq -s, 1 40)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
checks=0
declare -A levels_of  # by architecture, as its program says

fail() {
  echo "failed: $*" >&2
  exit 1
}

# same WHAT EXPECTED FOUND
same() {
  [[ $2 == "$3" ]] || fail "$1: expected $2, found $3"
  checks=$((checks + 1))
  echo "  $1: $3"
}

hash_of() { sha256sum <"$1" | cut -c1-16; }

# levels DOCTOR...: the names that ROTOR_ISA may take for the program of this command.
levels() {
  "$@" doctor --json |
    /usr/bin/python3 -c 'import json, sys; print(*json.load(sys.stdin)["kernel_self_test"])'
}

# alone ARGUMENT...: the program in a file system that holds the unpacked tarball and nothing else, but
# for an emulator of another architecture. /proc is missing, too, so that the model is named.
alone() {
  unshare --user --map-root-user --root="$place/root" --wd=/ "${emulator[@]}" /bin/rotor "$@"
}

# check_tarball ARCH
check_tarball() {
  local file
  file=$(ls "$dist"/rotor-*-linux-"$1".tar.xz)
  echo "${file##*/}: $(stat -c %s "$file") bytes"
  rm -rf "$place/root"
  mkdir "$place/root"
  tar -C "$place/root" --strip-components=1 -xf "$file"
  local level emulator=() nm=nm program=$place/root/bin/rotor
  if [[ $1 != "$(uname -m)" ]]; then
    cp "$(command -v "qemu-$1-static" || command -v "qemu-$1")" "$place/root/emulator"
    emulator=(/emulator -cpu max)
    nm=$1-linux-gnu-nm
    program=$place/$1-rotor
    printf '#!/bin/sh\nexec %q -cpu max %q "$@"\n' "$place/root/emulator" "$place/root/bin/rotor" >"$program"
    chmod +x "$program"
  fi
  same "shared libraries" 0 "$(readelf -d "$place/root/bin/rotor" | grep -c NEEDED || true)"
  alone doctor | grep kernels
  same "story" "$("$reference" run -q -n 12 --temp 0 -p "Once upon a time")" \
    "$(alone run -q -n 12 --temp 0 -p "Once upon a time" /share/rotor/stories.rotor)"
  levels_of[$1]=$(levels alone)
  for level in ${levels_of[$1]}; do
    ROTOR_ISA=$level alone logits /share/rotor/stories.rotor --tokens "$tokens" --out /logits
    same "logits, $level" "$(hash_of "$place/logits")" "$(hash_of "$place/root/logits")"
  done
  "$root/tests/kernel_symbols_test.sh" \
    "$root/build/portable/$1-linux-musl/rotor/src/kernels/librotor_kernels.a" "$nm" \
    "$root/build/portable/$1-linux-musl/bin/c++"
  # Downloads, TLS, proxies; the command line. An emulator has other limits of memory and of time.
  (cd "$root" && ROTOR=$program /usr/bin/python3 -m pytest -q -p no:cacheprovider \
    ${emulator:+-k "pulled_once or name_stands or tls or proxy or help"} \
    tests/parity/hub_test.py tests/parity/command_line_test.py)
}

# check_symbols WHEEL: no symbol younger than the wheel's name says, no library but the C library's, and
# nothing of what is linked in can be seen, or replaced, from outside.
check_symbols() {
  local module arch=${1##*manylinux_2_17_}
  arch=${arch%.whl}
  echo "${1##*/}: $(stat -c %s "$1") bytes"
  rm -rf "$place/wheel"
  /usr/bin/python3 -m zipfile -e "$1" "$place/wheel"
  module=$(ls "$place/wheel"/rotor/_core.*.so)
  readelf -W --dyn-syms "$module" >"$place/symbols"
  same "newest version of a symbol" GLIBC_2.17 \
    "$({ echo GLIBC_2.17 && sed -n 's/.*@\+\([A-Z][^ ]*\).*/\1/p' "$place/symbols"; } | sort -uV | tail -1)"
  same "libraries beside the C library" "" "$(readelf -d "$module" |
    sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
    grep -vE '^(libc|libm|libdl|libpthread|librt|ld-linux-.*)\.so\.[0-9]$' || true)"
  same "exported names" PyInit__core \
    "$(awk '$5 ~ /GLOBAL|WEAK|UNIQUE/ && $7 != "UND" { print $8 }' "$place/symbols")"
  same "auditwheel's name" "manylinux_2_17_$arch" "$("$tools/auditwheel" show "$1" |
    tr '\n' ' ' | sed -n 's/.*following platform tag: "\([a-z0-9_]*\)".*/\1/p')"
}

# within COMMAND...: in the file system of bare_root.py, with this machine's processes and devices.
within() {
  # shellcheck disable=SC2016
  unshare --user --map-root-user --mount bash -c '
    mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" || exit
    export PATH=/venv/bin HOME=/tmp
    exec /usr/sbin/chroot "$0" "$@"' "$place/root" "$@"
}

three_lines='
import rotor
model = rotor.Model.from_pretrained("stories")
print(model.generate("Once upon a time", max_new_tokens=12, temperature=0))
'
save_logits='
import rotor
rotor.Model.from_pretrained("stories").logits(range(1, 41)).tofile("/tmp/logits")
'
# The hub is in the same process: the OpenSSL of Python serves it, the one in the wheel asks.
over_tls='
import os, pathlib, sys
import rotor
sys.path.append("/source/tests/parity")
import hub_server
with hub_server.Hub(certificate=pathlib.Path("/certificate-and-key")) as hub:
    hub.add("org/tiny", {"stories.rotor": pathlib.Path("/source/models/stories.rotor").read_bytes()})
    os.environ["HF_ENDPOINT"] = hub.address
    try:
        rotor.Model.from_pretrained("org/tiny")
    except ConnectionError as error:
        print("refused" if "certificate" in str(error) else error)
    os.environ["SSL_CERT_FILE"] = "/certificate"
    print(rotor.Model.from_pretrained("org/tiny").generate("Once", max_new_tokens=2, temperature=0))
'

# check_python PYTHON: the wheel that pip chooses for it.
check_python() {
  local pip story level
  echo "$("$1" --version), $1"
  rm -rf "$place/root" "$place/online"
  mkdir "$place/root"
  "$1" -m venv "$place/online"
  "$place/online/bin/python" "$root/tools/portable/bare_root.py" "$place/root"
  "$place/online/bin/python" -m pip download -q --only-binary :all: -d "$place/root/wheels" pip \
    -r "$root/python/package_tests/requirements.txt"
  cp "$dist"/rotor_llm-*"_$(uname -m).whl" "$place/root/wheels"
  mkdir "$place/root/source"
  tar -C "$root" --exclude=__pycache__ -cf - README.md examples models python/README.md \
    python/package_tests python/rotor/_core.pyi tests/parity tests/fixtures/tokenizer |
    tar -C "$place/root/source" -xf -
  pip=$(ls "$place/root"/wheels/pip-*.whl)
  within "$(realpath "$1")" -m venv --without-pip /venv
  within python "/wheels/${pip##*/}/pip" install -q --no-index --find-links /wheels rotor-llm \
    -r /source/python/package_tests/requirements.txt

  story=$("$reference" run -q -n 12 --temp 0 -p "Once upon a time")
  same "three lines" "$story" "$(within python -c "$three_lines")"
  same "the program" "$story" "$(within rotor run -q -n 12 --temp 0 -p "Once upon a time")"
  for level in $(levels "$reference"); do
    ROTOR_ISA=$level within python -c "$save_logits"
    same "logits, $level" "$(tail -c +129 "$place/logits" | hash_of /dev/stdin)" \
      "$(hash_of "$place/root/tmp/logits")"  # without the 128 bytes that say the shape
    ROTOR_ISA=$level within rotor logits -q --tokens "$tokens" --out /tmp/logits
    same "the program's, $level" "$(hash_of "$place/logits")" "$(hash_of "$place/root/tmp/logits")"
  done
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=hub -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$place/key" -out "$place/root/certificate" 2>/dev/null
  cat "$place/key" "$place/root/certificate" >"$place/root/certificate-and-key"
  same "a download by TLS" $'refused\n'"$("$reference" run -q -n 2 --temp 0 -p Once)" \
    "$(within python -c "$over_tls")"
  within python -m pytest -q -p no:cacheprovider /source/python/package_tests
}

# check_foreign_wheel ARCH: the wheel for Debian's Python of another architecture, in a file system that holds
# this interpreter, its libraries, NumPy and an emulator.
check_foreign_wheel() {
  local arch=$1 level folder=$place/foreign site=$place/root/site packages=(python3.11-minimal
    libpython3.11-minimal libpython3.11-stdlib libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libssl3)
  local debian=${arch/aarch64/arm64} package apt
  debian=${debian/x86_64/amd64}
  apt=(apt-get -qq -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$folder/lists" -o "Dir::State::status=$folder/status" -o "Dir::Cache=$folder/cache"
    -o "APT::Architecture=$debian" -o "APT::Architectures=$debian" -o APT::Sandbox::User=root)
  rm -rf "$folder" "$place/root"
  mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$site" "$place/root/tmp"
  touch "$folder/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
    "http://deb.debian.org/debian bookworm main" >"$folder/sources.list"
  "${apt[@]}" update
  (cd "$folder" && "${apt[@]}" download "${packages[@]}")
  for package in "$folder"/*.deb; do
    dpkg-deb -x "$package" "$place/root"
  done
  "$tools/python" -m pip install -q --no-deps --only-binary :all: --platform "manylinux_2_28_$arch" \
    --platform "manylinux_2_17_$arch" --python-version 3.11 --target "$site" numpy \
    "$dist"/rotor_llm-*-cp311-*"_$arch.whl"
  cp "$(command -v "qemu-$arch-static" || command -v "qemu-$arch")" "$place/root/emulator"
  cp "$root/models/stories.rotor" "$place/root"
  foreign() {
    unshare --user --map-root-user --root="$place/root" --wd=/ /emulator -cpu max \
      -E PYTHONPATH=/site /usr/bin/python3.11 -c "${1//\"stories\"/\"/stories.rotor\"}"
  }
  same "three lines" "$("$reference" run -q -n 12 --temp 0 -p "Once upon a time")" \
    "$(foreign "$three_lines")"
  for level in ${levels_of[$arch]}; do
    ROTOR_ISA=$level foreign "$save_logits"
    same "logits, $level" "$(tail -c +129 "$place/logits" | hash_of /dev/stdin)" \
      "$(hash_of "$place/root/tmp/logits")"
  done
}

"$reference" logits -q "$root/models/stories.rotor" --tokens "$tokens" --out "$place/logits"
for arch in "${arches[@]}"; do
  check_tarball "$arch"
done
for wheel in "$dist"/rotor_llm-*.whl; do
  check_symbols "$wheel"
done
for arch in "${arches[@]}"; do
  if [[ $arch != "$(uname -m)" ]]; then
    check_foreign_wheel "$arch"
    continue
  fi
  for python in "${pythons[@]}"; do
    check_python "$python"
  done
done
echo "$checks passed, 0 failed"
