// The kernel that joins what the splits of the keys gave (attention_decode.h).
#pragma once

#include "kernels/cuda/attention/attention_decode_operands.h"
#include "kernels/cuda/device/pack.h"
#include "kernels/cuda/device/row_reduce.h"

namespace lookback::kernels {

// A block joins the splits of a row: each warp takes some in turn, a lane four columns of each at a
// time.
template <class T>
struct JoinSplits {
  static constexpr int threads = decode_threads;
  static constexpr int width = 4;
  static constexpr int block_columns = device::warp_threads * width;
  static constexpr std::size_t shared_bytes = threads * (width + 1) * sizeof(float);
  using Sums = Pack<float, width>;

  DecodeOperands<T> operands;

  LOOKBACK_DEVICE void operator()() const {
    const auto splits = operands.plan.splits;
    const auto per_head = operands.rows_of_key_head();
    const auto key_head = device::block_index() / per_head;
    const auto row = operands.row_at(key_head, device::block_index() - key_head * per_head);
    const auto first = device::block_index() * splits;
    const int lane = device::thread_index() % device::warp_threads;
    const int warp = device::thread_index() / device::warp_threads;
    float highest = no_score;
    for (auto i = lane; i < splits; i += device::warp_threads) {
      const float other = operands.totals[2 * (first + i)];
      if (other > highest) highest = other;
    }
    highest = device::reduce_warp(highest, Higher{});
    for (std::int64_t column = lane * width; column - lane * width < operands.v.width;
         column += block_columns) {
      float total = 0;
      Sums sums{};
      if (column < operands.v.width) add_splits(first, warp, column, highest, sums, total);
      join_warps(row, column, highest, sums, total);
    }
  }

 private:
  // A score that is no number shows in the sums.
  struct Higher {
    LOOKBACK_DEVICE float operator()(float a, float b) const { return a > b ? a : b; }
  };

  LOOKBACK_DEVICE void add_splits(std::int64_t first, int warp, std::int64_t column, float highest,
                                  Sums& sums, float& total) const {
    constexpr int ahead = 4;
    const auto splits = operands.plan.splits;
    for (std::int64_t begin = warp; begin < splits; begin += ahead * decode_warps) {
      Sums found[ahead];
      float of_split[ahead][2];
      LOOKBACK_UNROLL
      for (int j = 0; j < ahead; ++j) {
        const auto i = begin + j * decode_warps < splits ? begin + j * decode_warps : begin;
        found[j] = read_pack<width>(operands.sums + (first + i) * operands.v.width + column);
        of_split[j][0] = operands.totals[2 * (first + i)];
        of_split[j][1] = operands.totals[2 * (first + i) + 1];
      }
      LOOKBACK_UNROLL
      for (int j = 0; j < ahead; ++j) {
        if (begin + j * decode_warps >= splits) break;
        const float share = share_of(of_split[j][0], highest);
        total = device::fma(share, of_split[j][1], total);
        LOOKBACK_UNROLL
        for (int e = 0; e < width; ++e) {
          sums.element[e] = device::fma(share, found[j].element[e], sums.element[e]);
        }
      }
    }
  }

  LOOKBACK_DEVICE void join_warps(const typename DecodeOperands<T>::Row& row, std::int64_t column,
                                  float highest, Sums sums, float total) const {
    auto* of_threads = reinterpret_cast<Sums*>(device::shared_memory());
    auto* totals = reinterpret_cast<float*>(of_threads + threads);
    const int thread = device::thread_index();
    of_threads[thread] = sums;
    totals[thread] = total;
    device::sync_block();
    if (thread < device::warp_threads && column < operands.v.width) {
      for (int other = thread + device::warp_threads; other < threads;
           other += device::warp_threads) {
        total += totals[other];
        LOOKBACK_UNROLL
        for (int e = 0; e < width; ++e) sums.element[e] += of_threads[other].element[e];
      }
      LOOKBACK_UNROLL
      for (int e = 0; e < width; ++e) operands.write(row, column + e, sums.element[e], total);
      if (column == 0) operands.write_log_sum_exp(row, highest, total);
    }
    device::sync_block();
  }
};

}  // namespace lookback::kernels
