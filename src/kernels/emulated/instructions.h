// SPDX-License-Identifier: Apache-2.0
// Included before the first line of kernels for AMX and AVX-VNNI that are compiled to run without:
// their intrinsics become functions, or the same instruction in AVX-512's encoding, and
// rotor::kernels becomes rotor::emulated. Test code.
#pragma once

#include <immintrin.h>

#include "kernels/emulated/tiles.h"

#undef _tile_loadd  // these are macros of the compiler's
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbsud
#define _tile_loadconfig rotor::emulated::tile_loadconfig
#define _tile_release rotor::emulated::tile_release
#define _tile_loadd rotor::emulated::tile_loadd
#define _tile_stored rotor::emulated::tile_stored
#define _tile_zero rotor::emulated::tile_zero
#define _tile_dpbsud rotor::emulated::tile_dpbsud

#define _mm256_dpbusd_avx_epi32(sum, a, b) _mm256_dpbusd_epi32(sum, a, b)

#define kernels emulated
