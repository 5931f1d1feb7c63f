#include "kernels/sum.h"

#include <cstdlib>

#include "kernels/core/reduction_plan.h"
#include "kernels/cpu/lane_sum.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

enum class Threads { one, all };

// part(begin, end) over all terms in chunks of fixed size, added up in the order of the chunks: the
// same bits, whether the chunks run at the same time or one after the other.
template <class Value, class Part>
Value sum_in_chunks(std::int64_t terms, std::int64_t chunk, Threads threads, const Part& part) {
  if (threads == Threads::all) return parallel_sum<Value>(terms, chunk, part);
  Value total{};
  for (std::int64_t begin = 0; begin < terms; begin += chunk) {
    total += part(begin, std::min(terms, begin + chunk));
  }
  return total;
}

// Runs item(i, threads) for every result: many of them on all threads, else one after the other and
// the terms of each on all threads.
template <class Item>
void for_each_result(std::int64_t results, std::int64_t terms, const Item& item) {
  constexpr std::int64_t chunk_terms = 1 << 15;
  if (results < 16 && results * terms > 4 * chunk_terms) {
    for (std::int64_t i = 0; i < results; ++i) item(i, Threads::all);
    return;
  }
  const auto chunk = std::max<std::int64_t>(1, chunk_terms / std::max<std::int64_t>(terms, 1));
  parallel_for(results, chunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) item(i, Threads::one);
  });
}

template <class T>
T result_of(Accumulator<T> total, double scale) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(total);
  } else {
    return static_cast<T>(total * static_cast<Accumulator<T>>(scale));
  }
}

// Neighboring terms lie closest: one result at a time.
template <class T>
void sum_rows(const SumForwardArgs& a, const ReductionPlan& plan) {
  using Sum = Accumulator<T>;
  constexpr std::int64_t chunk = 1 << 13;
  const auto& reduced = plan.reduced;
  const std::int64_t terms = reduced.numel(), row = reduced.row(), step = reduced.step();
  for_each_result(a.y.numel(), terms, [&](std::int64_t i, Threads threads) {
    const T* x = a.x.as<T>() + plan.kept.offset(i);
    const auto part = [&](std::int64_t begin, std::int64_t end) {
      Sum total{};
      for (std::int64_t at = begin; at < end;) {
        const std::int64_t length = std::min(end - at, row - at % row);
        const T* first = x + reduced.offset(at);
        total +=
            step == 1
                ? lane_sum<Sum>(length, [=](auto j) { return static_cast<Sum>(first[j]); })
                : lane_sum<Sum>(length, [=](auto j) { return static_cast<Sum>(first[j * step]); });
        at += length;
      }
      return total;
    };
    a.y.as<T>()[i] = result_of<T>(sum_in_chunks<Sum>(terms, chunk, threads, part), a.scale);
  });
}

// Some neighboring columns of one sum.
template <class Sum>
struct Columns {
  static constexpr std::int64_t count = 128;
  Sum values[count] = {};
  Columns& operator+=(const Columns& other) {
    for (std::int64_t j = 0; j < count; ++j) values[j] += other.values[j];
    return *this;
  }
};

// Neighboring results lie closest: whole rows of them are added up, a block of columns at a time.
template <class T>
void sum_columns(const SumForwardArgs& a, const ReductionPlan& plan) {
  using Block = Columns<Accumulator<T>>;
  constexpr std::int64_t chunk = 64;
  const std::int64_t terms = plan.reduced.numel();
  const std::int64_t row = plan.kept.row(), step = plan.kept.step();
  const std::int64_t blocks = (row + Block::count - 1) / Block::count;
  const std::int64_t rows = plan.kept.numel() / row;
  for_each_result(rows * blocks, terms * Block::count, [&](std::int64_t i, Threads threads) {
    const std::int64_t first = i / blocks * row + i % blocks * Block::count;
    const std::int64_t length = std::min(Block::count, row - i % blocks * Block::count);
    const T* x = a.x.as<T>() + plan.kept.offset(first);
    const auto part = [&](std::int64_t begin, std::int64_t end) {
      Block block;
      auto* values = block.values;
      for (std::int64_t term = begin; term < end; ++term) {
        const T* at = x + plan.reduced.offset(term);
        if (step == 1) {
          for (std::int64_t j = 0; j < length; ++j) values[j] += static_cast<Accumulator<T>>(at[j]);
        } else {
          for (std::int64_t j = 0; j < length; ++j)
            values[j] += static_cast<Accumulator<T>>(at[j * step]);
        }
      }
      return block;
    };
    const auto total = sum_in_chunks<Block>(terms, chunk, threads, part);
    T* y = a.y.as<T>() + first;
    for (std::int64_t j = 0; j < length; ++j) y[j] = result_of<T>(total.values[j], a.scale);
  });
}

void forward(const SumForwardArgs& a) {
  if (a.y.numel() == 0) return;
  const ReductionPlan plan(a.x, a.y.sizes);
  const bool by_columns =
      plan.kept.row() > 1 &&
      (plan.reduced.numel() <= 1 || std::abs(plan.kept.step()) < std::abs(plan.reduced.step()));
  visit_any(a.x.dtype, [&]<class T>(TypeTag<T>) {
    by_columns ? sum_columns<T>(a, plan) : sum_rows<T>(a, plan);
  });
}

const Registration registered{sum_forward, Backend::cpu, forward};

}  // namespace
}  // namespace lookback::kernels
