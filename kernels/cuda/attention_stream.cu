#include "kernels/cuda/attention_fragments.h"
#include "kernels/cuda/attention_streaming.h"

namespace lookback::kernels {
namespace {

// A block owns some query rows of one head and walks over the keys they see. Softmax is online: the
// largest score so far and the sum of weights relative to it; weights of an earlier run need
// neither.
template <class T, int value_columns>
struct StreamForward {
  static constexpr int threads = tile_warps<T> * device::warp_threads;
  static constexpr int resident_blocks = tile_resident_blocks<T>;
  static constexpr int rows = tile_rows<T>;
  static constexpr int keys = keys_of_tile<T>(value_columns);
  using Scores = float[keys / 8][4];

  StreamOperands<T> operands;
  HeadRows<T> y;
  float* log_sum_exp;  // where none is given
  int score_columns;   // of the tiles of q and k

  LOOKBACK_DEVICE void operator()() const {
    const auto& extent = operands.extent;
    const auto at = place_of_query_block(device::block_index(), extent.sequences, extent.key_heads,
                                         extent.group, extent.rows, rows);
    auto* seen_by_row = reinterpret_cast<int*>(device::shared_memory());
    int* found = seen_by_row + 2 * rows;
    if (device::thread_index() == 0) *found = 0;
    const auto seen = seen_by_rows<rows>(extent, at, seen_by_row);
    const int own[2][2] = {
        {seen_by_row[2 * row_of_thread()], seen_by_row[2 * row_of_thread() + 1]},
        {seen_by_row[2 * row_of_thread() + 16], seen_by_row[2 * row_of_thread() + 17]}};
    float sums[value_columns / 8][4];
    clear(sums);
    constexpr float nothing = -std::numeric_limits<float>::infinity();
    float maximum[2] = {nothing, nothing}, total[2] = {0, 0};
    const bool given = operands.log_sum_exp != nullptr;
    if (given) {
      for (int half = 0; half < 2; ++half) maximum[half] = given_of_row(at, half);
    }

    T* v_tile = tile_v();
    const int begin = seen.begin(keys);
    if (begin < seen.last) copy_piece(at, 0, begin, true);
    for (int first = begin; first < seen.last; first += keys) {
      Scores scores;
      clear(scores);
      for (int p = 0; p < operands.pieces.count; ++p) {
        device::wait_for_copies<0>();
        device::synchronise_block();
        if (p + 1 < operands.pieces.count) {
          copy_piece(at, p + 1, first, true);
        } else {
          copy_values(at, first);
        }
        Scores of_piece;
        clear(of_piece);
        multiply_rows(of_piece, tile_q(p), tile_stride_of<T>(score_columns), tile_k(p),
                      tile_stride_of<T>(score_columns),
                      contracted_columns(operands.pieces.piece[p].q.width));
        add_scaled(scores, operands.scales[p], of_piece);
      }
      const bool whole = seen.whole(first, keys);
      if (!whole) hide(scores, first, own);
      if (!given) raise_maximum(scores, maximum, total, sums);
      make_weights(scores, maximum, total);
      device::wait_for_copies<0>();
      device::synchronise_block();
      if (first + keys < seen.last) {
        copy_piece(at, 0, first + keys, operands.pieces.count > 1);
      }
      if (!whole) {
        clean_tile<threads>(v_tile, keys, value_columns, found);
        device::synchronise_block();
      }
      multiply_fragment(sums, scores, v_tile, tile_stride_of<T>(value_columns));
      if (!whole && *found != 0) add_what_is_no_number(at, first, own, sums);
    }
    finish(at, given, maximum, total, sums);
  }

 private:
  LOOKBACK_DEVICE T* tiles() const {
    return reinterpret_cast<T*>(device::shared_memory() + seen_bytes<T>);
  }
  LOOKBACK_DEVICE T* tile_q(int piece) const {
    return tiles() + piece % 2 * rows * tile_stride_of<T>(score_columns);
  }
  LOOKBACK_DEVICE T* tile_k(int piece) const {
    const int buffers = operands.pieces.count > 1 ? 2 : 1;
    return tiles() + (buffers * rows + piece % 2 * keys) * tile_stride_of<T>(score_columns);
  }
  LOOKBACK_DEVICE T* tile_v() const {
    const int buffers = operands.pieces.count > 1 ? 2 : 1;
    return tiles() + buffers * (rows + keys) * tile_stride_of<T>(score_columns);
  }

  // Starts the copies of keys and, where asked for, of the queries.
  LOOKBACK_DEVICE void copy_piece(const BlockPlace& at, int p, int first, bool queries) const {
    const auto& piece = operands.pieces.piece[p];
    const auto& extent = operands.extent;
    if (queries) {
      copy_tile<threads>(tile_q(p), rows, score_columns,
                         piece.q.at(at.sequence, at.first, at.key_head, at.place), piece.q.row_step,
                         extent.rows - at.first, piece.q.width);
    }
    copy_tile<threads>(tile_k(p), keys, score_columns,
                       piece.k.at(at.sequence, first, at.key_head, 0), piece.k.row_step,
                       extent.keys - first, piece.k.width);
    device::commit_copies();
  }
  LOOKBACK_DEVICE void copy_values(const BlockPlace& at, int first) const {
    const auto& v = operands.v;
    copy_tile<threads>(tile_v(), keys, value_columns, v.at(at.sequence, first, at.key_head, 0),
                       v.row_step, operands.extent.keys - first, v.width);
    device::commit_copies();
  }

