# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by ./rotor and ./test (bash; `root` is the repository): installs Debian packages, builds a
# preset, and where it cannot go on says why and what to type. Everything it says goes to stderr.

say() { printf 'rotor: %s\n' "$*" >&2; }

# on_debian_12: whether packages.txt names packages that this machine's apt-get has.
on_debian_12() {
  [[ -r /etc/os-release ]] && (. /etc/os-release && [[ ${ID:-}-${VERSION_ID:-} == debian-12 ]])
}

# packages COLUMN GROUP...: the names of one column (3 Debian, 4 Fedora, 5 Arch) of packages.txt.
packages() {
  local column=$1
  shift
  awk -F'|' -v column="$column" -v groups=" $* " '
    /^#/ { next }
    { group = $1; gsub(/ /, "", group) }
    index(groups, " " group " ") && $column !~ /^ *-? *$/ { printf "%s ", $column }
  ' "$root/tools/packages.txt" | tr -s ' '
}

# step LOG WHAT COMMAND...: runs COMMAND with its output in LOG; on failure shows the end of it.
step() {
  local log=$1 what=$2
  shift 2
  say "$what"
  mkdir -p "${log%/*}"
  if ! "$@" </dev/null 2>&1 | tee "$log" | show_progress; then
    say "failed: $what. The end of $log:"
    tail -n 25 "$log" >&2
    return 1
  fi
}

# show_progress: on a terminal keeps one line with ninja's latest "[12/87] ..." up to date.
show_progress() {
  if [[ ! -t 2 ]]; then
    cat >/dev/null
    return
  fi
  local line
  while IFS= read -r line; do
    [[ $line == \[*/*\]* ]] && printf '\r\033[K%.78s' "$line" >&2
  done
  printf '\r\033[K' >&2
}

# install_packages GROUP...: installs what dpkg does not have; nothing to do is the common case.
install_packages() {
  local name missing=() sudo=()
  for name in $(packages 3 "$@"); do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] ||
      missing+=("$name")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    sudo=(sudo)
    if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || [[ -t 0 ]] && sudo -v; }; then
      say "these Debian packages are missing and only root can install them. Type"
      say "  su -c 'apt-get install ${missing[*]}'"
      say "and run this command again."
      return 1
    fi
  fi
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qy -o Dpkg::Use-Pty=0)
  if ! step "$root/build/log/apt-update.log" "reading the package lists" "${apt[@]}" update ||
    ! step "$root/build/log/apt-install.log" \
      "installing ${#missing[@]} Debian packages: ${missing[*]}" \
      "${apt[@]}" install --no-install-recommends "${missing[@]}"; then
    say "without these packages Rotor cannot be built. Is there a network? To install them by hand:"
    say "  apt-get update && apt-get install ${missing[*]}"
    return 1
  fi
}

# explain_by_hand PRESET GROUP...: the way that remains where install_packages cannot help.
explain_by_hand() {
  local preset=$1
  shift
  say "this script installs packages on Debian 12 only. On another system install these"
  say "(or what provides the same), then run this command again:"
  awk -F'|' -v groups=" $* " '
    /^#/ { next }
    { group = $1; gsub(/ /, "", group) }
    index(groups, " " group " ") { printf "  %-29s Debian: %s\n", $2, $3 }
  ' "$root/tools/packages.txt" >&2
  say "Fedora: dnf install $(packages 4 "$@")"
  say "Arch:   pacman -S $(packages 5 "$@")"
  say "The same build by hand: cd '$root' && cmake --preset $preset && cmake --build --preset $preset"
}

# build PRESET [TARGET...]: configures and builds a preset of CMakePresets.json.
build() {
  local preset=$1
  shift
  (cd "$root" && cmake --preset "$preset") &&
    cmake --build "$root/build/$preset" --parallel "$(nproc)" ${1:+--target "$@"}
}

# prepare PRESET GROUP...: packages where this machine has apt-get's names for them, then the build.
prepare() {
  local preset=$1
  shift
  local building=("$root/build/log/$preset.log" "building build/$preset (from nothing: some minutes)" build "$preset")
  if on_debian_12; then
    install_packages "$@" && step "${building[@]}"
  elif ! step "${building[@]}"; then
    explain_by_hand "$preset" "$@"
    return 1
  fi
}
