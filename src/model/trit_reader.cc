// SPDX-License-Identifier: Apache-2.0
// The general way from a file's trits to a packed layout: one row block of plain trits at a time.
#include "model/trit_reader.h"

#include <vector>

namespace rotor {

Status TritReader::pack(size_t begin, size_t end, TernaryFormat format, uint8_t* out) const {
  const TernaryFormatInfo& info = format_info(format);
  const size_t bytes = row_block_bytes(format, cols_);
  std::vector<int8_t> trits(kTileRows * cols_);
  for (size_t block = begin; block < end; ++block) {
    ROTOR_TRY(read(block, block + 1, trits.data()));
    info.pack_row_block(trits.data(), cols_, cols_, out + (block - begin) * bytes);
  }
  return {};
}

}  // namespace rotor
