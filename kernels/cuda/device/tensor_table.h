// Lists of tensors in one launch: each block works on one chunk of one tensor.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cuda/device/pack.h"

namespace lookback::kernels {

inline constexpr std::int64_t table_chunk_elements = 1 << 14;

// As many tensors as the arguments of a kernel hold (4 KiB), `fields` pointers each.
template <int fields>
struct TensorTable {
  static constexpr int most = (3 << 10) / (8 * fields + 16);

  void* data[most][fields];
  std::int64_t elements[most];
  std::int32_t first_block[most + 1];  // of each tensor; behind the last: how many in all
  int tensors = 0;

  // Which tensor a block works on, and where it begins.
  struct Chunk {
    int tensor;
    std::int64_t begin, end;
  };
  LOOKBACK_DEVICE Chunk chunk_of(std::int64_t block) const {
    int low = 0, high = tensors - 1;  // the last tensor that begins at or before the block
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (first_block[middle] <= block) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    const auto begin = (block - first_block[low]) * table_chunk_elements;
    const auto end = begin + table_chunk_elements;
    return {low, begin, end < elements[low] ? end : elements[low]};
  }
  std::int64_t blocks() const { return first_block[tensors]; }

  // Whether packs of so many elements of T can be read in all of them.
  template <class T>
  bool takes_packs(int width) const {
    for (int i = 0; i < tensors; ++i) {
      for (const void* x : data[i]) {
        if (!is_aligned<T>(x, width)) return false;
      }
    }
    return true;
  }
};

// The elements of a chunk, dealt out to a block's threads: packs(i) for `width` of them side by
// side, one(i) for each of those that are left at the end of a tensor.
template <int threads, int width, class Chunk, class Packs, class One>
LOOKBACK_DEVICE void for_each_of_chunk(const Chunk& chunk, const Packs& packs, const One& one) {
  const auto in_packs = chunk.begin + (chunk.end - chunk.begin) / width * width;
  for (auto i = chunk.begin + device::thread_index() * width; i < in_packs; i += threads * width) {
    packs(i);
  }
  for (auto i = in_packs + device::thread_index(); i < chunk.end; i += threads) one(i);
}

// run(table, first tensor of it) for tables that together hold all tensors that are not empty.
// pointers(i, data) writes tensor i's pointers.
template <int fields, class Pointers, class Run>
void for_each_table(std::span<const std::int64_t> elements, const Pointers& pointers,
                    const Run& run) {
  using Table = TensorTable<fields>;
  Table table;
  std::vector<std::size_t> members;
  const auto flush = [&] {
    if (table.tensors > 0) run(table, members);
    table.tensors = 0;
    members.clear();
  };
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (elements[i] == 0) continue;
    if (table.tensors == Table::most) flush();
    if (table.tensors == 0) table.first_block[0] = 0;
    const int at = table.tensors++;
    pointers(i, table.data[at]);
    table.elements[at] = elements[i];
    table.first_block[at + 1] =
        table.first_block[at] +
        static_cast<std::int32_t>(device::blocks_for(elements[i], table_chunk_elements));
    members.push_back(i);
  }
  flush();
}

}  // namespace lookback::kernels
