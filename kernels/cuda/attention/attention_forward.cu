#include "kernels/cuda/attention/attention_fragments.h"
#include "kernels/cuda/attention/attention_streaming.h"
#include "kernels/cuda/attention/attention_walk.h"

namespace lookback::kernels {
namespace {

// A block owns some query rows of one head and walks over the keys they see. Softmax is online: the
// largest score so far and the sum of weights relative to it; weights of an earlier run need
// neither.
template <class Tiles, Rules rules, int value_columns>
struct StreamingForward {
  using T = typename Tiles::Element;
  static constexpr int threads = Tiles::query_warps * device::warp_threads;
  static constexpr int resident_blocks = Tiles::resident_blocks;
  static constexpr int rows = query_rows<Tiles>;
  static constexpr int keys = Tiles::keys_of_tile(value_columns);
  static constexpr int score_block = Tiles::widest_block;
  static constexpr int value_block = Tiles::block_of(value_columns);
  using ScoreTile = typename Tiles::template Tile<score_block>;
  using ValueTile = typename Tiles::template Tile<value_block>;
  using Scores = float[keys / 8][4];
  using Walk = KeyWalk<rules, rows, keys>;

  StreamingOperands<T> operands;
  HeadRows<T> y;
  float* log_sum_exp;  // where none is given
  int score_columns;   // of the tiles of q and k

  LOOKBACK_DEVICE void operator()() const {
    if constexpr (compiled_for<Tiles>) {
      run();
    } else {
      device::stop_kernel();
    }
  }

 private:
  LOOKBACK_DEVICE void run() const {
    const auto& shape = operands.shape;
    const auto at = place_of_query_block(device::block_index(), shape.sequences, shape.key_heads,
                                         shape.group, shape.rows, rows);
    if (device::thread_index() == 0) *found() = 0;
    auto walk = start(at);
    SeenByThread seen{};
    if constexpr (rules == Rules::plain) seen = seen_by_thread(walk);
    float sums[value_columns / 8][4];
    clear(sums);
    constexpr float nothing = -std::numeric_limits<float>::infinity();
    float maximum[2] = {nothing, nothing}, total[2] = {0, 0};
    const bool given = operands.log_sum_exp != nullptr;
    if (given) {
      for (int half = 0; half < 2; ++half) maximum[half] = given_of_row(at, half);
    }

    const auto v_tile = tile_v();
    if (walk.goes_on()) copy_piece(at, 0, walk.first(), true);
    for (; walk.goes_on(); walk.advance()) {
      const int first = walk.first();
      walk.look();
      Scores scores;
      clear(scores);
      for (int p = 0; p < operands.pieces.count; ++p) {
        expect_tiles<Tiles>();
        const float scale = operands.scales[p];
        Scores of_piece;
        clear(of_piece);
        multiply_rows(of_piece, tile_q(p), tile_k(p),
                      contracted_columns<Tiles>(operands.pieces.piece[p].q.width), [&] {
                        if (p + 1 < operands.pieces.count) {
                          copy_piece(at, p + 1, first, true);
                        } else {
                          copy_values(at, first);
                        }
                      });
        add_scaled(scores, scale, of_piece);
      }
      walk.read();
      if constexpr (rules == Rules::any) {
        seen = seen_by_thread(walk);
        form_scores(scores, at, first);
      }
      const bool whole = walk.whole();
      if (!whole) hide(scores, first, seen);
      if (!given) raise_maximum(scores, maximum, total, sums);
      make_weights(scores, maximum, total);
      expect_tiles<Tiles>();
      if (!whole) {
        clean_tile<threads>(v_tile, found());
        publish_tiles<Tiles>();
      }
      multiply_fragment(sums, scores, v_tile, [&] {
        if (walk.has_next()) copy_piece(at, 0, walk.next(), operands.pieces.count > 1);
      });
      if (!whole && *found() != 0) add_nonfinite(at, first, seen, sums);
    }
    finish(at, given, maximum, total, sums);
  }

  // Of each row its keys, as a range or as the bits of a tile; then whether clean_tile() found
  // something, and what the walk keeps.
  LOOKBACK_DEVICE int* head() const { return reinterpret_cast<int*>(memory_of_tiles<Tiles>()); }
  LOOKBACK_DEVICE int* found() const { return head() + 2 * rows; }

