#include "kernels/cuda/attention/attention_fragments.h"
#include "kernels/cuda/attention/attention_streaming.h"
#include "kernels/cuda/attention/attention_walk.h"
#include "kernels/cuda/device/row_reduce.h"

namespace lookback::kernels {
namespace {

// dq of up to `targets` neighboring pieces: a block owns some query rows of one head and walks
// over the keys they see. For each tile of keys first dP = dy v^T, then the scores of all pieces,
// then dS times the keys of each target, which are copied once more where there are several pieces.
template <class Tiles, Rules rules, int columns, int targets>
struct StreamingQueryGradient {
  using T = typename Tiles::Element;
  static constexpr int threads = Tiles::warps * device::warp_threads;
  static constexpr int resident_blocks = Tiles::resident_blocks;
  static constexpr int rows = tile_rows<Tiles>;
  static constexpr int keys = Tiles::keys_of_tile(columns * targets);
  static constexpr int score_block = Tiles::block_of(columns);
  static constexpr int value_block = Tiles::widest_block;
  using ScoreTile = typename Tiles::template Tile<score_block>;
  using ValueTile = typename Tiles::template Tile<value_block>;
  using Scores = float[keys / 8][4];
  using Sums = float[targets][columns / 8][4];
  using Walk = KeyWalk<rules, rows, keys>;
  using Facts = QueryFacts<rules>;

  StreamingBackward<T> backward;
  PieceSpan span;
  HeadRows<T> dq[targets];  // absent: not wanted
  float* parts;             // [targets, blocks] of dscale, or absent
  int score_columns;        // of the tiles of q and k
  int value_columns;        // of the tiles of dy and v

  LOOKBACK_DEVICE void operator()() const {
    if constexpr (compiled_for<Tiles>) {
      run();
    } else {
      device::stop_kernel();
    }
  }

 private:
  LOOKBACK_DEVICE void run() const {
    const auto& shape = backward.operands.shape;
    const auto& pieces = backward.operands.pieces;
    const auto at = place_of_query_block(device::block_index(), shape.sequences, shape.key_heads,
                                         shape.group, shape.rows, rows);
    auto walk = start(at);
    Sums sums;
    LOOKBACK_UNROLL
    for (int j = 0; j < targets; ++j) clear(sums[j]);

    int iterations = 0;  // tiles of pieces so far: they alternate between two buffers
    const int begin = walk.first();
    if (walk.goes_on()) {
      copy_tile<threads>(tile_dy(),
                         backward.dy.at(at.sequence, at.first, at.key_head, at.head_in_group),
                         backward.dy.row_step, shape.rows - at.first, backward.dy.width);
      copy_values(at, begin);
    }
    for (; walk.goes_on(); walk.advance()) {
      const int first = walk.first();
      expect_tiles<Tiles>();
      walk.look();
      Scores dweights, scores;
      clear(dweights);
      clear(scores);
      multiply_rows(dweights, tile_dy(), tile_v(), value_columns, [&] {
        copy_piece(at, 0, first, iterations, pieces.count > 1 || first == begin);
      });
      for (int p = 0; p < pieces.count; ++p, ++iterations) {
        expect_tiles<Tiles>();
        if (p == 0) walk.read();
        const float scale = backward.operands.scales[p];
        Scores of_piece;
        clear(of_piece);
        multiply_rows(of_piece, tile_q(iterations), tile_k(iterations),
                      contracted_columns<Tiles>(pieces.piece[p].q.width), [&] {
                        if (p + 1 < pieces.count) {
                          copy_piece(at, p + 1, first, iterations + 1, true);
                        } else if (pieces.count > 1) {
                          copy_piece(at, span.first, first, iterations + 1, false);
                        } else if (walk.has_next()) {
                          copy_values(at, walk.next());
                        }
                      });
        add_scaled(scores, scale, of_piece);
      }
      const bool whole = walk.whole();
      make_gradient(scores, dweights, at, first, whole);
      const bool again = pieces.count > 1;  // the targets' keys are copied once more
      LOOKBACK_UNROLL
      for (int j = 0; j < targets; ++j) {
        if (j >= span.count) break;
        if (again) {
          expect_tiles<Tiles>();
        } else if (!whole) {
          device::sync_block();  // all have their scores
        }
        const auto k_tile = tile_k(iterations);
        if (!whole) {  // a hidden key may hold anything
          clean_tile<threads>(k_tile, nullptr);
          publish_tiles<Tiles>();
        }
        multiply_fragment(sums[j], scores, k_tile, [&] {
          if (!again) return;
          if (j + 1 < span.count) {
            copy_piece(at, span.first + j + 1, first, iterations + 1, false);
          } else if (walk.has_next()) {
            copy_values(at, walk.next());
          }
        });
        if (again) ++iterations;
      }
    }
    finish(at, sums);
  }

