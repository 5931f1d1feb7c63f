// The sizes of linear attention (kernels/linear_attention.h) as plain numbers, and its tokens cut
// into chunks, for the kernels of the host and of a GPU alike.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/attention_shape.h"
#include "kernels/linear_attention.h"
#include "runtime/host_device.h"

namespace lookback::kernels {

// B, T, G, H / G, K, V, and the chunks of T.
struct ChunkedShape {
  static constexpr std::int64_t chunk = linear_attention_chunk;
  std::int64_t sequences, tokens, key_heads, group, width, value_width, chunks;

  ChunkedShape(const In& q, const In& k, std::int64_t values)
      : sequences(q.size(0)),
        tokens(q.size(1)),
        key_heads(k.size(2)),
        group(key_heads == 0 ? 0 : q.size(2) / key_heads),
        width(q.size(3)),
        value_width(values),
        chunks((tokens + chunk - 1) / chunk) {}

  LOOKBACK_HOST_DEVICE std::int64_t heads() const { return key_heads * group; }
  LOOKBACK_HOST_DEVICE std::int64_t state_numbers() const { return width * value_width; }
  // Chunks of all sequences and key heads.
  std::int64_t places() const { return sequences * key_heads * chunks; }
  LOOKBACK_HOST_DEVICE std::int64_t first_of(std::int64_t number) const { return number * chunk; }
  LOOKBACK_HOST_DEVICE std::int64_t rows_of(std::int64_t number) const {
    const auto left = tokens - first_of(number);
    return left < chunk ? left : chunk;
  }
  // Of a number per row and head, [B, H, T].
  LOOKBACK_HOST_DEVICE std::int64_t row_number(std::int64_t sequence, std::int64_t head,
                                               std::int64_t token) const {
    return (sequence * heads() + head) * tokens + token;
  }
};

// A chunk of one sequence and key head, by its place among all.
struct ChunkPlace {
  std::int64_t sequence, key_head, number;
  LOOKBACK_HOST_DEVICE ChunkPlace(const ChunkedShape& shape, std::int64_t place)
      : sequence(place / shape.chunks / shape.key_heads),
        key_head(place / shape.chunks % shape.key_heads),
        number(place % shape.chunks) {}
};

}  // namespace lookback::kernels
