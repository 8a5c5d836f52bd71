# SPDX-License-Identifier: Apache-2.0
# Compiler and linker flags of every target. No -march: the kernels name the features they need, file
# by file, and the program runs on any machine of its architecture.

# One order of arithmetic (docs/numerics.md): no contraction, no fast-math, in every file.
add_compile_options(-ffp-contract=off -fno-fast-math)

# Hardening: files and prompts are hostile.
include(CheckPIESupported)
check_pie_supported()
add_compile_options(-fstack-protector-strong)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-fcf-protection -fstack-clash-protection)
endif()
add_compile_options($<$<CONFIG:Release>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>)
add_compile_definitions(_GLIBCXX_ASSERTIONS)
add_link_options(-Wl,-z,relro,-z,now)

# Warnings, for Rotor's own files only: rotor_module and rotor_test link this.
add_library(rotor_warnings INTERFACE)
target_compile_options(rotor_warnings INTERFACE
  -Wall -Wextra -Wpedantic $<$<BOOL:${ROTOR_WERROR}>:-Werror>
  # GCC 12 warns of std::string's own code when it inlines it (GCC bugs 105651, 105329); what its
  # optimiser believes about values is shown but does not end a build.
  "$<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-stringop-overflow>"
  "$<$<CXX_COMPILER_ID:GNU>:-Wno-error=maybe-uninitialized;-Wno-error=array-bounds;-Wno-error=stringop-overread>")

if(ROTOR_SANITIZE)
  add_compile_options(-fsanitize=${ROTOR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${ROTOR_SANITIZE})
endif()
if(ROTOR_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
