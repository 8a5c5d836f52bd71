#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tools/portable/check.sh
# Uses what build.sh made as a stranger would: the tarball alone in a folder that is the whole file
# system. The logits have to be those of the program ROTOR (default: build/test/cli/rotor), at every
# instruction-set level; the tests of the command line and of the hub run with the new program. Needs user
# namespaces.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
dist=$root/build/portable/dist
reference=${ROTOR:-$root/build/test/cli/rotor}
tokens=$(seq -s, 1 40)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
checks=0

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

# levels: the names that ROTOR_ISA may take here.
levels() {
  "$reference" doctor --json |
    /usr/bin/python3 -c 'import json, sys; print(*json.load(sys.stdin)["kernel_self_test"])'
}

# alone COMMAND...: in a file system that holds the unpacked tarball and nothing else. /proc is
# missing, too, so that the model is named.
alone() { unshare --user --map-root-user --root="$place/root" --wd=/ "$@"; }

# check_tarball ARCH
check_tarball() {
  local file
  file=$(ls "$dist"/rotor-*-linux-"$1".tar.xz)
  echo "${file##*/}: $(stat -c %s "$file") bytes"
  rm -rf "$place/root"
  mkdir "$place/root"
  tar -C "$place/root" --strip-components=1 -xf "$file"
  same "shared libraries" 0 "$(objdump -p "$place/root/bin/rotor" | grep -c NEEDED || true)"
  alone /bin/rotor doctor | grep kernels
  same "story" "$("$reference" run -q -n 12 --temp 0 -p "Once upon a time")" \
    "$(alone /bin/rotor run -q -n 12 --temp 0 -p "Once upon a time" /share/rotor/stories.rotor)"
  local level
  for level in $(levels); do
    ROTOR_ISA=$level alone /bin/rotor logits /share/rotor/stories.rotor --tokens "$tokens" --out /logits
    same "logits, $level" "$(hash_of "$place/logits")" "$(hash_of "$place/root/logits")"
  done
  "$root/tests/kernel_symbols_test.sh" \
    "$root/build/portable/$1-linux-musl/rotor/src/kernels/librotor_kernels.a" nm \
    "$root/build/portable/$1-linux-musl/bin/c++"
  # Downloads, TLS, proxies; the command line.
  (cd "$root" && ROTOR=$place/root/bin/rotor /usr/bin/python3 -m pytest -q -p no:cacheprovider \
    tests/parity/hub_test.py tests/parity/command_line_test.py)
}

"$reference" logits -q "$root/models/stories.rotor" --tokens "$tokens" --out "$place/logits"
check_tarball x86_64
echo "$checks passed, 0 failed"
