// Linear attention on a GPU. The weights inside the chunks are made first, into the workspace. The
// divisor is the same with values of 1, one per token.
#include "kernels/linear_attention.h"

#include "kernels/cuda/linear_attention_chunks.h"

namespace lookback::kernels {
namespace {

template <class Kernel>
void launch_each(const Kernel& kernel) {
  device::launch({.blocks = device::blocks_for(kernel.count, Kernel::threads)}, kernel);
}

// The parts of a workspace, in numbers.
struct Parts {
  std::int64_t state, products;
  explicit Parts(const ChunkedShape& shape)
      : state(shape.places() * shape.state_numbers()),
        products(shape.sequences * shape.heads() * shape.tokens * ChunkedShape::chunk) {}
};

template <class Sum, class X, class Y>
void states_before(const ChunkedShape& shape, const X& x, const Y& y, Sum* states,
                   const Sum* before, Sum* after) {
  launch_each(ChunkSums<Sum, X, Y>{shape, x, y, 1, Parts(shape).state, states});
  const auto numbers = shape.state_numbers();
  launch_each(SumOfOthers<Sum>{shape.chunks, numbers, shape.sequences * shape.key_heads * numbers,
                               states, before, after, false});
}
template <class Sum, class X, class Y>
void rests_behind(const ChunkedShape& shape, const X& x, const Y& y, Sum* rests) {
  launch_each(ChunkSums<Sum, X, Y>{shape, x, y, shape.group, Parts(shape).state, rests});
  const auto numbers = shape.state_numbers();
  launch_each(SumOfOthers<Sum>{shape.chunks, numbers, shape.sequences * shape.key_heads * numbers,
                               rests, nullptr, nullptr, true});
}

// States are [K, V]: multiplied from the side of K, and from that of V.
StateSteps by_width(const ChunkedShape& shape) {
  return {shape.value_width, 1, shape.width, shape.value_width};
}
StateSteps by_values(const ChunkedShape& shape) {
  return {1, shape.value_width, shape.value_width, shape.width};
}

struct ForwardTarget {
  const void* divisor;  // of the rows; null: 1
  double added;
};

template <class Sum, class Q, class K, class V, class Result>
void forward_of(const ChunkedShape& shape, const Q& q, const K& k, const V& v,
                const ForwardTarget& target, const HeadRows<Result>& y, const In& before,
                const Out& after, Sum* workspace) {
  const Parts parts(shape);
  auto* products = workspace + parts.state;
  states_before(shape, k, v, workspace, before.as<Sum>(), after.as<Sum>());
  launch_each(ChunkProducts<Sum, Q, K>{shape, q, k, shape.width, parts.products, products});
  const auto rows = shape.sequences * shape.heads() * shape.tokens;
  launch_each(FromPast<Sum, Q, V, Result>{
      shape, by_width(shape), q, v, products, workspace, static_cast<const Sum*>(target.divisor),
      static_cast<Sum>(target.added), y, rows * shape.value_width});
}

// slope: the gradient of what is divided.
template <class Sum, class T, class V, class Slope, class Target>
void backward_of(const ChunkedShape& shape, const HeadValues<T, Sum>& q,
                 const HeadValues<T, Sum>& k, const V& v, const Slope& slope, const HeadRows<T>& dq,
                 const HeadRows<T>& dk, const HeadRows<Target>& dv, Sum* workspace) {
  const Parts parts(shape);
  auto* rests = workspace + parts.state;
  auto* products = rests + parts.state;
  const auto tokens = shape.sequences * shape.tokens;
  launch_each(
      ChunkProducts<Sum, Slope, V>{shape, slope, v, shape.value_width, parts.products, products});
  if (dq.present()) {
    states_before<Sum>(shape, k, v, workspace, nullptr, nullptr);
    launch_each(FromPast<Sum, Slope, HeadValues<T, Sum>, T>{
        shape, by_values(shape), slope, k, products, workspace, nullptr, Sum(0), dq,
        tokens * shape.heads() * shape.width});
  }
  if (!dk.present() && !dv.present()) return;
  rests_behind(shape, q, slope, rests);
  if (dk.present()) {
    launch_each(FromRest<Sum, V, HeadValues<T, Sum>, T>{shape, by_values(shape), v, q, products,
                                                        rests, dk,
                                                        tokens * shape.key_heads * shape.width});
  }
  if (!dv.present()) return;
  launch_each(ChunkProducts<Sum, HeadValues<T, Sum>, HeadValues<T, Sum>>{shape, q, k, shape.width,
                                                                         parts.products, products});
  launch_each(FromRest<Sum, HeadValues<T, Sum>, Slope, Target>{
      shape, by_width(shape), k, slope, products, rests, dv,
      tokens * shape.key_heads * shape.value_width});
}

// [B, H, T] as rows of one number.
template <class Sum, class Operand>
HeadRows<Sum> rows_of_numbers(const ChunkedShape& shape, const Operand& x) {
  return {.data = elements_of<Sum>(x),
          .sequence_step = shape.heads() * shape.tokens,
          .row_step = 1,
          .key_head_step = shape.group * shape.tokens,
          .head_in_group_step = shape.tokens,
          .width = 1};
}

template <class T>
HeadValues<T, Accumulator<T>> of_heads(const In& x, const ChunkedShape& shape) {
  return {rows_of_heads<const T>(x, shape.group)};
}
template <class T>
HeadValues<T, Accumulator<T>> of_key_heads(const In& x) {
  return {rows_of_key_heads<const T>(x)};
}

void forward(const LinearAttentionForwardArgs& a) {
  visit_floating(a.v.dtype, [&]<class T>(TypeTag<T>) {
    const ChunkedShape shape(a.q, a.k, a.v.size(3));
    forward_of(shape, of_heads<T>(a.q, shape), of_key_heads<T>(a.k), of_key_heads<T>(a.v),
               {a.divisor.data, 0}, rows_of_heads<T>(a.y, shape.group), a.state_before,
               a.state_after, a.workspace.as<Accumulator<T>>());
  });
}

void backward(const LinearAttentionBackwardArgs& a) {
  visit_floating(a.v.dtype, [&]<class T>(TypeTag<T>) {
    using Sum = Accumulator<T>;
    const ChunkedShape shape(a.q, a.k, a.v.size(3));
    auto slope = of_heads<T>(a.dy, shape);
    slope.divisor = a.divisor.as<Sum>();
    backward_of(shape, of_heads<T>(a.q, shape), of_key_heads<T>(a.k), of_key_heads<T>(a.v), slope,
                rows_of_heads<T>(a.dq, shape.group), rows_of_key_heads<T>(a.dk),
                rows_of_key_heads<T>(a.dv), a.workspace.as<Sum>());
    if (!a.ddivisor.present()) return;
    launch_each(NegativeRowDots<Sum, HeadValues<T, Sum>, HeadValues<T, Sum>>{
        shape, slope, of_heads<T>(a.y, shape), a.ddivisor.numel(), a.ddivisor.as<Sum>()});
  });
}

template <class Sum>
using Ones = HeadValues<Sum, Sum>;

void divisor_forward(const LinearAttentionDivisorForwardArgs& a) {
  visit_floating(a.k.dtype, [&]<class T>(TypeTag<T>) {
    using Sum = Accumulator<T>;
    const ChunkedShape shape(a.q, a.k, 1);
    forward_of(shape, of_heads<T>(a.q, shape), of_key_heads<T>(a.k), Ones<Sum>{},
               {nullptr, a.epsilon}, rows_of_numbers<Sum>(shape, a.divisor), a.sums_before,
               a.sums_after, a.workspace.as<Sum>());
  });
}

void divisor_backward(const LinearAttentionDivisorBackwardArgs& a) {
  visit_floating(a.k.dtype, [&]<class T>(TypeTag<T>) {
    using Sum = Accumulator<T>;
    const ChunkedShape shape(a.q, a.k, 1);
    const HeadValues<Sum, Sum> slope{rows_of_numbers<const Sum>(shape, a.ddivisor)};
    backward_of(shape, of_heads<T>(a.q, shape), of_key_heads<T>(a.k), Ones<Sum>{}, slope,
                rows_of_heads<T>(a.dq, shape.group), rows_of_key_heads<T>(a.dk), HeadRows<Sum>{},
                a.workspace.as<Sum>());
  });
}

// So many states per chunk, and the weights inside the chunks.
template <class Arguments>
std::size_t bytes_of(const Arguments& a, std::int64_t value_width, std::int64_t states) {
  const Parts parts(ChunkedShape(a.q, a.k, value_width));
  return static_cast<std::size_t>(states * parts.state + parts.products) *
         size_of(accumulator_of(a.k.dtype));
}

constexpr auto cuda = Backend::cuda;
const Registration forward_registered{
    linear_attention_forward, cuda, forward,
    [](const LinearAttentionForwardArgs& a) { return bytes_of(a, a.v.size(3), 1); }};
const Registration backward_registered{
    linear_attention_backward, cuda, backward,
    [](const LinearAttentionBackwardArgs& a) { return bytes_of(a, a.v.size(3), 2); }};
const Registration divisor_forward_registered{
    linear_attention_divisor_forward, cuda, divisor_forward,
    [](const LinearAttentionDivisorForwardArgs& a) { return bytes_of(a, 1, 1); }};
const Registration divisor_backward_registered{
    linear_attention_divisor_backward, cuda, divisor_backward,
    [](const LinearAttentionDivisorBackwardArgs& a) { return bytes_of(a, 1, 2); }};

}  // namespace
}  // namespace lookback::kernels
