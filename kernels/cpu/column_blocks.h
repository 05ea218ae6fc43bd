// How a matrix [rows, columns] is cut up for sums over its rows (bias gradients, batch normalisation).
//
// Columns are the contiguous axis, so the loops vectorise across them. Narrow rows would fill a vector badly: they are
// folded `fold` at a time into one row of `period` = fold·columns ≥ 64 elements, and the groups are joined at the end.
// Folded rows are shared out in blocks of about 16384 elements. Both numbers depend on the shape alone, and blocks are
// joined in order: the same bits for any number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tessera::kernels::cpu {

struct ColumnBlocks {
  std::int64_t rows, columns;
  std::int64_t fold = 1, period = 0;  // period = fold · columns: one folded row
  std::int64_t folded_rows = 0;       // whole folded rows; the remaining rows belong to the last block
  std::int64_t blocks = 1;

  ColumnBlocks(std::int64_t row_count, std::int64_t column_count) : rows(row_count), columns(column_count) {
    while (fold * columns < 64 && fold < 64) fold *= 2;
    period = fold * columns;
    folded_rows = rows / fold;
    blocks = std::clamp<std::int64_t>(rows * columns / 16384, 1, 128);
    blocks = std::min(blocks, std::max<std::int64_t>(folded_rows, 1));
  }

  std::int64_t first_row(std::int64_t block) const { return folded_rows * block / blocks; }
  std::int64_t begin(std::int64_t block) const { return first_row(block) * period; }  // first element
  std::int64_t end(std::int64_t block) const { return block + 1 == blocks ? rows * columns : begin(block + 1); }
  std::int64_t count(std::int64_t block) const { return end(block) - begin(block); }

  // Elements to take at a time, whole folded rows: all of a block or, where they are widened into a buffer, about 4096.
  std::int64_t piece(bool buffered) const {
    return buffered ? std::max<std::int64_t>(4096 / period, 1) * period : 1ll << 62;
  }

  // How many elements of the block have position i of the period.
  std::int64_t rows_at(std::int64_t block, std::int64_t i) const {
    const std::int64_t whole = first_row(block + 1) - first_row(block);
    return whole + (count(block) - whole * period > i ? 1 : 0);
  }
};

}  // namespace tessera::kernels::cpu