  LOOKBACK_DEVICE T* value_tile(int rows_before) const {
    auto* first =
        reinterpret_cast<T*>(memory_of_tiles<Tiles>() + query_gradient_head<Tiles, rules>());
    return first + Tiles::size(rows_before, value_columns, value_block);
  }
  LOOKBACK_DEVICE T* score_tile(int rows_before) const {
    return value_tile(rows + keys) + Tiles::size(rows_before, score_columns, score_block);
  }
  LOOKBACK_DEVICE int first_of_buffer(int iterations) const {
    return backward.operands.pieces.count > 1 ? iterations % 2 * (rows + keys) : 0;
  }
  LOOKBACK_DEVICE ValueTile tile_dy() const { return {value_tile(0), rows, value_columns}; }
  LOOKBACK_DEVICE ValueTile tile_v() const { return {value_tile(rows), keys, value_columns}; }
  LOOKBACK_DEVICE ScoreTile tile_q(int iterations) const {
    return {score_tile(first_of_buffer(iterations)), rows, score_columns};
  }
  LOOKBACK_DEVICE ScoreTile tile_k(int iterations) const {
    return {score_tile(first_of_buffer(iterations) + rows), keys, score_columns};
  }

  // Starts the copies of keys and, where asked for, of the queries.
  LOOKBACK_DEVICE void copy_piece(const BlockPlace& at, int p, int first, int iterations,
                                  bool queries) const {
    const auto& shape = backward.operands.shape;
    const auto& piece = backward.operands.pieces.piece[p];
    if (queries) {
      copy_tile<threads>(tile_q(iterations),
                         piece.q.at(at.sequence, at.first, at.key_head, at.head_in_group),
                         piece.q.row_step, shape.rows - at.first, piece.q.width);
    }
    copy_tile<threads>(tile_k(iterations), piece.k.at(at.sequence, first, at.key_head, 0),
                       piece.k.row_step, shape.keys - first, piece.k.width);
    device::cp_async_commit();
  }
  LOOKBACK_DEVICE void copy_values(const BlockPlace& at, int first) const {
    const auto& v = backward.operands.v;
    copy_tile<threads>(tile_v(), v.at(at.sequence, first, at.key_head, 0), v.row_step,
                       backward.operands.shape.keys - first, v.width);
    device::cp_async_commit();
  }

  // Of each row of the block; then what the walk keeps.
  LOOKBACK_DEVICE Facts* facts() const {
    return reinterpret_cast<Facts*>(memory_of_tiles<Tiles>());
  }
  // A barrier is passed.
  LOOKBACK_DEVICE Walk start(const BlockPlace& at) const {
    const auto& shape = backward.operands.shape;
    const int thread = device::thread_index();
    if (thread < rows) {
      const auto row = at.first + thread < shape.rows ? at.first + thread : shape.rows - 1;
      const auto number = shape.row_number(at.sequence, at.key_head, at.head_in_group, row);
      Facts of{};
      if constexpr (rules == Rules::plain) {
        const auto range = shape.keys_of(at.sequence, row);
        of.first = range.empty() ? 0 : static_cast<int>(range.first);
        of.last = range.empty() ? 0 : static_cast<int>(range.last);
      }
      of.log_sum_exp = backward.operands.log_sum_exp[number];
      of.row_dot = backward.row_dots[number];
      facts()[thread] = of;
    }
    if constexpr (rules == Rules::plain) {
      device::sync_block();
      SeenByBlock seen;
      for (int row = 0; row < rows; ++row) seen.add(facts()[row].first, facts()[row].last);
      return Walk(seen);
    } else {
      constexpr int bits_step = sizeof(Facts) / sizeof(SeenBits);
      return Walk(shape, at, &facts()->seen, bits_step,
                  reinterpret_cast<typename Walk::Found*>(facts() + rows));
    }
  }

