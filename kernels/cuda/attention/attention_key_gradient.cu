#include "kernels/cuda/attention/attention_fragments.h"
#include "kernels/cuda/attention/attention_streaming.h"
#include "kernels/cuda/attention/attention_walk.h"

namespace lookback::kernels {
namespace {

// dv, and dk of up to `targets` neighboring pieces: a block owns some keys of one key/value head
// and walks over the query rows that see them, head after head of the group. For each tile of
// queries first the scores of all pieces, then what dy gives: dv += P^T dy, and dk += dS^T q for
// each target, whose queries are copied once more where there are several pieces. Everything is
// transposed: keys are rows. key_columns or value_columns 0: only the other one is made; under
// Rules::any it is one of them, so that scores need not be kept beside weights.
template <class Tiles, Rules rules, int key_columns, int value_columns, int targets>
struct StreamingKeyGradient {
  using T = typename Tiles::Element;
  static constexpr int threads = Tiles::warps * device::warp_threads;
  // The sums of several pieces would be spilled to make room for a third block.
  static constexpr int resident_blocks = targets > 1 ? std::max(2, Tiles::resident_blocks)
                                                     : Tiles::resident_blocks;
  static constexpr int rows = tile_rows<Tiles>;  // keys
  static constexpr int queries = Tiles::queries_of_tile(key_columns * targets + value_columns);
  static constexpr bool makes_dk = key_columns > 0, makes_dv = value_columns > 0;
  static_assert(rules == Rules::plain || makes_dk != makes_dv);
  static constexpr int score_block = Tiles::block_of(key_columns);
  static constexpr int dy_block = Tiles::block_of(value_columns);
  using ScoreTile = typename Tiles::template Tile<score_block>;
  using DyTile = typename Tiles::template Tile<dy_block>;
  using Scores = float[queries / 8][4];
  using KeySums = float[targets][makes_dk ? key_columns / 8 : 1][4];
  using ValueSums = float[makes_dv ? value_columns / 8 : 1][4];
  using Facts = QueryFacts<rules>;

  StreamingBackward<T> backward;
  PieceSpan span;
  HeadRows<T> dk[targets], dv;
  int score_columns;  // of the tiles of q and k
  int dy_columns;     // of the tiles of dy and v

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
    const auto at =
        place_of_key_block(device::block_index(), shape.sequences, shape.key_heads, rows);
    const QueryWalk<rules, rows, queries> walk(shape, at);
    KeySums dk_sums;
    ValueSums dv_sums;
    LOOKBACK_UNROLL
    for (int j = 0; j < targets; ++j) clear(dk_sums[j]);
    clear(dv_sums);
    int iterations = 0;  // pieces taken so far: they alternate between two buffers
    QueryTile tile = walk.begin();
    if (makes_dk && tile.head_in_group < shape.group) {
      const auto& v = backward.operands.v;
      copy_tile<threads>(tile_v(), v.at(at.sequence, at.first, at.key_head, 0), v.row_step,
                         shape.keys - at.first, v.width);
    }
    if (tile.head_in_group < shape.group) copy_piece(at, tile, 0, iterations, true);
    while (tile.head_in_group < shape.group) {
      Scores scores;
      clear(scores);
      for (int p = 0; p < pieces.count; ++p, ++iterations) {
        expect_tiles<Tiles>();
        const float scale = backward.operands.scales[p];
        Scores of_piece;
        clear(of_piece);
        multiply_rows(of_piece, tile_k(iterations), tile_q(iterations),
                      contracted_columns<Tiles>(pieces.piece[p].q.width), [&] {
                        if (p + 1 < pieces.count) {
                          copy_piece(at, tile, p + 1, iterations + 1, true);
                        } else {
                          copy_gradient(at, tile);
                        }
                      });
        add_scaled(scores, scale, of_piece);
      }
      expect_tiles<Tiles>();
      QueryTile next;
      const bool again = makes_dk && pieces.count > 1;  // the targets' queries are wanted again
      const auto go_on = [&] {
        next = walk.after(tile);
        if (again) {
          copy_piece(at, tile, span.first, iterations, false);
        } else if (next.head_in_group < shape.group) {
          copy_piece(at, next, 0, iterations, pieces.count > 1);
        }
        if constexpr (rules == Rules::plain || makes_dv) make_weights(scores, at, tile);
      };
      constexpr bool goes_on_beside = makes_dk && Tiles::products_run_on;
      if constexpr (!goes_on_beside) {
        go_on();
        if constexpr (makes_dv) multiply_fragment(dv_sums, scores, tile_dy(), [] {});
      }
      if constexpr (makes_dk) {
        Scores dweights;
        clear(dweights);
        multiply_rows(dweights, tile_v(), tile_dy(),
                      contracted_columns<Tiles>(backward.operands.v.width), [&] {
                        if constexpr (goes_on_beside) go_on();
                      });
        if constexpr (goes_on_beside && makes_dv) {
          multiply_fragment(dv_sums, scores, tile_dy(), [] {});
        }
        make_gradient(scores, dweights, at, tile);
        LOOKBACK_UNROLL
        for (int j = 0; j < targets; ++j) {
          if (j >= span.count) break;
          const auto q_tile = tile_q(again ? iterations : iterations - 1);
          if (again) {
            expect_tiles<Tiles>();
            ++iterations;
          }
          multiply_fragment(dk_sums[j], scores, q_tile, [&] {
            if (!again) return;
            if (j + 1 < span.count) {
              copy_piece(at, tile, span.first + j + 1, iterations, false);
            } else if (next.head_in_group < shape.group) {
              copy_piece(at, next, 0, iterations, true);
            }
          });
        }
      }
      tile = next;
    }
    finish(at, dk_sums, dv_sums);
  }

