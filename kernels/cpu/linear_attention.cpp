#include "kernels/linear_attention.h"

#include "kernels/core/tile_size.h"
#include "kernels/cpu/linear_attention_tiles.h"

namespace lookback::kernels {
namespace {

// x [rows, a] times m [a, b] into to [rows, b].
template <class Sum>
void times_matrix(const RowSpan<Sum>& x, std::int64_t rows, std::int64_t a, const Sum* m,
                  Layout layout, std::int64_t b, Sum* to) {
  tile_product(Gemm<Sum>{.m = rows,
                         .n = b,
                         .k = a,
                         .a = x.data,
                         .a_stride = x.stride,
                         .b = m,
                         .b_stride = layout == Layout::as_is ? b : a,
                         .b_layout = layout,
                         .c = to,
                         .c_stride = b});
}

// to [columns, b] += weights^T x, x [rows, b].
template <class Sum>
void add_transposed(const ScoreTile<Sum>& weights, const RowSpan<Sum>& x, std::int64_t b, Sum* to) {
  tile_product(Gemm<Sum>{.m = weights.columns,
                         .n = b,
                         .k = weights.rows,
                         .a = weights.data,
                         .a_stride = weights.stride,
                         .a_layout = Layout::transposed,
                         .b = x.data,
                         .b_stride = x.stride,
                         .c = to,
                         .c_stride = b,
                         .into = Into::sum});
}

template <class T, class Sum>
void write_rows(const Sum* from, const HeadRows<T>& to, const ChunkPlace& place, std::int64_t first,
                std::int64_t rows, std::int64_t head_in_group) {
  if (!to.present()) return;
  for (std::int64_t i = 0; i < rows; ++i) {
    T* row = to.at(place.sequence, first + i, place.key_head, head_in_group);
    for (std::int64_t d = 0; d < to.width; ++d) row[d] = static_cast<T>(from[i * to.width + d]);
  }
}

template <class T>
class Forward {
 public:
  explicit Forward(const LinearAttentionForwardArgs& arguments)
      : a_(arguments),
        shape_(a_.q, a_.k, a_.v.size(3)),
        q_(rows_of_heads<const T>(a_.q, shape_.group)),
        k_(rows_of_key_heads<const T>(a_.k)),
        v_(rows_of_key_heads<const T>(a_.v)),
        y_(rows_of_heads<T>(a_.y, shape_.group)),
        states_(shape_, a_.workspace.as<Sum>()) {}

  void run() const {
    chunk_sums(shape_, k_, v_, states_);
    states_.sum_before(a_.state_before.as<Sum>(), a_.state_after.as<Sum>());
    parallel_for(shape_.places() * shape_.group, 1, [&](std::int64_t task, std::int64_t) {
      chunk(ChunkPlace(shape_, task / shape_.group), task % shape_.group);
    });
  }

 private:
  using Sum = Accumulator<T>;

  void chunk(const ChunkPlace& place, std::int64_t head_in_group) const {
    const auto first = shape_.first_of(place.number), rows = shape_.rows_of(place.number);
    const auto width = shape_.width, value_width = shape_.value_width;
    Scratch<Sum> scratch(rows * (rows + value_width) +
                         read_scratch<T>(rows, 2 * width + value_width));
    const auto read = [&](const HeadRows<const T>& x, std::int64_t in_group) {
      return read_rows(x.at(place.sequence, first, place.key_head, in_group), x.row_step, rows,
                       x.width, scratch);
    };
    const auto queries = read(q_, head_in_group), keys = read(k_, 0), values = read(v_, 0);
    const auto visible = up_to_itself();
    const auto weights = causal_products(queries, keys, rows, width, visible.data(), scratch);
    Sum* y = scratch.take(rows * value_width);
    times_matrix(queries, rows, width, states_.at(place), Layout::as_is, value_width, y);
    weigh_values(weights, values, value_width, y, value_width);
    const auto head = place.key_head * shape_.group + head_in_group;
    const Sum* divisor =
        a_.divisor.as<Sum>() + (place.sequence * shape_.heads() + head) * shape_.tokens + first;
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t d = 0; d < value_width; ++d) y[i * value_width + d] /= divisor[i];
    }
    write_rows(y, y_, place, first, rows, head_in_group);
  }

