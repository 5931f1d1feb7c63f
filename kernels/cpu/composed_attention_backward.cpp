#include <algorithm>

#include "kernels/cpu/composed_scores.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

// What a key receives comes from many tiles of queries: each worker takes every n-th tile of a
// sequence and adds up in memory of its own; the workers' sums are added in order. Their number
// follows from the sizes alone.
struct Workers {
  std::int64_t sequences, segments;
  std::int64_t count() const { return sequences * segments; }
  static Workers of(std::int64_t sequences, std::int64_t tiles) {
    constexpr std::int64_t enough = 16;
    const auto wanted = blocks_of(enough, std::max<std::int64_t>(1, sequences));
    return {sequences, std::clamp<std::int64_t>(tiles / 4, 1, wanted)};
  }
};

// Numbers of one worker's sums: [S, G K], [S, G V], [S, 2, 2 R + 1, H], [2, H, H].
struct Sums {
  std::int64_t keys, values, mixing, fixed;
  std::int64_t all() const { return keys + values + mixing + fixed; }
};

Sums sums_of(const ComposedAttentionBackwardArgs& a) {
  return {.keys = a.k.size(1) * a.k.size(2) * a.k.size(3),
          .values = a.v.present() ? a.v.size(1) * a.v.size(2) * a.v.size(3) : 0,
          .mixing = a.key_mixing.numel() / std::max<std::int64_t>(1, a.key_mixing.size(0)),
          .fixed = a.fixed_mixing.present() ? a.fixed_mixing.numel() : 0};
}

template <class T>
class Backward {
 public:
  explicit Backward(const ComposedAttentionBackwardArgs& arguments)
      : a_(arguments),
        scores_(a_),
        workers_(Workers::of(scores_.shape().sequences, scores_.tiles())),
        sums_(sums_of(a_)),
        v_(rows_of_key_heads<const T>(a_.v)),
        dq_(rows_of_heads<T>(a_.dq, scores_.shape().group)) {}

  std::size_t workspace_bytes() const {
    return static_cast<std::size_t>(workers_.count() * sums_.all()) * sizeof(Sum);
  }

  void run() const {
    parallel_for(workers_.count(), 1, [&](std::int64_t worker, std::int64_t) {
      Sum* sums = a_.workspace.as<Sum>() + worker * sums_.all();
      std::fill_n(sums, sums_.all(), Sum{0});
      const auto sequence = worker / workers_.segments;
      for (auto n = worker % workers_.segments; n < scores_.tiles(); n += workers_.segments) {
        one_tile(scores_.tile(sequence, n), sums);
      }
    });
    add_up<T>(a_.dk, 0);
    if (a_.v.present()) add_up<T>(a_.dv, sums_.keys);
    add_up<Sum>(a_.dkey_mixing, sums_.keys + sums_.values);
    if (a_.fixed_mixing.present()) add_up_fixed();
  }

 private:
  using Sum = Accumulator<T>;

  // A worker's sums, and the tile's numbers.
  struct Tile {
    const ComposedTile& at;
    Sum* x;          // S, composed in place to the scores
    Sum* weights;    // A
    Sum* gradient;   // of P, then of what P was made of, back to S
    Sum* cap_slope;  // null: not capped
    Sum* dk;
    Sum* dv;
    Sum* dkey_mixing;
    Sum* dfixed;
  };

  void one_tile(const ComposedTile& at, Sum* sums) const {
    const auto buffers = scores_.capped() ? 4 : 3;
    Scratch<Sum> scratch(buffers * scores_.tile_scratch() + scores_.row_scratch() +
                         key_columns * (v_.width + 2 * std::max(v_.width, dq_.width)) +
                         (1 + scores_.shape().heads()) * ComposedTile::most_rows *
                             std::max(v_.width, dq_.width));
    Sum* x = scratch.take(scores_.tile_scratch());
    Sum* weights = scratch.take(scores_.tile_scratch());
    Sum* gradient = scratch.take(scores_.tile_scratch());
    Sum* cap_slope = scores_.capped() ? scratch.take(scores_.tile_scratch()) : nullptr;
    const Tile tile{.at = at,
                    .x = x,
                    .weights = weights,
                    .gradient = gradient,
                    .cap_slope = cap_slope,
                    .dk = sums,
                    .dv = sums + sums_.keys,
                    .dkey_mixing = sums + sums_.keys + sums_.values,
                    .dfixed = sums + sums_.keys + sums_.values + sums_.mixing};
    weights_again(tile, scratch);
    if (a_.v.present()) {
      through_values(tile, scratch);
    } else {
      read_dweights(tile);
    }
    through_weights(tile, scratch);
    queries_and_keys(tile, scratch);
  }

  std::int64_t tile_numbers(const Tile& tile) const {
    return scores_.shape().heads() * tile.at.head_step;
  }

