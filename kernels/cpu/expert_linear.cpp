#include "kernels/expert_linear.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_operand.h"
#include "kernels/cpu/gemm_pieces.h"
#include "kernels/cpu/indices.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

// The choices n S + s in the order of their experts, those of one expert as they come.
struct Groups {
  std::vector<std::int64_t> choices;
  std::vector<std::int64_t> begins;  // of each expert's, and the end of the last one's

  Groups(const In& chosen, std::int64_t experts)
      : choices(static_cast<std::size_t>(chosen.numel())),
        begins(static_cast<std::size_t>(experts) + 1) {
    const auto* expert = chosen.as<std::int64_t>();
    const auto count = chosen.numel();
    for (std::int64_t i = 0; i < count; ++i) ++begins[static_cast<std::size_t>(expert[i]) + 1];
    for (std::size_t e = 1; e < begins.size(); ++e) begins[e] += begins[e - 1];
    auto next = begins;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto place = next[static_cast<std::size_t>(expert[i])]++;
      choices[static_cast<std::size_t>(place)] = i;
    }
  }
};

// Some rows of one expert: gathered, multiplied and written back by one thread, so that they stay
// in its cache.
struct Piece {
  std::int64_t expert, begin, end;
};

std::vector<Piece> pieces_of(const Groups& groups) {
  constexpr std::int64_t fewest = 64, most = 256, enough = 16;
  const auto all = static_cast<std::int64_t>(groups.choices.size());
  const auto size = std::clamp(ceil_div(all, enough), fewest, most);
  std::vector<Piece> pieces;
  for (std::size_t e = 0; e + 1 < groups.begins.size(); ++e) {
    for (auto begin = groups.begins[e]; begin < groups.begins[e + 1]; begin += size) {
      pieces.push_back(
          {static_cast<std::int64_t>(e), begin, std::min(begin + size, groups.begins[e + 1])});
    }
  }
  return pieces;
}

// Scratch of this thread.
template <class T, int which>
T* scratch(std::int64_t numbers) {
  thread_local std::vector<T> block;
  if (block.size() < static_cast<std::size_t>(numbers)) {
    block.resize(static_cast<std::size_t>(numbers));
  }
  return block.data();
}

template <class T>
void copy_row(const T* from, std::int64_t columns, T* to) {
  if (columns == 0) return;
  std::memcpy(static_cast<void*>(to), from, static_cast<std::size_t>(columns) * sizeof(T));
}

template <class T, class Result>
void multiply_piece(const ExpertLinearForwardArgs& a, const Groups& groups, const Piece& piece) {
  const auto inputs = a.weight.size(1), outputs = a.weight.size(2), slots = a.experts.size(1);
  const auto count = piece.end - piece.begin;
  const auto* choices = groups.choices.data() + piece.begin;
  T* const rows = scratch<T, 0>(count * inputs);
  Result* const results = scratch<Result, 1>(count * outputs);
  for (std::int64_t i = 0; i < count; ++i) {
    copy_row(a.x.as<T>() + choices[i] / slots * a.x.stride(0), inputs, rows + i * inputs);
  }
  Gemm<T, Result> p{.m = count,
                    .n = outputs,
                    .k = inputs,
                    .a = rows,
                    .a_stride = inputs,
                    .c = results,
                    .c_stride = outputs};
  place(a.weight, p.b, p.b_stride, p.b_layout);
  p.b += piece.expert * a.weight.stride(0);
  tile_product(p);
  for (std::int64_t i = 0; i < count; ++i) {
    copy_row(results + i * outputs, outputs, a.y.as<Result>() + choices[i] * outputs);
  }
}

void forward(const ExpertLinearForwardArgs& a) {
  check_indices("expert_linear", "expert", a.experts, a.weight.size(0));
  const Groups groups(a.experts, a.weight.size(0));
  const auto pieces = pieces_of(groups);
  const auto run = [&]<class T, class Result>(TypeTag<T>, TypeTag<Result>) {
    parallel_for(static_cast<std::int64_t>(pieces.size()), 1,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (auto i = begin; i < end; ++i) {
                     multiply_piece<T, Result>(a, groups, pieces[static_cast<std::size_t>(i)]);
                   }
                 });
  };
  visit_floating(a.x.dtype, [&]<class T>(TypeTag<T> tag) {
    if (a.y.dtype == a.x.dtype) {
      run(tag, tag);
    } else {
      run(tag, TypeTag<Accumulator<T>>{});
    }
  });
}

// Both operands in the order of the experts, one after the other: then each expert's gradient is a
// product of neighboring rows.
template <class T, class Result>
void sum_gradients(const ExpertLinearBackwardArgs& a) {
  const auto experts = a.dweight.size(0), outputs = a.dweight.size(1), inputs = a.dweight.size(2);
  const auto slots = a.experts.size(1);
  const Groups groups(a.experts, experts);
  const auto all = static_cast<std::int64_t>(groups.choices.size());
  T* const slopes = a.workspace.as<T>();
  T* const rows = slopes + all * outputs;
  const auto rows_at_once = std::max<std::int64_t>(1, (1 << 14) / (inputs + outputs + 1));
  parallel_for(all, rows_at_once, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) {
      const auto choice = groups.choices[static_cast<std::size_t>(i)];
      copy_row(a.dy.as<T>() + choice * outputs, outputs, slopes + i * outputs);
      copy_row(a.x.as<T>() + choice / slots * a.x.stride(0), inputs, rows + i * inputs);
    }
  });
  for (std::int64_t e = 0; e < experts; ++e) {
    const auto begin = groups.begins[static_cast<std::size_t>(e)];
    gemm(Gemm<T, Result>{.m = outputs,
                         .n = inputs,
                         .k = groups.begins[static_cast<std::size_t>(e) + 1] - begin,
                         .a = slopes + begin * outputs,
                         .a_stride = outputs,
                         .a_layout = Layout::transposed,
                         .b = rows + begin * inputs,
                         .b_stride = inputs,
                         .c = a.dweight.as<Result>() + e * outputs * inputs,
                         .c_stride = inputs});
  }
}

void backward(const ExpertLinearBackwardArgs& a) {
  visit_floating(a.dy.dtype, [&]<class T>(TypeTag<T>) {
    if (a.dweight.dtype == a.dy.dtype) {
      sum_gradients<T, T>(a);
    } else {
      sum_gradients<T, Accumulator<T>>(a);
    }
  });
}

std::size_t workspace_bytes(const ExpertLinearBackwardArgs& a) {
  const auto numbers = a.experts.numel() * (a.dweight.size(1) + a.dweight.size(2));
  return static_cast<std::size_t>(numbers) * size_of(a.dy.dtype);
}

const Registration forward_registered{expert_linear_forward, Backend::cpu, forward};
const Registration backward_registered{expert_linear_backward, Backend::cpu, backward,
                                       workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