  const LinearAttentionForwardArgs& a_;
  const ChunkedShape shape_;
  const HeadRows<const T> q_, k_, v_;
  const HeadRows<T> y_;
  const ChunkStates<Sum> states_;
};

template <class T>
class Backward {
 public:
  explicit Backward(const LinearAttentionBackwardArgs& arguments)
      : a_(arguments),
        shape_(a_.q, a_.k, a_.v.size(3)),
        q_(rows_of_heads<const T>(a_.q, shape_.group)),
        k_(rows_of_key_heads<const T>(a_.k)),
        v_(rows_of_key_heads<const T>(a_.v)),
        dy_(rows_of_heads<const T>(a_.dy, shape_.group)),
        y_(rows_of_heads<const T>(a_.y, shape_.group)),
        dq_(rows_of_heads<T>(a_.dq, shape_.group)),
        dk_(rows_of_key_heads<T>(a_.dk)),
        dv_(rows_of_key_heads<T>(a_.dv)),
        states_(shape_, a_.workspace.as<Sum>()),
        rests_(shape_, a_.workspace.as<Sum>() + shape_.places() * shape_.state_numbers()) {}

  void run() const {
    chunk_sums(shape_, k_, v_, states_);
    states_.sum_before(nullptr, nullptr);
    for_each_chunk([&](const ChunkPlace& place) { own_rest(place); });
    rests_.sum_behind();
    for_each_chunk([&](const ChunkPlace& place) { chunk(place); });
  }

 private:
  using Sum = Accumulator<T>;
  using Rows = RowSpan<Sum>;

  template <class Body>
  void for_each_chunk(const Body& body) const {
    parallel_for(shape_.places(), 1,
                 [&](std::int64_t task, std::int64_t) { body(ChunkPlace(shape_, task)); });
  }

  Rows read(const HeadRows<const T>& x, const ChunkPlace& place, std::int64_t head_in_group,
            Scratch<Sum>& scratch) const {
    return read_rows(
        x.at(place.sequence, shape_.first_of(place.number), place.key_head, head_in_group),
        x.row_step, shape_.rows_of(place.number), x.width, scratch);
  }

  std::int64_t row_number(const ChunkPlace& place, std::int64_t head_in_group) const {
    const auto head = place.key_head * shape_.group + head_in_group;
    return (place.sequence * shape_.heads() + head) * shape_.tokens + shape_.first_of(place.number);
  }

  // dy / divisor of one head.
  Rows numerator_gradient(const ChunkPlace& place, std::int64_t head_in_group,
                          Scratch<Sum>& scratch) const {
    const auto rows = shape_.rows_of(place.number), width = shape_.value_width;
    Sum* to = scratch.take(rows * width);
    const Sum* divisor = a_.divisor.as<Sum>() + row_number(place, head_in_group);
    for (std::int64_t i = 0; i < rows; ++i) {
      const T* dy =
          dy_.at(place.sequence, shape_.first_of(place.number) + i, place.key_head, head_in_group);
      for (std::int64_t d = 0; d < width; ++d)
        to[i * width + d] = static_cast<Sum>(dy[d]) / divisor[i];
    }
    return {to, width};
  }

  // This chunk's share of rest, over the heads of the group.
  void own_rest(const ChunkPlace& place) const {
    const auto rows = shape_.rows_of(place.number);
    Scratch<Sum> scratch(rows * shape_.value_width + read_scratch<T>(rows, shape_.width));
    for (std::int64_t head = 0; head < shape_.group; ++head) {
      auto of_head = scratch;
      const auto queries = read(q_, place, head, of_head);
      const auto slope = numerator_gradient(place, head, of_head);
      tile_product(Gemm<Sum>{.m = shape_.width,
                             .n = shape_.value_width,
                             .k = rows,
                             .a = queries.data,
                             .a_stride = queries.stride,
                             .a_layout = Layout::transposed,
                             .b = slope.data,
                             .b_stride = slope.stride,
                             .c = rests_.at(place),
                             .c_stride = shape_.value_width,
                             .into = head == 0 ? Into::overwrite : Into::sum});
    }
  }

  // The keys and values of a chunk, and their gradients so far.
  struct KeysAndValues {
    Rows k, v;
    Sum *dk, *dv;
  };

