// SPDX-License-Identifier: Apache-2.0
// The eight tile registers of AMX, in memory, and what the kernels do with them, as Intel describes
// it for palette 1. What a processor would refuse with #GP or #UD ends the program with a message.
// Test code.
#pragma once

#include <cstddef>

namespace rotor::emulated {

void tile_loadconfig(const void* config);
void tile_release();
void tile_zero(int tile);
void tile_loadd(int tile, const void* base, ptrdiff_t stride);
void tile_stored(int tile, void* base, ptrdiff_t stride);

// c (rows, columns; int32) += a (rows, quads x 4; int8) times b (quads, columns x 4; uint8), modulo
// 2^32.
void tile_dpbsud(int c, int a, int b);

// Whether this thread has to call tile_release().
bool tiles_configured();

}  // namespace rotor::emulated
