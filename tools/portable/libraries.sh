# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Sourced by build.sh (bash; `root`, `work` and `zig` are set): what Rotor is linked with, as static
# libraries for one target, from Debian's source packages with Debian's security fixes.

source_packages=(openssl curl pcre2 utf8proc fmtlib simdjson cli11 libedit ncurses)
suites=${ROTOR_DEBIAN_SUITES:-bookworm bookworm-security}

# fetch_sources: the newest source packages, signatures checked by apt-get, unpacked and patched by
# dpkg-source into $work/sources/NAME-VERSION. The machine's own package lists stay as they are.
fetch_sources() {
  local folder=$work/sources suite archive name
  local apt=(-o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o APT::Sandbox::User=root)
  rm -rf "$folder"
  mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
  for suite in $suites; do
    archive=debian
    [[ $suite == *-security ]] && archive=debian-security
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
      "http://deb.debian.org/$archive $suite main"
  done >"$folder/sources.list"
  apt-get "${apt[@]}" update || return
  (cd "$folder" && apt-get "${apt[@]}" source "${source_packages[@]}") || return
  for name in "${source_packages[@]}"; do
    awk '/^Source:/ { name = $2 } /^Version:/ { print name, $2; exit }' "$folder/$name"_*.dsc
  done >"$folder/versions"
  dpkg-query -W -f '${source:Package} ${Version}\n' libboost1.81-dev >>"$folder/versions"
}

# source_of NAME: the unpacked folder of a source package.
source_of() { echo "$work/sources/$1"-[0-9]*/; }

