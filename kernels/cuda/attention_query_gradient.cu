#include "kernels/cuda/attention_fragments.h"
#include "kernels/cuda/attention_streaming.h"
#include "kernels/cuda/row_reduce.h"

namespace lookback::kernels {
namespace {

// dq of one piece: a block owns some query rows of one head and walks over the keys they see. For
// each tile of keys first dP = dy v^T, then the scores, the target piece's last: its keys are what
// dS is multiplied with.
template <class T, int columns>
struct StreamQueryGradient {
  static constexpr int threads = tile_warps<T> * device::warp_threads;
  static constexpr int resident_blocks = tile_resident_blocks<T>;
  static constexpr int rows = tile_rows<T>;
  static constexpr int keys = keys_of_tile<T>(columns);
  using Scores = float[keys / 8][4];

  StreamBackward<T> backward;
  int target;
  HeadRows<T> dq;     // absent: not wanted
  float* parts;       // [blocks] of dscale, or absent
  int score_columns;  // of the tiles of q and k
  int value_columns;  // of the tiles of dy and v

  LOOKBACK_DEVICE void operator()() const {
    const auto& extent = backward.operands.extent;
    const auto& pieces = backward.operands.pieces;
    const auto at = place_of_query_block(device::block_index(), extent.sequences, extent.key_heads,
                                         extent.group, extent.rows, rows);
    auto* seen_by_row = reinterpret_cast<int*>(device::shared_memory());
    const auto seen = seen_by_rows<rows>(extent, at, seen_by_row);
    const int own[2][2] = {
        {seen_by_row[2 * row_of_thread()], seen_by_row[2 * row_of_thread() + 1]},
        {seen_by_row[2 * row_of_thread() + 16], seen_by_row[2 * row_of_thread() + 17]}};
    const float center[2] = {number_of_row(backward.operands.log_sum_exp, at, 0),
                             number_of_row(backward.operands.log_sum_exp, at, 1)};
    const float row_dot[2] = {number_of_row(backward.row_dots, at, 0),
                              number_of_row(backward.row_dots, at, 1)};
    float sums[columns / 8][4];
    clear(sums);

    const int begin = seen.begin(keys);
    if (begin < seen.last) {
      copy_tile<threads>(tile_dy(), rows, value_columns,
                         backward.dy.at(at.sequence, at.first, at.key_head, at.place),
                         backward.dy.row_step, extent.rows - at.first, backward.dy.width);
      copy_values(at, begin);
    }
    for (int first = begin; first < seen.last; first += keys) {
      device::wait_for_copies<0>();
      device::synchronise_block();
      copy_piece(at, 0, first, pieces.count > 1 || first == begin);
      Scores dweights, scores;
      clear(dweights);
      clear(scores);
      multiply_rows(dweights, tile_dy(), tile_stride_of<T>(value_columns), tile_v(),
                    tile_stride_of<T>(value_columns), value_columns);
      for (int turn = 0; turn < pieces.count; ++turn) {
        device::wait_for_copies<0>();
        device::synchronise_block();
        if (turn + 1 < pieces.count) {
          copy_piece(at, turn + 1, first, true);
        } else if (first + keys < seen.last) {
          copy_values(at, first + keys);
        }
        const int p = piece_in_turn(turn, pieces.count, target);
        Scores of_piece;
        clear(of_piece);
        multiply_rows(of_piece, tile_q(turn), tile_stride_of<T>(score_columns), tile_k(turn),
                      tile_stride_of<T>(score_columns),
                      contracted_columns(pieces.piece[p].q.width));
        add_scaled(scores, backward.operands.scales[p], of_piece);
      }
      const bool whole = seen.whole(first, keys);
      make_gradient(scores, dweights, center, row_dot, first, own, whole);
      T* k_tile = tile_k(pieces.count - 1);
      if (!whole) {  // a hidden key may hold anything
        device::synchronise_block();
        clean_tile<threads>(k_tile, keys, score_columns, nullptr);
        device::synchronise_block();
      }
      multiply_fragment(sums, scores, k_tile, tile_stride_of<T>(score_columns));
    }
    finish(at, sums);
  }

 private:
  LOOKBACK_DEVICE T* tile_dy() const {
    return reinterpret_cast<T*>(device::shared_memory() + seen_bytes<T>);
  }
  LOOKBACK_DEVICE T* tile_v() const { return tile_dy() + rows * tile_stride_of<T>(value_columns); }
  LOOKBACK_DEVICE T* tile_q(int turn) const {
    return tile_v() + keys * tile_stride_of<T>(value_columns) +
           turn % 2 * (rows + keys) * tile_stride_of<T>(score_columns);
  }
  LOOKBACK_DEVICE T* tile_k(int turn) const {
    return tile_q(turn) + rows * tile_stride_of<T>(score_columns);
  }

