// SPDX-License-Identifier: Apache-2.0
// Constants of exp (docs/numerics.md), shared by all levels.
#pragma once

namespace rotor::kernels {

// exp(-87) > 2^-126: results are normal numbers, or 0.
constexpr float kExpCutoff = -87.0f;
constexpr float kLog2E = 0x1.715476p+0f;
// 1.5 * 2^23 + 127: adding it rounds to an integer; the low bits of the sum hold n + 127.
constexpr float kExpMagic = 12583039.0f;
// ln 2 in two parts; n * kLn2High is exact for |n| <= 2^14.
constexpr float kLn2High = 0x1.63p-1f;
constexpr float kLn2Low = -0x1.bd0106p-13f;
// Minimax polynomial of (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2, relative error of exp 3.2e-9.
constexpr float kExp2 = 0x1.fffffcp-2f;
constexpr float kExp3 = 0x1.55548cp-3f;
constexpr float kExp4 = 0x1.555858p-5f;
constexpr float kExp5 = 0x1.123de2p-7f;
constexpr float kExp6 = 0x1.6ac6e2p-10f;

}  // namespace rotor::kernels