# write_compilers TARGET: cc, c++, ar and ranlib of one target. Zig would add checks of undefined
# behaviour to unoptimised code.
write_compilers() {
  local bin=$work/$1/bin tool
  mkdir -p "$bin"
  for tool in cc c++; do
    printf '#!/bin/sh\nexec %q %s -target %s -fno-sanitize=all "$@"\n' "$zig" "$tool" "$1" >"$bin/$tool"
  done
  for tool in ar ranlib; do
    printf '#!/bin/sh\nexec %q %s "$@"\n' "$zig" "$tool" >"$bin/$tool"
  done
  chmod +x "$bin"/*
}

# with_cmake TARGET SOURCE [OPTION...]: builds and installs one library that has a CMakeLists.txt.
with_cmake() {
  local target=$1 source=$2 dir=$work/$1
  shift 2
  local build
  build=$dir/build/$(basename "$source")
  cmake -S "$source" -B "$build" -G Ninja --toolchain "$root/tools/portable/toolchain.cmake" \
    -DROTOR_TARGET="$target" -DROTOR_TARGET_DIR="$dir" -DCMAKE_INSTALL_PREFIX="$dir/prefix" \
    -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_BUILD_TYPE=Release -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
    -DBUILD_SHARED_LIBS=OFF -DBUILD_TESTING=OFF -DCMAKE_POLICY_VERSION_MINIMUM=3.5 "$@" &&
    cmake --build "$build" --parallel "$(nproc)" && cmake --install "$build"
}

# with_configure TARGET SOURCE [OPTION...]: configures a library that has a configure script, in a
# build folder of its own, which becomes the current one.
with_configure() {
  local target=$1 source=$2 dir=$work/$1
  shift 2
  mkdir -p "$dir/build/$(basename "$source")" && cd "$dir/build/$(basename "$source")" &&
    CC=$dir/bin/cc AR=$dir/bin/ar RANLIB=$dir/bin/ranlib CFLAGS="-O2 -fPIC" \
      CPPFLAGS="-I$dir/prefix/include" LDFLAGS="-L$dir/prefix/lib" \
      "$source/configure" --host="${target%.*}" --prefix="$dir/prefix" --disable-shared "$@"
}

# No configuration file of the machine is read: one for a newer OpenSSL could break this one.
build_openssl() {
  local dir=$work/$1
  mkdir -p "$dir/build/openssl" && cd "$dir/build/openssl" &&
    CC=$dir/bin/cc AR=$dir/bin/ar RANLIB=$dir/bin/ranlib "$(source_of openssl)/Configure" \
      "linux-${1%%-*}" --prefix="$dir/prefix" --libdir=lib --openssldir=/etc/ssl no-shared no-tests \
      no-module no-legacy no-engine no-async no-autoload-config \
      -O2 -fPIC -ffunction-sections -fdata-sections &&
    make -s -j"$(nproc)" build_generated libcrypto.a libssl.a && make -s install_dev
}

# HTTP and HTTPS, proxies; certificates are found when the program runs (src/hub).
build_curl() {
  with_cmake "$1" "$(source_of curl)" -DBUILD_CURL_EXE=OFF -DHTTP_ONLY=ON -DCURL_USE_OPENSSL=ON \
    -DCURL_CA_BUNDLE=none -DCURL_CA_PATH=none -DCURL_CA_FALLBACK=ON -DCURL_ZLIB=OFF \
    -DUSE_LIBIDN2=OFF -DCURL_USE_LIBPSL=OFF -DCURL_USE_LIBSSH2=OFF -DHAVE_POLL_FINE=1 \
    -DCURL_DISABLE_NETRC=ON
}

# Descriptions of terminals are where distributions have them; the commonest are built in.
build_ncurses() (
  with_configure "$1" "$(source_of ncurses)" --without-cxx --without-cxx-binding --without-ada \
    --without-manpages --without-progs --without-tests --without-debug --disable-db-install \
    --enable-widec --with-termlib --disable-stripping \
    --with-default-terminfo-dir=/usr/share/terminfo \
    --with-terminfo-dirs=/etc/terminfo:/lib/terminfo:/usr/share/terminfo:/usr/lib/terminfo \
    --with-fallbacks=xterm,xterm-256color,screen,screen-256color,tmux-256color,linux,vt100 &&
    make -s -j"$(nproc)" -C include && make -s -j"$(nproc)" -C ncurses &&
    make -s -C ncurses install.libs && make -s -C include install &&
    ln -sf libtinfow.a "$work/$1/prefix/lib/libtinfo.a"
)

# Debian's patches are younger than the configure script; it is used as it comes. musl's wchar_t is
# Unicode, though musl does not say so.
build_libedit() (
  local make=(make -s -j"$(nproc)" ACLOCAL=: AUTOCONF=: AUTOMAKE=: AUTOHEADER=:)
  local include=$work/$1/prefix/include flags
  flags="-I$include -I$include/ncursesw -D__STDC_ISO_10646__=201103L"
  with_configure "$1" "$(source_of libedit)" --disable-examples CPPFLAGS="$flags" &&
    "${make[@]}" -C src install && "${make[@]}" install-data &&
    sed -i 's/-ledit/& -ltinfo/' "$work/$1/prefix/lib/pkgconfig/libedit.pc"
)

# build_libraries TARGET: line editing is for the program alone, which is linked with musl.
build_libraries() {
  local prefix=$work/$1/prefix
  write_compilers "$1"
  mkdir -p "$prefix/include"
  ln -sfn /usr/include/boost "$prefix/include/boost"
  (build_openssl "$1") &&
    build_curl "$1" &&
    with_cmake "$1" "$(source_of pcre2)" -DPCRE2_SUPPORT_JIT=ON -DPCRE2_BUILD_PCRE2GREP=OFF \
      -DPCRE2_BUILD_TESTS=OFF &&
    with_cmake "$1" "$(source_of utf8proc)" &&
    with_cmake "$1" "$(source_of fmtlib)" -DFMT_TEST=OFF -DFMT_DOC=OFF &&
    with_cmake "$1" "$(source_of simdjson)" &&
    with_cmake "$1" "$(source_of cli11)" -DCLI11_BUILD_TESTS=OFF -DCLI11_BUILD_EXAMPLES=OFF &&
    with_cmake "$1" "$root/tools/portable/boost_json" || return
  [[ $1 != *musl ]] || { build_ncurses "$1" && build_libedit "$1"; }
}