  void weights_again(const Tile& tile, Scratch<Sum> scratch) const {
    scores_.scores(tile.at, tile.x, tile.cap_slope, scratch);
    std::copy_n(tile.x, tile_numbers(tile), tile.weights);
    scores_.clear_hidden(tile.at, tile.x);
    scores_.compose_tile(Composing::scores, tile.at, tile.weights, scratch);
    scores_.hide(tile.at, tile.weights);
    for (std::int64_t head = 0; head < scores_.shape().heads(); ++head) {
      softmax_rows(tile.at.of_head(tile.weights, head));
    }
    scores_.clear_hidden(tile.at, tile.weights);  // of a row that is NaN as well
  }

  // dv += P^T dy; the gradient of P, dy v^T.
  void through_values(const Tile& tile, Scratch<Sum> scratch) const {
    const auto& at = tile.at;
    std::copy_n(tile.weights, tile_numbers(tile), tile.gradient);
    scores_.compose_tile(Composing::weights, at, tile.gradient, scratch);
    scores_.clear_hidden(at, tile.gradient);
    const auto& shape = scores_.shape();
    const auto row_stride = shape.heads() * v_.width;
    const T* dy = a_.dy.as<T>() + (at.sequence * shape.rows + at.row) * row_stride;
    const auto value_stride = shape.key_heads * v_.width;
    for (std::int64_t head = 0; head < shape.heads(); ++head) {
      auto of_head = scratch;
      const auto key_head = head / shape.group;
      const auto given =
          read_rows(dy + head * v_.width, at.step * row_stride, at.rows, v_.width, of_head);
      Sum* plane = tile.gradient + head * at.head_step;
      for_each_chunk(at, [&](std::int64_t begin, std::int64_t count) {
        auto of_chunk = of_head;
        const auto visible = at.visible_in(begin);
        add_to_keys(at, begin, at.of_chunk(tile.gradient, head, begin, count, visible), given,
                    {tile.dv + key_head * v_.width, value_stride, v_.width, 1}, of_chunk);
        const auto values = scores_.rows_of_chunk(v_, at, begin, count, key_head, of_chunk);
        tile_product(Gemm<Sum>{.m = at.rows,
                               .n = count,
                               .k = v_.width,
                               .a = given.data,
                               .a_stride = given.stride,
                               .b = values.data,
                               .b_stride = values.stride,
                               .b_layout = Layout::transposed,
                               .c = plane + begin,
                               .c_stride = at.stride});
      });
    }
  }

  // Where the keys of a sequence have their sums, `width` numbers each.
  struct KeySums {
    Sum* data;
    std::int64_t stride, width;
    double factor;
  };
  // Adds factor weights^T rows to the sums of a chunk's keys.
  void add_to_keys(const ComposedTile& at, std::int64_t begin, const ScoreTile<Sum>& weights,
                   const RowSpan<Sum>& rows, const KeySums& to, Scratch<Sum>& scratch) const {
    if (!at.packed()) {
      return weigh_rows(weights, rows, to.width,
                        {.data = to.data + (at.first + begin) * to.stride,
                         .stride = to.stride,
                         .factor = to.factor});
    }
    Sum* sums = scratch.take(weights.columns * to.width);
    weigh_rows(weights, rows, to.width,
               {.data = sums, .stride = to.width, .into = Into::overwrite, .factor = to.factor});
    for (std::int64_t column = 0; column < weights.columns; ++column) {
      Sum* of_key = to.data + at.key_of(begin + column) * to.stride;
      for (std::int64_t d = 0; d < to.width; ++d) of_key[d] += sums[column * to.width + d];
    }
  }

  void read_dweights(const Tile& tile) const {
    const auto& at = tile.at;
    const auto& shape = scores_.shape();
    for (std::int64_t head = 0; head < shape.heads(); ++head) {
      for (std::int64_t i = 0; i < at.rows; ++i) {
        const auto row = (at.sequence * shape.heads() + head) * shape.rows + at.row_of(i);
        const T* from = a_.dweights.as<T>() + row * shape.keys;
        Sum* to = tile.gradient + head * at.head_step + i * at.stride;
        const auto& seen = at.visible[static_cast<std::size_t>(i)];
        for (auto s = seen.first; s < seen.last; ++s) {
          to[s] = static_cast<Sum>(from[at.key_of(s)]);
        }
      }
    }
  }