  LOOKBACK_DEVICE void copy_piece(const BlockPlace& at, int turn, int first, bool queries) const {
    const auto& extent = backward.operands.extent;
    const auto& pieces = backward.operands.pieces;
    const auto& piece = pieces.piece[piece_in_turn(turn, pieces.count, target)];
    if (queries) {
      copy_tile<threads>(tile_q(turn), rows, score_columns,
                         piece.q.at(at.sequence, at.first, at.key_head, at.place), piece.q.row_step,
                         extent.rows - at.first, piece.q.width);
    }
    copy_tile<threads>(tile_k(turn), keys, score_columns,
                       piece.k.at(at.sequence, first, at.key_head, 0), piece.k.row_step,
                       extent.keys - first, piece.k.width);
    device::commit_copies();
  }
  LOOKBACK_DEVICE void copy_values(const BlockPlace& at, int first) const {
    const auto& v = backward.operands.v;
    copy_tile<threads>(tile_v(), keys, value_columns, v.at(at.sequence, first, at.key_head, 0),
                       v.row_step, backward.operands.extent.keys - first, v.width);
    device::commit_copies();
  }

  LOOKBACK_DEVICE float number_of_row(const float* numbers, const BlockPlace& at, int half) const {
    const auto& extent = backward.operands.extent;
    const auto row = at.first + row_of_thread() + 8 * half;
    if (row >= extent.rows) return 0;
    return numbers[extent.row_number(at.sequence, at.key_head, at.place, row)];
  }

  // scores = P (dP - D), 0 where a key is hidden.
  static LOOKBACK_DEVICE void make_gradient(Scores& scores, const Scores& dweights,
                                            const float (&log_sum_exp)[2],
                                            const float (&row_dot)[2], int first,
                                            const int (&own)[2][2], bool whole) {
    LOOKBACK_UNROLL
    for (int half = 0; half < 2; ++half) {
      const float center = center_of(log_sum_exp[half]);
      LOOKBACK_UNROLL
      for (int n = 0; n < keys / 8; ++n) {
        LOOKBACK_UNROLL
        for (int i = 0; i < 2; ++i) {
          const int key = first + n * 8 + column_of_thread() + i;
          const float weight = weight_of(scores[n][2 * half + i], center);
          const float gradient = weight * (dweights[n][2 * half + i] - row_dot[half]);
          const bool seen = whole || (own[half][0] <= key && key < own[half][1]);
          scores[n][2 * half + i] = seen ? gradient : 0.0F;
        }
      }
    }
  }

  LOOKBACK_DEVICE void finish(const BlockPlace& at, const float (&sums)[columns / 8][4]) const {
    const auto& q = backward.operands.pieces.piece[target].q;
    const float scale = backward.operands.scales[target];
    float dot = 0;
    LOOKBACK_UNROLL
    for (int half = 0; half < 2; ++half) {
      const auto row = at.first + row_of_thread() + 8 * half;
      if (row >= backward.operands.extent.rows) continue;
      if (dq.data != nullptr) {
        store_row<Store::add>(dq.at(at.sequence, row, at.key_head, at.place), dq.width, sums, half,
                              scale);
      }
      if (parts == nullptr) continue;
      const T* from = q.at(at.sequence, row, at.key_head, at.place);
      LOOKBACK_UNROLL
      for (int n = 0; n < columns / 8; ++n) {
        const int column = n * 8 + column_of_thread();
        if (column >= q.width) continue;
        LOOKBACK_UNROLL
        for (int i = 0; i < 2; ++i) {
          dot = device::fused(sums[n][2 * half + i], static_cast<float>(from[column + i]), dot);
        }
      }
    }
    if (parts == nullptr) return;
    device::synchronise_block();  // nobody reads the ranges any more: their memory holds the sums
    auto* scratch = reinterpret_cast<float*>(device::shared_memory());
    dot = device::reduce_block<threads>(dot, scratch, device::Plus{});
    if (device::thread_index() == 0) parts[device::block_index()] = dot;
  }
};

}  // namespace

template <class T>
void stream_query_gradient(const StreamBackward<T>& operands, int target, const HeadRows<T>& dq,
                           float* parts) {
  const auto& pieces = operands.operands.pieces;
  visit_accumulated_columns<T>(pieces.piece[target].q.width, [&]<int columns>() {
    using Kernel = StreamQueryGradient<T, columns>;
    const int score_columns = std::max(columns, widest_score_columns(pieces));
    const int value_columns = contracted_columns(operands.dy.width);
    device::launch({.blocks = query_blocks<T>(operands.operands.extent),
                    .shared_bytes = query_gradient_bytes<T>(columns, score_columns, value_columns,
                                                            pieces.count)},
                   Kernel{operands, target, dq, parts, score_columns, value_columns});
  });
}
template void stream_query_gradient(const StreamBackward<float>&, int, const HeadRows<float>&,
                                    float*);
template void stream_query_gradient(const StreamBackward<BFloat16>&, int, const HeadRows<BFloat16>&,
                                    float*);

}  // namespace lookback::kernels
