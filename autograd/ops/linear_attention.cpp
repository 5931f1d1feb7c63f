#include "autograd/ops/linear_attention.h"

#include <algorithm>

#include "autograd/mask_watch.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/attention_pieces.h"
#include "autograd/record.h"
#include "autograd/workspace.h"
#include "kernels/linear_attention.h"

namespace lookback {
namespace {

using detail::dense_rows;

constexpr std::string_view attention_name = "linear_attention";
constexpr std::string_view divisor_name = "linear_attention_divisor";

struct LinearAttentionBackward {
  static constexpr std::string_view name = attention_name;
  SavedTensor q, k, v, divisor, y;

  std::vector<Tensor> operator()(const Tensor& given_dy, Needed needed) const {
    const auto dy = contiguous(given_dy);
    const auto queries = q.get(), keys = k.get(), values = v.get(), divisors = divisor.get();
    const auto wanted = [&](std::size_t input, const Tensor& x) {
      return needed[input] ? empty_like(x) : Tensor{};
    };
    const std::vector<Tensor> gradients{wanted(0, queries), wanted(1, keys), wanted(2, values),
                                        wanted(3, divisors)};
    run_with_workspace(kernels::linear_attention_backward, dy.device(),
                       kernels::LinearAttentionBackwardArgs{.dy = dy,
                                                            .q = queries,
                                                            .k = keys,
                                                            .v = values,
                                                            .divisor = divisors,
                                                            .y = y.get(),
                                                            .dq = gradients[0],
                                                            .dk = gradients[1],
                                                            .dv = gradients[2],
                                                            .ddivisor = gradients[3]});
    return gradients;
  }
};

struct LinearAttentionDivisorBackward {
  static constexpr std::string_view name = divisor_name;
  SavedTensor q, k;

  std::vector<Tensor> operator()(const Tensor& given_ddivisor, Needed needed) const {
    const auto ddivisor = contiguous(given_ddivisor);
    const auto queries = q.get(), keys = k.get();
    const auto dq = needed[0] ? empty_like(queries) : Tensor{};
    const auto dk = needed[1] ? empty_like(keys) : Tensor{};
    run_with_workspace(kernels::linear_attention_divisor_backward, ddivisor.device(),
                       kernels::LinearAttentionDivisorBackwardArgs{
                           .ddivisor = ddivisor, .q = queries, .k = keys, .dq = dq, .dk = dk});
    return {dq, dk};
  }
};

void check_features(const Check& check, const Tensor& q, const Tensor& k) {
  check(q.rank() == 4 && k.rank() == 4, "q {} and k {} must have four dimensions", q.shape(),
        k.shape());
  const auto heads = q.size(2), key_heads = k.size(2);
  check(q.size(0) == k.size(0) && q.size(1) == k.size(1) && q.size(3) == k.size(3),
        "q {} and k {} must agree in sequences, tokens and head size", q.shape(), k.shape());
  check(key_heads > 0 && heads % key_heads == 0, "q {} has {} heads, no multiple of the {} of k {}",
        q.shape(), heads, key_heads, k.shape());
  check(is_floating(q.dtype()) && k.dtype() == q.dtype(),
        "q is {}, k is {}: both must have one floating dtype", q.dtype(), k.dtype());
}

void check_state(const Check& check, const Tensor& state, const Shape& shape, DType dtype) {
  check(!state.defined() || (state.shape() == shape && state.dtype() == dtype),
        "the state must be {} of {}", shape, dtype);
}

Tensor contiguous_or_none(const Tensor& x) { return x.defined() ? contiguous(x) : x; }

struct Operands {
  Tensor q, k, v, divisor;

  Operands(const Tensor& given_q, const Tensor& given_k, const Tensor& given_v,
           const Tensor& given_divisor, const CausalMask& mask) {
    const Check check{attention_name};
    check_features(check, given_q, given_k);
    detail::check_values(attention_name, given_k, given_v);
    const Shape one_each{given_q.size(0), given_q.size(2), given_q.size(1)};
    const auto accumulator = accumulator_of(given_q.dtype());
    check(given_divisor.shape() == one_each && given_divisor.dtype() == accumulator,
          "divisor {} of {} must be {} of {}: one number for each row and head",
          given_divisor.shape(), given_divisor.dtype(), one_each, accumulator);
    check(mask.window == 0 && !mask.document_start.defined() && !mask.pattern.present() &&
              !mask.key_positions.defined(),
          "the mask must hide nothing but what comes later: a state has every token in it, and "
          "cannot leave out those of a window's past or of another document");
    q = dense_rows(given_q);
    k = dense_rows(given_k);
    v = dense_rows(given_v);
    divisor = contiguous(given_divisor);
  }

