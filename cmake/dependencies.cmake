# SPDX-License-Identifier: Apache-2.0
# Third-party libraries: Debian 12 packages first, elsewhere the pinned source of the same library.
include(FetchContent)
set(FETCHCONTENT_QUIET ON)
find_package(Threads REQUIRED)

if(ROTOR_KERNELS_ONLY)
  # A cross build: no library of the target machine is there, so the test framework comes as source.
  if(ROTOR_TESTS)
    add_subdirectory(/usr/src/googletest ${PROJECT_BINARY_DIR}/googletest EXCLUDE_FROM_ALL)
  endif()
  return()
endif()

find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto)
find_package(CURL 7.85 REQUIRED)
find_package(Boost 1.81 REQUIRED CONFIG COMPONENTS json)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)

FetchContent_Declare(simdjson GIT_REPOSITORY https://github.com/simdjson/simdjson.git
  GIT_TAG v3.0.1 FIND_PACKAGE_ARGS 3.0)
FetchContent_Declare(CLI11 GIT_REPOSITORY https://github.com/CLIUtils/CLI11.git
  GIT_TAG v2.1.2 FIND_PACKAGE_ARGS 2.1)
FetchContent_Declare(fmt GIT_REPOSITORY https://github.com/fmtlib/fmt.git
  GIT_TAG 9.1.0 FIND_PACKAGE_ARGS 9)
FetchContent_MakeAvailable(simdjson CLI11 fmt)
if(ROTOR_TESTS)
  FetchContent_Declare(googletest GIT_REPOSITORY https://github.com/google/googletest.git
    GIT_TAG release-1.12.1 FIND_PACKAGE_ARGS 1.12 NAMES GTest)
  FetchContent_MakeAvailable(googletest)
endif()
