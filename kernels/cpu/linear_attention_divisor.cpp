#include <algorithm>
#include <vector>

#include "kernels/cpu/attention_rows.h"
#include "kernels/linear_attention_shape.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

// The running sums of one key head. Those of a chunk are added to the sum of the chunks before it,
// so that long sequences do not add small numbers to a large one.
template <class T>
class RunningSum {
 public:
  using Sum = Accumulator<T>;
  explicit RunningSum(std::int64_t width)
      : before_(static_cast<std::size_t>(width)), of_chunk_(before_), total_(before_) {}

  void start_from(const Sum* sums) { std::copy_n(sums, before_.size(), before_.begin()); }
  void add(const T* row, Sum factor = 1) {
    for (std::size_t i = 0; i < of_chunk_.size(); ++i) {
      of_chunk_[i] += factor * static_cast<Sum>(row[i]);
    }
  }
  const std::vector<Sum>& total() {
    for (std::size_t i = 0; i < total_.size(); ++i) total_[i] = before_[i] + of_chunk_[i];
    return total_;
  }
  void end_chunk() {
    before_ = total();
    std::fill(of_chunk_.begin(), of_chunk_.end(), Sum{0});
  }

 private:
  std::vector<Sum> before_, of_chunk_, total_;
};

// One task per sequence and key head.
template <class Body>
void for_each_key_head(const ChunkedShape& sizes, const Body& body) {
  parallel_for(sizes.sequences * sizes.key_heads, 1, [&](std::int64_t task, std::int64_t) {
    body(task / sizes.key_heads, task % sizes.key_heads);
  });
}

bool ends_chunk(std::int64_t token) {
  return token % ChunkedShape::chunk == ChunkedShape::chunk - 1;
}

template <class T>
void forward_in(const LinearAttentionDivisorForwardArgs& a) {
  using Sum = Accumulator<T>;
  const ChunkedShape sizes(a.q, a.k, 1);
  const auto q = rows_of_heads<const T>(a.q, sizes.group);
  const auto k = rows_of_key_heads<const T>(a.k);
  for_each_key_head(sizes, [&](std::int64_t sequence, std::int64_t key_head) {
    const auto own = (sequence * sizes.key_heads + key_head) * sizes.width;
    RunningSum<T> sums(sizes.width);
    std::vector<Sum> query(static_cast<std::size_t>(sizes.width));
    if (a.sums_before.present()) sums.start_from(a.sums_before.as<Sum>() + own);
    for (std::int64_t t = 0; t < sizes.tokens; ++t) {
      sums.add(k.at(sequence, t, key_head, 0));
      const auto& total = sums.total();
      for (std::int64_t i = 0; i < sizes.group; ++i) {
        const auto head = key_head * sizes.group + i;
        const T* from = q.at_head(sequence, t, head);
        for (std::size_t d = 0; d < query.size(); ++d) query[d] = static_cast<Sum>(from[d]);
        a.divisor.as<Sum>()[sizes.row_number(sequence, head, t)] =
            dot(query.data(), total.data(), sizes.width) + static_cast<Sum>(a.epsilon);
      }
      if (ends_chunk(t)) sums.end_chunk();
    }
    if (a.sums_after.present()) {
      std::copy_n(sums.total().begin(), sizes.width, a.sums_after.as<Sum>() + own);
    }
  });
}

template <class T>
void backward_in(const LinearAttentionDivisorBackwardArgs& a) {
  using Sum = Accumulator<T>;
  const ChunkedShape sizes(a.q, a.k, 1);
  const auto q = rows_of_heads<const T>(a.q, sizes.group);
  const auto k = rows_of_key_heads<const T>(a.k);
  const auto dq = rows_of_heads<T>(a.dq, sizes.group);
  const auto dk = rows_of_key_heads<T>(a.dk);
  const auto slope = [&](std::int64_t sequence, std::int64_t head, std::int64_t t) {
    return a.ddivisor.as<Sum>()[sizes.row_number(sequence, head, t)];
  };
  for_each_key_head(sizes, [&](std::int64_t sequence, std::int64_t key_head) {
    const auto first = key_head * sizes.group, last = first + sizes.group;
    RunningSum<T> sums(sizes.width);
    for (std::int64_t t = 0; dq.present() && t < sizes.tokens; ++t) {
      sums.add(k.at(sequence, t, key_head, 0));
      const auto& total = sums.total();
      for (auto head = first; head < last; ++head) {
        T* to = dq.at_head(sequence, t, head);
        const Sum factor = slope(sequence, head, t);
        for (std::int64_t d = 0; d < sizes.width; ++d) {
          to[d] = static_cast<T>(factor * total[static_cast<std::size_t>(d)]);
        }
      }
      if (ends_chunk(t)) sums.end_chunk();
    }
    RunningSum<T> rest(sizes.width);
    for (auto t = sizes.tokens - 1; dk.present() && t >= 0; --t) {
      for (auto head = first; head < last; ++head) {
        rest.add(q.at_head(sequence, t, head), slope(sequence, head, t));
      }
      T* to = dk.at(sequence, t, key_head, 0);
      const auto& total = rest.total();
      for (std::int64_t d = 0; d < sizes.width; ++d) {
        to[d] = static_cast<T>(total[static_cast<std::size_t>(d)]);
      }
      if (t % ChunkedShape::chunk == 0) rest.end_chunk();
    }
  });
}

void forward(const LinearAttentionDivisorForwardArgs& a) {
  visit_floating(a.k.dtype, [&]<class T>(TypeTag<T>) { forward_in<T>(a); });
}
void backward(const LinearAttentionDivisorBackwardArgs& a) {
  visit_floating(a.k.dtype, [&]<class T>(TypeTag<T>) { backward_in<T>(a); });
}

const Registration forward_registered{linear_attention_divisor_forward, Backend::cpu, forward};
const Registration backward_registered{linear_attention_divisor_backward, Backend::cpu, backward};

}  // namespace
}  // namespace lookback::kernels