  // scores = P (dP - D), 0 where a key is hidden.
  LOOKBACK_DEVICE void make_gradient(Scores& scores, const Scores& dweights, const BlockPlace& at,
                                     int first, bool whole) const {
    const auto& shape = backward.operands.shape;
    HeadForm<float> form{};
    if constexpr (rules == Rules::any) {
      form = backward.operands.form.of_head(at.key_head * shape.group + at.head_in_group);
    }
    LOOKBACK_UNROLL
    for (int half = 0; half < 2; ++half) {
      const Facts of = facts()[row_of_thread() + 8 * half];
      const int query = position_of_row(shape, at.first + row_of_thread() + 8 * half);
      const float center = center_of(of.log_sum_exp);
      LOOKBACK_UNROLL
      for (int n = 0; n < keys / 8; ++n) {
        LOOKBACK_UNROLL
        for (int i = 0; i < 2; ++i) {
          const int key = first + n * 8 + column_of_thread() + i;
          float& score = scores[n][2 * half + i];
          float through = 1;
          if constexpr (rules == Rules::any) {
            const auto formed =
                form(score, static_cast<float>(query - position_of_key(shape, key)));
            score = formed.score;
            through = formed.derivative;
          }
          const float weight = weight_of(score, center);
          float gradient = weight * (dweights[n][2 * half + i] - of.row_dot);
          if constexpr (rules == Rules::any) gradient *= through;
          score = whole || shows(of, first, n * 8 + i) ? gradient : 0.0F;
        }
      }
    }
  }
  // Key first + place + column_of_thread().
  static LOOKBACK_DEVICE bool shows(const Facts& of, int first, int place) {
    if constexpr (rules == Rules::plain) {
      const int key = first + column_of_thread() + place;
      return of.first <= key && key < of.last;
    } else {
      return (of.seen >> column_of_thread() & bit_of(place)) != 0;
    }
  }

  LOOKBACK_DEVICE void finish(const BlockPlace& at, const Sums& sums) const {
    device::sync_block();  // no thread reads the facts any more: their memory holds sums
    LOOKBACK_UNROLL
    for (int j = 0; j < targets; ++j) {
      if (j >= span.count) break;
      float dot = 0;
      LOOKBACK_UNROLL
      for (int half = 0; half < 2; ++half) {
        const auto row = at.first + row_of_thread() + 8 * half;
        if (row >= backward.operands.shape.rows) continue;
        if (dq[j].data != nullptr) {
          store_row<Store::add>(dq[j].at(at.sequence, row, at.key_head, at.head_in_group),
                                dq[j].width, sums[j], half,
                                backward.operands.scales[span.first + j]);
        }
        if (parts != nullptr) {
          const auto& q = backward.operands.pieces.piece[span.first + j].q;
          dot += dot_of_row(sums[j], half, q.at(at.sequence, row, at.key_head, at.head_in_group),
                            q.width);
        }
      }
      if (parts == nullptr) continue;
      auto* scratch = reinterpret_cast<float*>(memory_of_tiles<Tiles>());
      dot = device::reduce_block<threads>(dot, scratch, device::Plus{});
      if (device::thread_index() == 0) {
        parts[j * device::block_count() + device::block_index()] = dot;
      }
    }
  }

  // The thread's part of q . (dS k).
  static LOOKBACK_DEVICE float dot_of_row(const float (&sums)[columns / 8][4], int half,
                                          const T* from, std::int64_t width) {
    float dot = 0;
    LOOKBACK_UNROLL
    for (int n = 0; n < columns / 8; ++n) {
      const int column = n * 8 + column_of_thread();
      if (column >= width) continue;
      LOOKBACK_UNROLL
      for (int i = 0; i < 2; ++i) {
        const float sum = half == 0 ? sums[n][i] : sums[n][2 + i];
        dot = device::fma(sum, static_cast<float>(from[column + i]), dot);
      }
    }
    return dot;
  }
};

template <class Tiles, Rules rules, int columns, int targets, class T>
void launch_query_gradient(const StreamingBackward<T>& operands, PieceSpan span,
                           const HeadRows<T>* dq, float* parts) {
  using Kernel = StreamingQueryGradient<Tiles, rules, columns, targets>;
  const auto& pieces = operands.operands.pieces;
  const int score_columns = std::max(columns, widest_score_columns<Tiles>(pieces));
  const int value_columns = contracted_columns<Tiles>(operands.dy.width);
  Kernel kernel{operands, span, {}, parts, score_columns, value_columns};
  std::copy_n(dq, span.count, kernel.dq);
  const auto bytes = query_gradient_bytes<Tiles, rules>(columns * targets, Kernel::score_block,
                                                        score_columns, value_columns, pieces.count);
  device::launch(
      {.blocks = query_blocks(operands.operands.shape, Kernel::rows), .shared_bytes = bytes},
      kernel);
}

}  // namespace

template <class T>
void streaming_query_gradient(const StreamingBackward<T>& operands, PieceSpan span,
                              const HeadRows<T>* dq, float* parts) {
  visit_ways(operands.operands, [&]<class Tiles, Rules rules>() {
    visit_targets<T, rules>(
        widest_of(operands.operands.pieces, span), span.count, [&]<int columns, int targets>() {
          launch_query_gradient<Tiles, rules, columns, targets>(operands, span, dq, parts);
        });
  });
}
template void streaming_query_gradient(const StreamingBackward<float>&, PieceSpan,
                                       const HeadRows<float>*, float*);
template void streaming_query_gradient(const StreamingBackward<BFloat16>&, PieceSpan,
                                       const HeadRows<BFloat16>*, float*);

}  // namespace lookback::kernels
