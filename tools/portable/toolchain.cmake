# SPDX-License-Identifier: Apache-2.0
# Zig's clang with its own C and C++ library for one target; libraries.sh writes the folder
# ROTOR_TARGET_DIR: bin/ has the compilers, prefix/ the static libraries.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ROTOR_TARGET ROTOR_TARGET_DIR)
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR ${ROTOR_TARGET})
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${ROTOR_TARGET_DIR}/bin/cc)
set(CMAKE_CXX_COMPILER ${ROTOR_TARGET_DIR}/bin/c++)
set(CMAKE_AR ${ROTOR_TARGET_DIR}/bin/ar)
set(CMAKE_RANLIB ${ROTOR_TARGET_DIR}/bin/ranlib)
set(CMAKE_C_FLAGS_INIT "-ffunction-sections -fdata-sections")
set(CMAKE_CXX_FLAGS_INIT "-ffunction-sections -fdata-sections")
# musl gives threads 128 KiB unless the program's header asks for more.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-s -static -Wl,--gc-sections -Wl,-z,stack-size=8388608")
# Zig can do both; asking would build its C++ library once for each.
foreach(language C CXX)
  set(CMAKE_${language}_LINK_PIE_SUPPORTED ON)
  set(CMAKE_${language}_LINK_NO_PIE_SUPPORTED ON)
endforeach()
set(CMAKE_FIND_ROOT_PATH ${ROTOR_TARGET_DIR}/prefix)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(OPENSSL_USE_STATIC_LIBS ON)
set(ENV{PKG_CONFIG_LIBDIR} ${ROTOR_TARGET_DIR}/prefix/lib/pkgconfig)