  LOOKBACK_DEVICE Walk start(const BlockPlace& at) const {
    if constexpr (rules == Rules::plain) {
      return Walk(seen_by_rows<rows>(operands.shape, at, head()));
    } else {
      return Walk(operands.shape, at, reinterpret_cast<SeenBits*>(head()), 1,
                  reinterpret_cast<typename Walk::Found*>(found() + 4));
    }
  }

  // Keys that the thread's two rows see: of all tiles, or of the one at hand.
  struct RangesOfThread {
    int of[2][2];
    LOOKBACK_DEVICE bool shows(int half, int key) const {
      return of[half][0] <= key && key < of[half][1];
    }
  };
  struct BitsOfThread {
    SeenBits of[2];
    int first;
    LOOKBACK_DEVICE bool shows(int half, int key) const {
      return (of[half] & bit_of(key - first)) != 0;
    }
  };
  using SeenByThread = std::conditional_t<rules == Rules::plain, RangesOfThread, BitsOfThread>;
  LOOKBACK_DEVICE SeenByThread seen_by_thread(const Walk& walk) const {
    if constexpr (rules == Rules::plain) {
      const int* of_row = head() + 2 * row_of_thread();
      return {{{of_row[0], of_row[1]}, {of_row[16], of_row[17]}}};
    } else {
      const auto* of_row = reinterpret_cast<const SeenBits*>(head()) + row_of_thread();
      return {{of_row[0], of_row[8]}, walk.first()};
    }
  }

  LOOKBACK_DEVICE T* score_tile(int rows_before) const {
    auto* first = reinterpret_cast<T*>(memory_of_tiles<Tiles>() + forward_head<Tiles, rules>());
    return first + Tiles::size(rows_before, score_columns, score_block);
  }
  LOOKBACK_DEVICE int buffers() const { return operands.pieces.count > 1 ? 2 : 1; }
  LOOKBACK_DEVICE ScoreTile tile_q(int piece) const {
    return {score_tile(piece % 2 * rows), rows, score_columns};
  }
  LOOKBACK_DEVICE ScoreTile tile_k(int piece) const {
    return {score_tile(buffers() * rows + piece % 2 * keys), keys, score_columns};
  }
  LOOKBACK_DEVICE ValueTile tile_v() const {
    return {score_tile(buffers() * (rows + keys)), keys, value_columns};
  }

  // Starts the copies of keys and, where asked for, of the queries.
  LOOKBACK_DEVICE void copy_piece(const BlockPlace& at, int p, int first, bool queries) const {
    const auto& piece = operands.pieces.piece[p];
    const auto& shape = operands.shape;
    if (queries) {
      copy_tile<threads>(tile_q(p),
                         piece.q.at(at.sequence, at.first, at.key_head, at.head_in_group),
                         piece.q.row_step, shape.rows - at.first, piece.q.width);
    }
    copy_tile<threads>(tile_k(p), piece.k.at(at.sequence, first, at.key_head, 0), piece.k.row_step,
                       shape.keys - first, piece.k.width);
    device::cp_async_commit();
  }
  LOOKBACK_DEVICE void copy_values(const BlockPlace& at, int first) const {
    const auto& v = operands.v;
    copy_tile<threads>(tile_v(), v.at(at.sequence, first, at.key_head, 0), v.row_step,
                       operands.shape.keys - first, v.width);
    device::cp_async_commit();
  }

  LOOKBACK_DEVICE float given_of_row(const BlockPlace& at, int half) const {
    const auto row = at.first + row_of_thread() + 8 * half;
    if (row >= operands.shape.rows) return 0;
    return operands
        .log_sum_exp[operands.shape.row_number(at.sequence, at.key_head, at.head_in_group, row)];
  }

  LOOKBACK_DEVICE void form_scores(Scores& scores, const BlockPlace& at, int first) const {
    const auto& shape = operands.shape;
    if (operands.form.plain()) return;
    const auto form = operands.form.of_head(at.key_head * shape.group + at.head_in_group);
    const int query = position_of_row(shape, at.first + row_of_thread());
    LOOKBACK_UNROLL
    for (int n = 0; n < keys / 8; ++n) {
      LOOKBACK_UNROLL
      for (int i = 0; i < 2; ++i) {
        const int key = position_of_key(shape, first + n * 8 + column_of_thread() + i);
        LOOKBACK_UNROLL
        for (int half = 0; half < 2; ++half) {
          float& score = scores[n][2 * half + i];
          score = form(score, static_cast<float>(query + 8 * half - key)).score;
        }
      }
    }
  }