  Tensor result() const {
    return empty({q.size(0), q.size(1), q.size(2), v.size(3)}, v.dtype(), v.device());
  }
  kernels::LinearAttentionForwardArgs arguments(const Tensor& y) const {
    return {.q = q, .k = k, .v = v, .divisor = divisor, .y = y};
  }
};

Tensor empty_divisor(const Tensor& q) {
  return empty({q.size(0), q.size(2), q.size(1)}, accumulator_of(q.dtype()), q.device());
}

}  // namespace

Tensor linear_attention(const Tensor& given_q, const Tensor& given_k, const Tensor& given_v,
                        const Tensor& given_divisor, const CausalMask& mask,
                        const std::source_location& where) {
  MaskWatch::tell(attention_name, mask, where);
  const Operands all(given_q, given_k, given_v, given_divisor, mask);
  const Check check{attention_name};
  check(mask.offset == 0, "the mask's offset {} must be 0: the sequences are whole", mask.offset);
  const auto y = all.result();
  run_with_workspace(kernels::linear_attention_forward, y.device(), all.arguments(y));
  return record<LinearAttentionBackward>(y, {all.q, all.k, all.v, all.divisor}, [&] {
    return LinearAttentionBackward{all.q, all.k, all.v, all.divisor, y};
  });
}

Tensor linear_attention_divisor(const Tensor& given_q, const Tensor& given_k, double epsilon) {
  check_features(Check{divisor_name}, given_q, given_k);
  const auto q = dense_rows(given_q), k = dense_rows(given_k);
  const auto divisor = empty_divisor(q);
  run_with_workspace(kernels::linear_attention_divisor_forward, q.device(),
                     kernels::LinearAttentionDivisorForwardArgs{
                         .q = q, .k = k, .divisor = divisor, .epsilon = epsilon});
  return record<LinearAttentionDivisorBackward>(divisor, {q, k}, [&] {
    return LinearAttentionDivisorBackward{q, k};
  });
}

LinearAttentionStep continue_linear_attention(const Tensor& given_q, const Tensor& given_k,
                                              const Tensor& given_v, const Tensor& given_divisor,
                                              const Tensor& given_state, const CausalMask& mask,
                                              const std::source_location& where) {
  MaskWatch::tell(attention_name, mask, where);
  no_gradient(attention_name, {given_q, given_k, given_v, given_divisor});
  const Operands all(given_q, given_k, given_v, given_divisor, mask);
  const Shape shape{all.k.size(0), all.k.size(2), all.k.size(3), all.v.size(3)};
  const auto dtype = all.divisor.dtype();
  check_state(Check{attention_name}, given_state, shape, dtype);
  const auto before = contiguous_or_none(given_state);
  const LinearAttentionStep step{all.result(), empty(shape, dtype, all.q.device())};
  auto arguments = all.arguments(step.result);
  arguments.state_before = before;
  arguments.state_after = step.state;
  run_with_workspace(kernels::linear_attention_forward, all.q.device(), arguments);
  return step;
}

LinearAttentionStep continue_linear_attention_divisor(const Tensor& given_q, const Tensor& given_k,
                                                      double epsilon, const Tensor& given_state) {
  const Check check{divisor_name};
  check_features(check, given_q, given_k);
  no_gradient(divisor_name, {given_q, given_k});
  const auto q = dense_rows(given_q), k = dense_rows(given_k);
  const auto divisor = empty_divisor(q);
  const Shape shape{k.size(0), k.size(2), k.size(3)};
  check_state(check, given_state, shape, divisor.dtype());
  const auto before = contiguous_or_none(given_state);
  const LinearAttentionStep step{divisor, empty(shape, divisor.dtype(), q.device())};
  run_with_workspace(kernels::linear_attention_divisor_forward, q.device(),
                     kernels::LinearAttentionDivisorForwardArgs{.q = q,
                                                                .k = k,
                                                                .sums_before = before,
                                                                .divisor = divisor,
                                                                .sums_after = step.state,
                                                                .epsilon = epsilon});
  return step;
}

}  // namespace lookback