  // From the gradient of P to that of S, and of all that composes.
  void through_weights(const Tile& tile, Scratch<Sum> scratch) const {
    const auto& at = tile.at;
    const auto& shape = scores_.shape();
    Sum* dquery = a_.dquery_mixing.as<Sum>() +
                  (at.sequence * shape.rows + at.row) * 2 * scores_.mixing_numbers();
    for (std::int64_t i = 0; i < at.rows; ++i) {
      std::fill_n(dquery + 2 * i * at.step * scores_.mixing_numbers(), 2 * scores_.mixing_numbers(),
                  Sum{0});
    }
    scores_.clear_hidden(at, tile.gradient);
    scores_.compose_tile_gradient(Composing::weights, at, tile.weights, tile.gradient, dquery,
                                  tile.dkey_mixing, tile.dfixed, scratch);
    scores_.clear_hidden(at, tile.gradient);
    for (std::int64_t head = 0; head < shape.heads(); ++head) {
      std::array<Sum, ComposedTile::most_rows> row_dot{};
      Sum* gradient = tile.gradient + head * at.head_step;
      const auto weights = at.of_head(tile.weights, head);
      for (std::int64_t i = 0; i < at.rows; ++i) {
        const auto& seen = at.visible[static_cast<std::size_t>(i)];
        const auto begin = i * at.stride + seen.first;
        row_dot[static_cast<std::size_t>(i)] =
            dot(weights.data + begin, gradient + begin, seen.last - seen.first);
      }
      score_gradient(weights, gradient, at.stride, row_dot.data());
    }
    scores_.clear_hidden(at, tile.gradient);
    scores_.compose_tile_gradient(Composing::scores, at, tile.x, tile.gradient, dquery,
                                  tile.dkey_mixing, tile.dfixed, scratch);
    for (std::int64_t head = 0; scores_.capped() && head < shape.heads(); ++head) {
      multiply_rows(at.of_head(tile.gradient, head), tile.cap_slope + head * at.head_step);
    }
    scores_.clear_hidden(at, tile.gradient);
  }

  // dq = scale dS k, dk += scale dS^T q.
  void queries_and_keys(const Tile& tile, Scratch<Sum> scratch) const {
    const auto& at = tile.at;
    const auto& shape = scores_.shape();
    const auto width = dq_.width;
    const auto key_stride = shape.key_heads * width;
    const auto queries = scores_.queries(at, scratch);
    Sum* dq = scratch.take(at.rows * width);
    for (std::int64_t head = 0; head < shape.heads(); ++head) {
      const auto key_head = head / shape.group;
      const auto& query = queries[static_cast<std::size_t>(head)];
      std::fill_n(dq, at.rows * width, Sum{0});
      for_each_chunk(at, [&](std::int64_t begin, std::int64_t count) {
        auto of_chunk = scratch;
        const auto keys = scores_.keys(at, begin, count, key_head, of_chunk);
        const auto visible = at.visible_in(begin);
        const auto of_keys = at.of_chunk(tile.gradient, head, begin, count, visible);
        weigh_values(of_keys, keys, width, dq, width);
        add_to_keys(at, begin, of_keys, query,
                    {tile.dk + key_head * width, key_stride, width, scores_.scale()}, of_chunk);
      });
      for (std::int64_t i = 0; i < at.rows; ++i) {
        T* to = dq_.at_head(at.sequence, at.row_of(i), head);
        for (std::int64_t d = 0; d < width; ++d) {
          to[d] = static_cast<T>(static_cast<Sum>(scores_.scale()) * dq[i * width + d]);
        }
      }
    }
  }

  // `to` [B, ..], contiguous: the sums of a sequence's workers that begin at `offset`.
  template <class Result>
  void add_up(const Out& to, std::int64_t offset) const {
    constexpr std::int64_t chunk = 1 << 12;
    const auto numbers = to.numel() / std::max<std::int64_t>(1, workers_.sequences);
    const auto chunks = blocks_of(numbers, chunk);
    parallel_for(workers_.sequences * chunks, 1, [&](std::int64_t task, std::int64_t) {
      const auto sequence = task / chunks;
      const auto begin = task % chunks * chunk;
      const Sum* from =
          a_.workspace.as<Sum>() + sequence * workers_.segments * sums_.all() + offset;
      Result* result = to.as<Result>() + sequence * numbers;
      for (auto i = begin; i < std::min(numbers, begin + chunk); ++i) {
        Sum total = from[i];
        for (std::int64_t segment = 1; segment < workers_.segments; ++segment) {
          total += from[segment * sums_.all() + i];
        }
        result[i] = static_cast<Result>(total);
      }
    });
  }

  void add_up_fixed() const {
    Sum* to = a_.dfixed_mixing.as<Sum>();
    const Sum* from = a_.workspace.as<Sum>() + sums_.all() - sums_.fixed;
    for (std::int64_t i = 0; i < sums_.fixed; ++i) {
      Sum total = 0;
      for (std::int64_t worker = 0; worker < workers_.count(); ++worker) {
        total += from[worker * sums_.all() + i];
      }
      to[i] = total;
    }
  }

  const ComposedAttentionBackwardArgs& a_;
  const ComposedScores<T> scores_;
  const Workers workers_;
  const Sums sums_;
  const HeadRows<const T> v_;
  const HeadRows<T> dq_;
};

void backward(const ComposedAttentionBackwardArgs& arguments) {
  visit_floating(arguments.q.dtype, [&]<class T>(TypeTag<T>) { Backward<T>(arguments).run(); });
}

std::size_t workspace_bytes(const ComposedAttentionBackwardArgs& arguments) {
  return visit_floating(arguments.q.dtype, [&]<class T>(TypeTag<T>) {
    return Backward<T>(arguments).workspace_bytes();
  });
}

const Registration registered{composed_attention_backward, Backend::cpu, backward, workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