  LOOKBACK_DEVICE Facts* facts() const {
    return reinterpret_cast<Facts*>(memory_of_tiles<Tiles>());
  }
  LOOKBACK_DEVICE T* dy_tile(int rows_before) const {
    auto* first =
        reinterpret_cast<T*>(memory_of_tiles<Tiles>() + key_gradient_head<Tiles>(queries));
    return first + Tiles::size(rows_before, dy_columns, dy_block);
  }
  LOOKBACK_DEVICE T* score_tile(int rows_before) const {
    return dy_tile(queries + (makes_dk ? rows : 0)) +
           Tiles::size(rows_before, score_columns, score_block);
  }
  LOOKBACK_DEVICE DyTile tile_dy() const { return {dy_tile(0), queries, dy_columns}; }
  LOOKBACK_DEVICE DyTile tile_v() const { return {dy_tile(queries), rows, dy_columns}; }
  LOOKBACK_DEVICE ScoreTile tile_q(int iterations) const {
    return {score_tile(iterations % 2 * queries), queries, score_columns};
  }
  LOOKBACK_DEVICE ScoreTile tile_k(int iterations) const {
    const int buffer = backward.operands.pieces.count > 1 ? iterations % 2 : 0;
    return {score_tile(2 * queries + buffer * rows), rows, score_columns};
  }

  LOOKBACK_DEVICE std::int64_t head_of(const BlockPlace& at, const QueryTile& tile) const {
    return at.key_head * backward.operands.shape.group + tile.head_in_group;
  }

  // Starts the copies of a tile of queries and, where asked for, of the keys.
  LOOKBACK_DEVICE void copy_piece(const BlockPlace& at, const QueryTile& tile, int p,
                                  int iterations, bool keys) const {
    const auto& shape = backward.operands.shape;
    const auto& piece = backward.operands.pieces.piece[p];
    if (keys) {
      copy_tile<threads>(tile_k(iterations), piece.k.at(at.sequence, at.first, at.key_head, 0),
                         piece.k.row_step, shape.keys - at.first, piece.k.width);
    }
    copy_tile<threads>(tile_q(iterations),
                       piece.q.at(at.sequence, tile.first, at.key_head, tile.head_in_group),
                       piece.q.row_step, shape.rows - tile.first, piece.q.width);
    device::cp_async_commit();
  }
  LOOKBACK_DEVICE void copy_gradient(const BlockPlace& at, const QueryTile& tile) const {
    const auto& shape = backward.operands.shape;
    const auto& dy = backward.dy;
    copy_tile<threads>(tile_dy(), dy.at(at.sequence, tile.first, at.key_head, tile.head_in_group),
                       dy.row_step, shape.rows - tile.first, dy.width);
    device::cp_async_commit();
    const int thread = device::thread_index();
    if (thread >= queries) return;
    Facts of{};
    const auto row = tile.first + thread;
    if (row < shape.rows) {
      const auto number = shape.row_number(at.sequence, at.key_head, tile.head_in_group, row);
      if constexpr (rules == Rules::plain) {
        const auto seen = rows_of_block(shape.keys_of(at.sequence, row), at.first, rows);
        of.first = seen.first;
        of.last = seen.last;
      } else {
        of.seen =
            seen_keys(shape.visible, {at.sequence, head_of(at, tile), row}, at.first, shape.keys);
      }
      of.log_sum_exp = backward.operands.log_sum_exp[number];
      of.row_dot = makes_dk ? backward.row_dots[number] : 0.0F;
    }
    facts()[thread] = of;
  }

