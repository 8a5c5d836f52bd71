// SPDX-License-Identifier: Apache-2.0
// Asks the processor, and where registers must be saved the operating system, which levels run here.
#include "base/cpu_features.h"

#include <array>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace rotor {
namespace {

constexpr std::array<std::string_view, 9> kIsaNames = {
    "scalar", "avx2", "avxvnni", "avx512vnni", "avx512vbmi", "amx", "neon", "dotprod", "i8mm"};

constexpr uint32_t bit_of(IsaLevel level) { return 1u << static_cast<unsigned>(level); }

#if defined(__x86_64__)

struct CpuidLeaf {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
};

// All zero when the processor does not have the leaf.
CpuidLeaf cpuid(unsigned leaf, unsigned subleaf = 0) {
  CpuidLeaf r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) {
    return CpuidLeaf{};
  }
  return r;
}

bool has(unsigned reg, unsigned bit) { return (reg >> bit & 1u) != 0; }

// XCR0: the register files the operating system saves on a context switch.
uint64_t saved_state() {
  unsigned low = 0;
  unsigned high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

// Linux hands out the 8 KiB AMX tile registers only to processes that ask.
bool tiles_permitted() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

uint32_t detect_levels() {
  constexpr uint64_t kAvxState = 0x6;      // XMM, YMM
  constexpr uint64_t kAvx512State = 0xe6;  // + opmask, ZMM 0-15, ZMM 16-31
  constexpr uint64_t kTileState = 0x60000;
  const CpuidLeaf leaf1 = cpuid(1);
  const CpuidLeaf leaf7 = cpuid(7, 0);
  const CpuidLeaf leaf71 = cpuid(7, 1);
  const uint64_t state = has(leaf1.ecx, 27) ? saved_state() : 0;  // OSXSAVE

  uint32_t levels = bit_of(IsaLevel::kScalar);
  const bool avx2 = (state & kAvxState) == kAvxState && has(leaf1.ecx, 12) /* FMA */ &&
                    has(leaf1.ecx, 29) /* F16C */ && has(leaf7.ebx, 5);
  if (!avx2) {
    return levels;
  }
  levels |= bit_of(IsaLevel::kAvx2);
  if (has(leaf71.eax, 4)) {
    levels |= bit_of(IsaLevel::kAvxVnni);
  }
  const bool avx512 = (state & kAvx512State) == kAvx512State && has(leaf7.ebx, 16) /* F */ &&
                      has(leaf7.ebx, 17) /* DQ */ && has(leaf7.ebx, 30) /* BW */ &&
                      has(leaf7.ebx, 31) /* VL */ && has(leaf7.ecx, 11) /* VNNI */;
  if (!avx512) {
    return levels;
  }
  levels |= bit_of(IsaLevel::kAvx512Vnni);
  if (!has(leaf7.ecx, 1)) {
    return levels;
  }
  levels |= bit_of(IsaLevel::kAvx512Vbmi);
  const bool amx = (state & kTileState) == kTileState && has(leaf7.edx, 24) /* TILE */ &&
                   has(leaf7.edx, 25) /* INT8 */;
  if (amx && tiles_permitted()) {
    levels |= bit_of(IsaLevel::kAmx);
  }
  return levels;
}

std::string detect_model() {
  if (cpuid(0x80000000u).eax < 0x80000004u) {
    return "x86-64";
  }
  char text[49] = {};
  for (unsigned i = 0; i < 3; ++i) {
    const CpuidLeaf r = cpuid(0x80000002u + i);
    const unsigned words[4] = {r.eax, r.ebx, r.ecx, r.edx};
    std::memcpy(text + 16 * i, words, sizeof(words));
  }
  const std::string model(text);
  const size_t first = model.find_first_not_of(' ');
  return first == std::string::npos ? "x86-64" : model.substr(first);
}

bool detect_amd() {
  const CpuidLeaf r = cpuid(0);
  const unsigned maker[3] = {r.ebx, r.edx, r.ecx};
  return std::memcmp(maker, "AuthenticAMD", sizeof(maker)) == 0;
}

#elif defined(__aarch64__)

uint32_t detect_levels() {
  constexpr unsigned long kAsimdDotProduct = 1ul << 20;  // HWCAP_ASIMDDP
  constexpr unsigned long kInt8MatrixMultiply = 1ul << 13;  // HWCAP2_I8MM
  uint32_t levels = bit_of(IsaLevel::kScalar) | bit_of(IsaLevel::kNeon);
  if ((getauxval(AT_HWCAP) & kAsimdDotProduct) != 0) {
    levels |= bit_of(IsaLevel::kDotprod);
    if ((getauxval(AT_HWCAP2) & kInt8MatrixMultiply) != 0) {
      levels |= bit_of(IsaLevel::kI8mm);
    }
  }
  return levels;
}

std::string detect_model() { return "AArch64"; }

bool detect_amd() { return false; }

#else

uint32_t detect_levels() { return bit_of(IsaLevel::kScalar); }

std::string detect_model() { return "unknown processor"; }

bool detect_amd() { return false; }

#endif

CpuFeatures detect() {
  CpuFeatures features;
  features.model = detect_model();
  features.supported = detect_levels();
  features.amd = detect_amd();
  for (size_t i = 0; i < kIsaNames.size(); ++i) {
    if (features.supports(static_cast<IsaLevel>(i))) {
      features.best = static_cast<IsaLevel>(i);
    }
  }
  return features;
}

std::string supported_names() {
  std::string names;
  for (size_t i = 0; i < kIsaNames.size(); ++i) {
    if (cpu_features().supports(static_cast<IsaLevel>(i))) {
      names += (names.empty() ? "" : ", ") + std::string(kIsaNames[i]);
    }
  }
  return names;
}

}  // namespace

std::string_view isa_name(IsaLevel level) { return kIsaNames[static_cast<size_t>(level)]; }

Result<IsaLevel> parse_isa(std::string_view name) {
  std::string known;
  for (size_t i = 0; i < kIsaNames.size(); ++i) {
    if (kIsaNames[i] == name) {
      return static_cast<IsaLevel>(i);
    }
    known += (known.empty() ? "" : ", ") + std::string(kIsaNames[i]);
  }
  return invalid_argument("unknown instruction-set level \"" + std::string(name) +
                          "\"; known levels: " + known);
}

bool CpuFeatures::supports(IsaLevel level) const { return (supported & bit_of(level)) != 0; }

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

Result<IsaLevel> selected_isa() {
  const char* name = std::getenv("ROTOR_ISA");
  if (name == nullptr || *name == '\0') {
    return cpu_features().best;
  }
  Result<IsaLevel> level = parse_isa(name);
  if (!level.ok()) {
    return Status(level.status()).with_context("ROTOR_ISA");
  }
  if (!cpu_features().supports(*level)) {
    return invalid_argument("ROTOR_ISA asks for \"" + std::string(name) +
                            "\", which this CPU lacks; it has: " + supported_names());
  }
  return level;
}

void spin_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace rotor
