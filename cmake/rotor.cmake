# SPDX-License-Identifier: Apache-2.0
# The functions every module's CMakeLists.txt is written with.

# Adds the static library rotor_<name> (alias rotor::<name>) of one layer. DEPS may only name lower
# layers; tests/layers_test checks the same rule on the includes. PRECOMPILE: in a sanitizer's build,
# which clang makes, the standard headers are precompiled, and those that follow the word; it saves a tenth to a
# third of the time that the files take. GCC 12 warns of the standard library's own code where that is precompiled.
function(rotor_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRECOMPILE" ${ARGN})
  add_library(rotor_${name} STATIC ${ARG_SOURCES})
  add_library(rotor::${name} ALIAS rotor_${name})
  target_include_directories(rotor_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:include>)
  target_link_libraries(rotor_${name} PUBLIC ${ARG_DEPS} PRIVATE rotor_warnings)
  if(ROTOR_SANITIZE AND "PRECOMPILE" IN_LIST ARGN)
    target_precompile_headers(rotor_${name} PRIVATE
      <algorithm> <array> <cmath> <filesystem> <functional> <memory> <optional> <string> <vector>
      ${ARG_PRECOMPILE})
  endif()
  set_property(GLOBAL APPEND PROPERTY ROTOR_LIBRARIES rotor_${name})
endfunction()

# Flags of tests and, in a sanitizer's build, of the programs: not optimised, as compilers spend three
# quarters of their time on what the headers of tests unfold to, which runs for milliseconds. Tests
# labelled `numbers` are compiled as the modules are.
add_library(rotor_quick_compile INTERFACE)
target_compile_options(rotor_quick_compile INTERFACE -O0 -U_FORTIFY_SOURCE)
target_link_libraries(rotor_quick_compile INTERFACE rotor_warnings)
add_library(rotor_program_flags INTERFACE)
if(ROTOR_SANITIZE)
  target_link_libraries(rotor_program_flags INTERFACE rotor_quick_compile)
else()
  target_link_libraries(rotor_program_flags INTERFACE rotor_warnings)
endif()

# A program without tests: its precompiled header serves every test program.
if(ROTOR_TESTS)
  file(CONFIGURE OUTPUT rotor_test_headers.cc CONTENT "")
  add_executable(rotor_test_headers ${CMAKE_CURRENT_BINARY_DIR}/rotor_test_headers.cc)
  target_precompile_headers(rotor_test_headers PRIVATE <gtest/gtest.h> <gmock/gmock.h>)
  target_link_libraries(rotor_test_headers PRIVATE
    rotor_quick_compile GTest::gtest GTest::gmock GTest::gtest_main)
endif()

# Seconds a test may take: sanitizers make some of them twenty times slower.
set(test_timeout 300)
if(ROTOR_SANITIZE)
  set(test_timeout 1500)
endif()

# Adds a GoogleTest program and registers it with ctest under its own name. Label `threads` for tests
# of code that several threads run at once, `numbers` for tests whose outcome hangs on how a compiler
# treats arithmetic: the targets threads_tests and numbers_tests build those.
function(rotor_test name)
  if(NOT ROTOR_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest GTest::gmock GTest::gtest_main)
  if("numbers" IN_LIST ARG_LABELS)
    target_link_libraries(${name} PRIVATE rotor_warnings)
  else()
    target_link_libraries(${name} PRIVATE rotor_quick_compile)
    if(NOT CMAKE_DISABLE_PRECOMPILE_HEADERS)
      target_precompile_headers(${name} REUSE_FROM rotor_test_headers)
    endif()
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES
    ENVIRONMENT "ROTOR_SOURCE_DIR=${PROJECT_SOURCE_DIR};ROTOR_BINARY_DIR=${PROJECT_BINARY_DIR}"
    TIMEOUT ${test_timeout} LABELS "${ARG_LABELS}")
  foreach(label ${ARG_LABELS})
    if(TARGET ${label}_tests)
      add_dependencies(${label}_tests ${name})
    endif()
  endforeach()
endfunction()

# Adds a libFuzzer target and registers it with ctest. With ROTOR_FUZZ it fuzzes for
# ROTOR_FUZZ_SECONDS, starting from the CORPUS folders; otherwise it is linked with a driver that
# replays them, so that every build runs every seed and the targets cannot rot.
function(rotor_fuzz name)
  if(NOT ROTOR_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;CORPUS" ${ARGN})
  list(TRANSFORM ARG_CORPUS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ REGEX "^[^/]")
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} rotor_program_flags)
  if(ROTOR_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set(found ${CMAKE_CURRENT_BINARY_DIR}/${name}_found)  # new inputs; crashes are written beside it
    file(MAKE_DIRECTORY ${found})
    add_test(NAME ${name} COMMAND ${name} ${found} ${ARG_CORPUS} -max_total_time=${ROTOR_FUZZ_SECONDS}
      -timeout=10 -rss_limit_mb=1024 -print_final_stats=1)
  else()
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/replay_corpus.cc)
    add_test(NAME ${name} COMMAND ${name} ${ARG_CORPUS})
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 LABELS fuzz)
endfunction()