  // Key row_of_thread() + 8 half.
  static LOOKBACK_DEVICE bool shows(const Facts& of, int half) {
    if constexpr (rules == Rules::plain) {
      const int key = row_of_thread() + 8 * half;
      return of.first <= key && key < of.last;
    } else {
      return (of.seen >> row_of_thread() & bit_of(8 * half)) != 0;
    }
  }
  // What becomes of the scores of the thread's keys, each a position.
  struct FormOfThread {
    HeadForm<float> form;
    int key[2], query;
    LOOKBACK_DEVICE typename HeadForm<float>::Formed operator()(float score, int half,
                                                                int place) const {
      return form(score, static_cast<float>(query + place - key[half]));
    }
  };
  LOOKBACK_DEVICE FormOfThread form_of_thread(const BlockPlace& at, const QueryTile& tile) const {
    if constexpr (rules == Rules::plain) return {};
    const auto& shape = backward.operands.shape;
    const auto key = at.first + row_of_thread();
    return {backward.operands.form.of_head(head_of(at, tile)),
            {position_of_key(shape, key), position_of_key(shape, key + 8)},
            position_of_row(shape, tile.first + column_of_thread())};
  }

  LOOKBACK_DEVICE void make_weights(Scores& scores, const BlockPlace& at,
                                    const QueryTile& tile) const {
    const auto form = form_of_thread(at, tile);
    LOOKBACK_UNROLL
    for (int n = 0; n < queries / 8; ++n) {
      LOOKBACK_UNROLL
      for (int i = 0; i < 2; ++i) {
        const Facts of = facts()[n * 8 + column_of_thread() + i];
        const float center = center_of(of.log_sum_exp);
        LOOKBACK_UNROLL
        for (int half = 0; half < 2; ++half) {
          float& score = scores[n][2 * half + i];
          if constexpr (rules == Rules::any) score = form(score, half, n * 8 + i).score;
          score = shows(of, half) ? weight_of(score, center) : 0.0F;
        }
      }
    }
  }
  // P (dP - D), 0 where a key is hidden: from the weights, or, under Rules::any, from the scores.
  LOOKBACK_DEVICE void make_gradient(Scores& scores, const Scores& dweights, const BlockPlace& at,
                                     const QueryTile& tile) const {
    const auto form = form_of_thread(at, tile);
    LOOKBACK_UNROLL
    for (int n = 0; n < queries / 8; ++n) {
      LOOKBACK_UNROLL
      for (int i = 0; i < 2; ++i) {
        const Facts of = facts()[n * 8 + column_of_thread() + i];
        LOOKBACK_UNROLL
        for (int half = 0; half < 2; ++half) {
          float& weight = scores[n][2 * half + i];
          float gradient = dweights[n][2 * half + i] - of.row_dot;
          if constexpr (rules == Rules::any) {
            const auto formed = form(weight, half, n * 8 + i);
            weight = weight_of(formed.score, center_of(of.log_sum_exp));
            gradient *= formed.derivative;
          }
          gradient = weight * gradient;
          weight = shows(of, half) ? gradient : 0.0F;
        }
      }
    }
  }