  static LOOKBACK_DEVICE void hide(Scores& scores, int first, const RangesOfThread& seen) {
    LOOKBACK_UNROLL
    for (int n = 0; n < keys / 8; ++n) {
      LOOKBACK_UNROLL
      for (int i = 0; i < 4; ++i) {
        const int key = first + n * 8 + column_of_thread() + i % 2;
        if (!seen.shows(i / 2, key)) scores[n][i] = -std::numeric_limits<float>::infinity();
      }
    }
  }
  static LOOKBACK_DEVICE void hide(Scores& scores, int, const BitsOfThread& seen) {
    const SeenBits bits[2] = {seen.of[0] >> column_of_thread(), seen.of[1] >> column_of_thread()};
    LOOKBACK_UNROLL
    for (int n = 0; n < keys / 8; ++n) {
      LOOKBACK_UNROLL
      for (int i = 0; i < 4; ++i) {
        if ((bits[i / 2] & bit_of(n * 8 + i % 2)) == 0) {
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
        const float other = device::shuffle_xor(highest, lanes);
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
  LOOKBACK_DEVICE void add_nonfinite(const BlockPlace& at, int first, const SeenByThread& seen,
                                     float (&sums)[value_columns / 8][4]) const {
    for (int key = first; key < first + keys; ++key) {
      const bool sees[2] = {seen.shows(0, key), seen.shows(1, key)};
      if (!sees[0] && !sees[1]) continue;
      const T* row = operands.v.at(at.sequence, key, at.key_head, 0);
      LOOKBACK_UNROLL
      for (int n = 0; n < value_columns / 8; ++n) {
        LOOKBACK_UNROLL
        for (int i = 0; i < 4; ++i) {
          const int column = n * 8 + column_of_thread() + i % 2;
          if (column >= operands.v.width || !sees[i / 2]) continue;
          const float value = static_cast<float>(row[column]);
          if (!is_finite(value)) sums[n][i] += value;
        }
      }
    }
  }

  LOOKBACK_DEVICE void finish(const BlockPlace& at, bool given, const float (&maximum)[2],
                              float (&total)[2], const float (&sums)[value_columns / 8][4]) const {
    const auto& shape = operands.shape;
    LOOKBACK_UNROLL
    for (int half = 0; half < 2; ++half) {
      LOOKBACK_UNROLL
      for (int lanes = 1; lanes < 4; lanes *= 2) {
        total[half] += device::shuffle_xor(total[half], lanes);
      }
      const auto row = at.first + row_of_thread() + 8 * half;
      if (row >= shape.rows) continue;
      const bool saw_something = total[half] != 0;
      float factor = 1;
      if (!given) {
        if (saw_something) factor = 1 / total[half];
        if (lane_of_warp() % 4 == 0) {
          log_sum_exp[shape.row_number(at.sequence, at.key_head, at.head_in_group, row)] =
              saw_something ? maximum[half] + device::log(total[half])
                            : -std::numeric_limits<float>::infinity();
        }
      }
      store_row<Store::write>(y.at(at.sequence, row, at.key_head, at.head_in_group), y.width, sums,
                              half, factor);
    }
  }
};

}  // namespace

template <class T>
void streaming_forward(const StreamingOperands<T>& operands, const HeadRows<T>& y,
                       float* log_sum_exp) {
  visit_ways(operands, [&]<class Tiles, Rules rules>() {
    const int score_columns = widest_score_columns<Tiles>(operands.pieces);
    visit_accumulated_columns<T, rules>(operands.v.width, [&]<int columns>() {
      using Kernel = StreamingForward<Tiles, rules, columns>;
      const auto bytes = forward_bytes<Tiles, rules>(columns, score_columns, operands.pieces.count);
      device::launch({.blocks = query_blocks(operands.shape, Kernel::rows), .shared_bytes = bytes},
                     Kernel{operands, y, log_sum_exp, score_columns});
    });
  });
}
template void streaming_forward(const StreamingOperands<float>&, const HeadRows<float>&, float*);
template void streaming_forward(const StreamingOperands<BFloat16>&, const HeadRows<BFloat16>&,
                                float*);

}  // namespace lookback::kernels
