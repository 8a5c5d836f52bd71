#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One order of arithmetic, shown: sums, dot products, exp, attention pages, their merge and the norm
# give the same bits at every level of this CPU, on ARM (under qemu) and in OpenCL. Then exp of all
# finite negative floats. A part that cannot run is a failure that says so.
set -uo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -- "$here/../.." && pwd)
native=$root/build/numerics
arm=$root/build/numerics-aarch64
results=$native/results
failed=0

fail() {
  echo "FAILED: $*"
  failed=1
}

# compare NAME COMMAND...: runs the command and compares its lines with the scalar ones.
compare() {
  local name=$1
  shift
  if ! "$@" >"$results/$name"; then
    fail "$name did not run: $*"
  elif ! diff "$results/scalar" "$results/$name"; then
    fail "$name differs from scalar (<)"
  else
    echo "$name: $(wc -l <"$results/$name") results equal to scalar"
  fi
}

build() {
  local folder=$1
  shift
  mkdir -p "$folder"
  if ! { cmake -S "$here" -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release "$@" &&
    cmake --build "$folder"; } >"$folder/log" 2>&1; then
    tail -n 20 "$folder/log"
    return 1
  fi
}

build "$native" || { fail "the programs for this machine do not build"; exit 1; }
mkdir -p "$results"
"$native/numerics_cpu" scalar >"$results/scalar" || { fail "scalar does not run"; exit 1; }
for level in $("$native/numerics_cpu" | grep -v '^scalar$'); do
  compare "$level" "$native/numerics_cpu" "$level"
done
compare opencl "$native/numerics_opencl" "$here/reductions.cl"

if build "$arm" -DCMAKE_TOOLCHAIN_FILE="$root/cmake/aarch64-linux-gnu.cmake"; then
  qemu=(qemu-aarch64-static -cpu max -L /usr/aarch64-linux-gnu)
  for level in scalar neon dotprod i8mm; do
    compare "aarch64-$level" "${qemu[@]}" "$arm/numerics_cpu" "$level"
  done
else
  fail "the programs for ARM do not build (Debian: g++-aarch64-linux-gnu qemu-user-static)"
fi

"$native/exp_all_floats" || fail "exp over all finite negative floats"
((failed == 0)) && echo "numerics: all parts agree"
exit "$failed"
