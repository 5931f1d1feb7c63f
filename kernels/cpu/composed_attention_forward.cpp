#include "kernels/core/tile_size.h"
#include "kernels/cpu/composed_scores.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

template <class T>
class Forward {
 public:
  explicit Forward(const ComposedAttentionForwardArgs& arguments)
      : a_(arguments), scores_(a_), v_(rows_of_key_heads<const T>(a_.v)) {}

  void run() const {
    const auto tiles = scores_.tiles();
    parallel_for(scores_.shape().sequences * tiles, 1, [&](std::int64_t task, std::int64_t) {
      // The rows that see most come first.
      one_tile(scores_.tile(task / tiles, tiles - 1 - task % tiles));
    });
  }

 private:
  using Sum = Accumulator<T>;

  void one_tile(const ComposedTile& tile) const {
    Scratch<Sum> scratch(scores_.tile_scratch() + scores_.row_scratch() +
                         ComposedTile::most_rows * v_.width + key_columns * v_.width);
    Sum* x = scratch.take(scores_.tile_scratch());
    scores_.scores(tile, x, nullptr, scratch);
    scores_.compose_tile(Composing::scores, tile, x, scratch);
    scores_.hide(tile, x);
    for (std::int64_t head = 0; head < scores_.shape().heads(); ++head) {
      softmax_rows(tile.of_head(x, head));
    }
    scores_.compose_tile(Composing::weights, tile, x, scratch);
    scores_.clear_hidden(tile, x);
    if (a_.weights.present()) return write_weights(tile, x);
    for (std::int64_t head = 0; head < scores_.shape().heads(); ++head) {
      apply(tile, x, head, scratch);
    }
  }

  void write_weights(const ComposedTile& tile, const Sum* x) const {
    const auto keys = scores_.shape().keys;
    for (std::int64_t head = 0; head < scores_.shape().heads(); ++head) {
      for (std::int64_t i = 0; i < tile.rows; ++i) {
        const auto row = (tile.sequence * scores_.shape().heads() + head) * scores_.shape().rows;
        T* to = a_.weights.as<T>() + (row + tile.row_of(i)) * keys;
        std::fill_n(to, keys, T{});
        const Sum* from = x + head * tile.head_step + i * tile.stride;
        const auto& seen = tile.visible[static_cast<std::size_t>(i)];
        for (auto s = seen.first; s < seen.last; ++s) to[tile.key_of(s)] = static_cast<T>(from[s]);
      }
    }
  }

  void apply(const ComposedTile& tile, Sum* x, std::int64_t head, Scratch<Sum> scratch) const {
    Sum* y = scratch.take(tile.rows * v_.width);
    std::fill_n(y, tile.rows * v_.width, Sum{0});
    for_each_chunk(tile, [&](std::int64_t begin, std::int64_t count) {
      auto of_chunk = scratch;
      const auto visible = tile.visible_in(begin);
      const auto key_head = head / scores_.shape().group;
      const auto values = scores_.rows_of_chunk(v_, tile, begin, count, key_head, of_chunk);
      weigh_values(tile.of_chunk(x, head, begin, count, visible), values, v_.width, y, v_.width);
    });
    for (std::int64_t i = 0; i < tile.rows; ++i) {
      const auto position = tile.sequence * scores_.shape().rows + tile.row_of(i);
      T* to = a_.y.as<T>() + (position * scores_.shape().heads() + head) * v_.width;
      for (std::int64_t d = 0; d < v_.width; ++d) to[d] = static_cast<T>(y[i * v_.width + d]);
    }
  }

  const ComposedAttentionForwardArgs& a_;
  const ComposedScores<T> scores_;
  const HeadRows<const T> v_;
};

void forward(const ComposedAttentionForwardArgs& arguments) {
  visit_floating(arguments.q.dtype, [&]<class T>(TypeTag<T>) { Forward<T>(arguments).run(); });
}

const Registration registered{composed_attention_forward, Backend::cpu, forward};
const TileSize queries{Backend::cpu, ComposedTile::most_rows};

}  // namespace
}  // namespace lookback::kernels