  LOOKBACK_DEVICE void finish(const BlockPlace& at, const KeySums& dk_sums,
                              const ValueSums& dv_sums) const {
    LOOKBACK_UNROLL
    for (int half = 0; half < 2; ++half) {
      const auto key = at.first + row_of_thread() + 8 * half;
      if (key >= backward.operands.shape.keys) continue;
      if constexpr (makes_dk) {
        LOOKBACK_UNROLL
        for (int j = 0; j < targets; ++j) {
          if (j >= span.count || dk[j].data == nullptr) continue;
          store_row<Store::add>(dk[j].at(at.sequence, key, at.key_head, 0), dk[j].width, dk_sums[j],
                                half, backward.operands.scales[span.first + j]);
        }
      }
      if constexpr (makes_dv) {
        store_row<Store::write>(dv.at(at.sequence, key, at.key_head, 0), dv.width, dv_sums, half,
                                1.0F);
      }
    }
  }
};

template <class Tiles, Rules rules, int key_columns, int value_columns, int targets, class T>
void launch_key_gradient(const StreamingBackward<T>& operands, PieceSpan span,
                         const HeadRows<T>* dk, const HeadRows<T>& dv) {
  using Kernel = StreamingKeyGradient<Tiles, rules, key_columns, value_columns, targets>;
  const auto& shape = operands.operands.shape;
  const auto& pieces = operands.operands.pieces;
  const int score_columns = std::max(key_columns, widest_score_columns<Tiles>(pieces));
  const int dy_columns = std::max(value_columns, contracted_columns<Tiles>(operands.dy.width));
  const auto blocks = device::blocks_for(shape.keys, Kernel::rows);
  Kernel kernel{operands, span, {}, dv, score_columns, dy_columns};
  if (key_columns > 0) std::copy_n(dk, span.count, kernel.dk);
  device::launch(
      {.blocks = shape.sequences * shape.key_heads * blocks,
       .shared_bytes = key_gradient_bytes<Tiles>(key_columns, targets, value_columns, score_columns,
                                                 dy_columns, pieces.count)},
      kernel);
}

}  // namespace

template <class T>
void streaming_value_gradient(const StreamingBackward<T>& operands, const HeadRows<T>& dv) {
  visit_ways(operands.operands, [&]<class Tiles, Rules rules>() {
    visit_accumulated_columns<T, rules>(dv.width, [&]<int columns>() {
      launch_key_gradient<Tiles, rules, 0, columns, 1, T>(operands, {0, 0}, nullptr, dv);
    });
  });
}
template <class T>
void streaming_key_gradient(const StreamingBackward<T>& operands, PieceSpan span,
                            const HeadRows<T>* dk) {
  visit_ways(operands.operands, [&]<class Tiles, Rules rules>() {
    visit_targets<T, rules>(
        widest_of(operands.operands.pieces, span), span.count, [&]<int columns, int targets>() {
          launch_key_gradient<Tiles, rules, columns, 0, targets>(operands, span, dk, {});
        });
  });
}
template <class T>
bool streaming_key_and_value_gradient(const StreamingBackward<T>& operands, const HeadRows<T>& dk,
                                      const HeadRows<T>& dv) {
  constexpr int max_together = 128;  // both sums in registers
  const int columns_of_dk = accumulated_columns<T>(dk.width);
  if (operands.operands.rules() != Rules::plain || operands.operands.pieces.count > 1 ||
      columns_of_dk != accumulated_columns<T>(dv.width) || columns_of_dk > max_together) {
    return false;
  }
  visit_tiles<T>([&]<class Tiles>() {
    visit_accumulated_columns<T>(dk.width, [&]<int columns>() {
      if constexpr (columns <= max_together) {
        launch_key_gradient<Tiles, Rules::plain, columns, columns, 1>(operands, {0, 1}, &dk, dv);
      }
    });
  });
  return true;
}
template void streaming_value_gradient(const StreamingBackward<float>&, const HeadRows<float>&);
template void streaming_value_gradient(const StreamingBackward<BFloat16>&,
                                       const HeadRows<BFloat16>&);
template void streaming_key_gradient(const StreamingBackward<float>&, PieceSpan,
                                     const HeadRows<float>*);
template void streaming_key_gradient(const StreamingBackward<BFloat16>&, PieceSpan,
                                     const HeadRows<BFloat16>*);
template bool streaming_key_and_value_gradient(const StreamingBackward<float>&,
                                               const HeadRows<float>&, const HeadRows<float>&);
template bool streaming_key_and_value_gradient(const StreamingBackward<BFloat16>&,
                                               const HeadRows<BFloat16>&,
                                               const HeadRows<BFloat16>&);

}  // namespace lookback::kernels
