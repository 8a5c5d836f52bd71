#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: kernel_symbols_test.sh LIBRARY NM CXX
# Looks into the objects compiled for one instruction set: each exports the kernels that
# kernel_list.inc has for it and nothing else, and nothing weak. A weak symbol (an inline function or
# a template of the standard library) may be chosen by the linker for the whole program, which would
# then use instructions that the machine lacks.
set -euo pipefail
library=$1 nm=$2 cxx=$3
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

# The rows of this architecture as "name_isa", without the scalar ones.
rows=$({
  echo '#define ROTOR_KERNEL(type, slot, name, isa) row name##_##isa'
  # Macro expansion puts the rows of a group on one line.
  echo '#include "kernels/kernel_list.inc"'
} | "$cxx" -x c++ -E -P -I "$root/src" - | grep -o 'row [a-z0-9_]*' | cut -d' ' -f2 |
  grep -v '_scalar$' | sort)

# "object type symbol" of all that objects named after an instruction set define.
defined=$("$nm" -A -C --defined-only "$library" | sed -E 's/^[^:]*:([^:]*):/\1 /' |
  awk '$1 ~ /_(avx|amx|neon|dotprod|i8mm)[a-z0-9]*\.cc\.o$/')
failed=0

weak=$(awk '$3 ~ /^[WwVvu]$/' <<<"$defined")
if [[ -n $weak ]]; then
  echo "weak symbols in files compiled for one instruction set:"
  echo "$weak"
  failed=1
fi

exported=$(awk '$3 ~ /^[A-Z]$/ && $3 !~ /^[WV]$/ { sub(/\(.*/, "", $4); print $4 }' <<<"$defined" |
  sed 's/^rotor::kernels:://' | sort)
if ! difference=$(diff <(echo "$rows") <(echo "$exported")); then
  echo "kernel_list.inc (<) and the exported symbols (>) differ:"
  echo "$difference"
  failed=1
fi

count=$(wc -l <<<"$rows")
((count > 17)) || { echo "only $count rows found: this test has lost its list"; failed=1; }
echo "$count kernels, each one strong symbol"
exit "$failed"
