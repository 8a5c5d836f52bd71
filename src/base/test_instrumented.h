// SPDX-License-Identifier: Apache-2.0
// Whether a sanitizer watches the program: frames are wider then, and every access takes several times as long.
#pragma once

#if defined(__has_feature)  // clang's way; gcc has macros
#define ROTOR_HAS_FEATURE(name) __has_feature(name)
#else
#define ROTOR_HAS_FEATURE(name) 0
#endif

namespace rotor::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    ROTOR_HAS_FEATURE(address_sanitizer) || ROTOR_HAS_FEATURE(thread_sanitizer)
inline constexpr bool kIsInstrumented = true;
#else
inline constexpr bool kIsInstrumented = false;
#endif

}  // namespace rotor::test

#undef ROTOR_HAS_FEATURE