  void chunk(const ChunkPlace& place) const {
    const auto first = shape_.first_of(place.number), rows = shape_.rows_of(place.number);
    const auto width = shape_.width, value_width = shape_.value_width;
    Scratch<Sum> scratch(2 * rows * (rows + width + value_width) +
                         read_scratch<T>(rows, 2 * width + value_width));
    KeysAndValues of{read(k_, place, 0, scratch), read(v_, place, 0, scratch),
                     scratch.take(rows * width), scratch.take(rows * value_width)};
    const Sum* rest = rests_.at(place);
    times_matrix(of.v, rows, value_width, rest, Layout::transposed, width, of.dk);
    times_matrix(of.k, rows, width, rest, Layout::as_is, value_width, of.dv);
    for (std::int64_t head = 0; head < shape_.group; ++head) {
      auto of_head = scratch;
      chunk_of_head(place, head, of, of_head);
    }
    write_rows(of.dk, dk_, place, first, rows, 0);
    write_rows(of.dv, dv_, place, first, rows, 0);
  }

  void chunk_of_head(const ChunkPlace& place, std::int64_t head, const KeysAndValues& of,
                     Scratch<Sum>& scratch) const {
    const auto first = shape_.first_of(place.number), rows = shape_.rows_of(place.number);
    const auto width = shape_.width, value_width = shape_.value_width;
    const auto visible = up_to_itself();
    const auto queries = read(q_, place, head, scratch);
    const auto slope = numerator_gradient(place, head, scratch);
    const auto weight_slopes =
        causal_products(slope, of.v, rows, value_width, visible.data(), scratch);
    add_transposed(weight_slopes, queries, width, of.dk);
    const auto weights = causal_products(queries, of.k, rows, width, visible.data(), scratch);
    add_transposed(weights, slope, value_width, of.dv);
    if (dq_.present()) {
      Sum* dq = scratch.take(rows * width);
      times_matrix(slope, rows, value_width, states_.at(place), Layout::transposed, width, dq);
      weigh_values(weight_slopes, of.k, width, dq, width);
      write_rows(dq, dq_, place, first, rows, head);
    }
    if (!a_.ddivisor.present()) return;
    Sum* ddivisor = a_.ddivisor.as<Sum>() + row_number(place, head);
    for (std::int64_t i = 0; i < rows; ++i) {
      const T* y = y_.at(place.sequence, first + i, place.key_head, head);
      Sum dot = 0;
      for (std::int64_t d = 0; d < value_width; ++d)
        dot += slope.row(i)[d] * static_cast<Sum>(y[d]);
      ddivisor[i] = -dot;
    }
  }

  const LinearAttentionBackwardArgs& a_;
  const ChunkedShape shape_;
  const HeadRows<const T> q_, k_, v_, dy_, y_;
  const HeadRows<T> dq_, dk_, dv_;
  const ChunkStates<Sum> states_, rests_;
};

void forward(const LinearAttentionForwardArgs& arguments) {
  visit_floating(arguments.v.dtype, [&]<class T>(TypeTag<T>) { Forward<T>(arguments).run(); });
}
void backward(const LinearAttentionBackwardArgs& arguments) {
  visit_floating(arguments.v.dtype, [&]<class T>(TypeTag<T>) { Backward<T>(arguments).run(); });
}

// One state per chunk.
std::size_t bytes_of_states(const In& q, const In& k, const In& v) {
  const ChunkedShape shape(q, k, v.size(3));
  return static_cast<std::size_t>(shape.places() * shape.state_numbers()) *
         size_of(accumulator_of(v.dtype));
}
std::size_t forward_workspace(const LinearAttentionForwardArgs& a) {
  return bytes_of_states(a.q, a.k, a.v);
}
std::size_t backward_workspace(const LinearAttentionBackwardArgs& a) {
  return 2 * bytes_of_states(a.q, a.k, a.v);
}

const Registration forward_registered{linear_attention_forward, Backend::cpu, forward,
                                      forward_workspace};
const Registration backward_registered{linear_attention_backward, Backend::cpu, backward,
                                       backward_workspace};
const TileSize chunk{Backend::cpu, linear_attention_chunk};

}  // namespace
}  // namespace lookback::kernels