  LOOKBACK_DEVICE float given_of_row(const BlockPlace& at, int half) const {
    const auto row = at.first + row_of_thread() + 8 * half;
    if (row >= operands.extent.rows) return 0;
    return operands
        .log_sum_exp[operands.extent.row_number(at.sequence, at.key_head, at.place, row)];
  }

  static LOOKBACK_DEVICE void hide(Scores& scores, int first, const int (&own)[2][2]) {
    LOOKBACK_UNROLL
    for (int n = 0; n < keys / 8; ++n) {
      LOOKBACK_UNROLL
      for (int i = 0; i < 4; ++i) {
        const int key = first + n * 8 + column_of_thread() + i % 2;
        if (key < own[i / 2][0] || key >= own[i / 2][1]) {
          scores[n][i] = -std::numeric_limits<float>::infinity();
        }
      }
    }
  }

  // The largest score so far; what was added up before becomes relative to it.
  static LOOKBACK_DEVICE void raise_maximum(const Scores& scores, float (&maximum)[2],
                                            float (&total)[2],
                                            float (&sums)[value_columns / 8][4]) {
    LOOKBACK_UNROLL
    for (int half = 0; half < 2; ++half) {
      float highest = maximum[half];
      LOOKBACK_UNROLL
      for (int n = 0; n < keys / 8; ++n) {
        LOOKBACK_UNROLL
        for (int i = 0; i < 2; ++i) {
          const float score = scores[n][2 * half + i];
          highest = score > highest ? score : highest;
        }
      }
      LOOKBACK_UNROLL
      for (int lanes = 1; lanes < 4; lanes *= 2) {
        const float other = device::exchange_xor(highest, lanes);
        highest = other > highest ? other : highest;
      }
      const float rescale = weight_of(maximum[half], center_of(highest));
      maximum[half] = highest;
      total[half] *= rescale;
      LOOKBACK_UNROLL
      for (int n = 0; n < value_columns / 8; ++n) {
        sums[n][2 * half] *= rescale;
        sums[n][2 * half + 1] *= rescale;
      }
    }
  }

  static LOOKBACK_DEVICE void make_weights(Scores& scores, const float (&maximum)[2],
                                           float (&total)[2]) {
    LOOKBACK_UNROLL
    for (int half = 0; half < 2; ++half) {
      const float center = center_of(maximum[half]);
      LOOKBACK_UNROLL
      for (int n = 0; n < keys / 8; ++n) {
        LOOKBACK_UNROLL
        for (int i = 0; i < 2; ++i) {
          float& score = scores[n][2 * half + i];
          score = weight_of(score, center);
          total[half] += score;
        }
      }
    }
  }

  // The values that clean_tile() took away, for the rows that do see them.
  LOOKBACK_DEVICE void add_what_is_no_number(const BlockPlace& at, int first,
                                             const int (&own)[2][2],
                                             float (&sums)[value_columns / 8][4]) const {
    for (int key = first; key < first + keys; ++key) {
      if (key >= own[0][1] && key >= own[1][1]) break;
      const T* row = operands.v.at(at.sequence, key, at.key_head, 0);
      LOOKBACK_UNROLL
      for (int n = 0; n < value_columns / 8; ++n) {
        LOOKBACK_UNROLL
        for (int i = 0; i < 4; ++i) {
          const int column = n * 8 + column_of_thread() + i % 2;
          if (column >= operands.v.width || key < own[i / 2][0] || key >= own[i / 2][1]) continue;
          const float value = static_cast<float>(row[column]);
          if (!is_finite(value)) sums[n][i] += value;
        }
      }
    }
  }

  LOOKBACK_DEVICE void finish(const BlockPlace& at, bool given, const float (&maximum)[2],
                              float (&total)[2], const float (&sums)[value_columns / 8][4]) const {
    const auto& extent = operands.extent;
    LOOKBACK_UNROLL
    for (int half = 0; half < 2; ++half) {
      LOOKBACK_UNROLL
      for (int lanes = 1; lanes < 4; lanes *= 2) {
        total[half] += device::exchange_xor(total[half], lanes);
      }
      const auto row = at.first + row_of_thread() + 8 * half;
      if (row >= extent.rows) continue;
      const bool saw_something = total[half] != 0;
      float factor = 1;
      if (!given) {
        if (saw_something) factor = 1 / total[half];
        if (lane_of_warp() % 4 == 0) {
          log_sum_exp[extent.row_number(at.sequence, at.key_head, at.place, row)] =
              saw_something ? maximum[half] + device::log(total[half])
                            : -std::numeric_limits<float>::infinity();
        }
      }
      store_row<Store::write>(y.at(at.sequence, row, at.key_head, at.place), y.width, sums, half,
                              factor);
    }
  }
};

}  // namespace

template <class T>
void stream_forward(const StreamOperands<T>& operands, const HeadRows<T>& y, float* log_sum_exp) {
  const int score_columns = widest_score_columns(operands.pieces);
  visit_accumulated_columns<T>(operands.v.width, [&]<int columns>() {
    using Kernel = StreamForward<T, columns>;
    device::launch(
        {.blocks = query_blocks<T>(operands.extent),
         .shared_bytes = forward_bytes<T>(columns, score_columns, operands.pieces.count)},
        Kernel{operands, y, log_sum_exp, score_columns});
  });
}
template void stream_forward(const StreamOperands<float>&, const HeadRows<float>&, float*);
template void stream_forward(const StreamOperands<BFloat16>&, const HeadRows<BFloat16>&, float*);

}  // namespace lookback::kernels
