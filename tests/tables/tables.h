// SPDX-License-Identifier: Apache-2.0
// The tables of docs/models.md and docs/formats.md: what the code lists (families, GGUF types), and beside
// each thing that is supported the test that shows it. tests/tables/tables_test.py compares.
#pragma once

#include <string>

namespace rotor::tables {

// Throws std::runtime_error for a family or type that the code has and no test is named for.
std::string models();
std::string formats();

// "[yes](../tests/parity/golden_test.py#test_on_its_own)" for "parity/golden_test.py#test_on_its_own", a
// path from tests/ or, with a slash before it, from the root; "no" for none.
std::string link(const std::string& test, const std::string& text = "yes");

}  // namespace rotor::tables
