#include "autograd/ops/rotated_heads.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/rope.h"
#include "autograd/ops/split.h"
#include "runtime/transfer.h"
#include "tests/autograd/op_case.h"
#include "tests/autograd/waves.h"

namespace lookback::testing {
namespace {

constexpr std::int64_t offset = 3;
constexpr HeadCounts heads{.query = 4, .key = 2};
constexpr std::int64_t all_heads = 8;

RopeTables tables_for(const Tensor& joint) {
  const auto tables = rope_tables(offset + joint.size(1), joint.size(2) / all_heads, 100.0, {},
                                  accumulator_of(joint.dtype()));
  return {to_device(tables.cos, joint.device()), to_device(tables.sin, joint.device())};
}

Tensor side_by_side(const RotatedHeads& parts) {
  std::vector<Tensor> rows;
  for (const auto& x : {parts.query, parts.key, parts.value})
    rows.push_back(reshape(x, {x.size(0), x.size(1), x.size(2) * x.size(3)}));
  return cat(rows, -1);
}

// All heads but the values' as complex numbers times e^(i angle).
Tensor from_formula(const Inputs& in) {
  const auto shape = in[0].shape();
  const auto width = shape[2] / all_heads;
  const auto* x = in[0].data<double>();
  return make_f64(shape, [=](std::int64_t i) {
    const auto head = i % shape[2] / width, d = i % width, pair = d % (width / 2);
    if (head >= heads.query + heads.key) return x[i];
    const auto position = static_cast<double>(offset + i / shape[2] % shape[1]);
    const double angle =
        position * std::pow(100.0, -2.0 * static_cast<double>(pair) / static_cast<double>(width));
    const double real = x[i - d + pair], imaginary = x[i - d + pair + width / 2];
    return d < width / 2 ? real * std::cos(angle) - imaginary * std::sin(angle)
                         : imaginary * std::cos(angle) + real * std::sin(angle);
  });
}

Tensor ones(const Shape& shape) {
  return make_f64(shape, [](auto) { return 1.0; });
}

RotatedHeads of_joint(const Tensor& joint, DType dtype) {
  return rotated_heads(joint, heads, tables_for(joint), offset, dtype);
}

const OpCase heads_case{
    "rotated_heads",
    {.shapes = {{{2, 3, 32}}, {{1, 1, 16}}, {{0, 2, 32}}, {{1, 0, 48}}, {{2, 33, 272}}},
     .call = [](const Inputs& in) { return side_by_side(of_joint(in[0], in[0].dtype())); },
     .reference = from_formula,
     .terms =
         [](const Shapes& shapes) {
           return std::pow(static_cast<double>(offset + shapes[0][1]), 2);
         },
     .refused = {{[] {
                    rotated_heads(ones({1, 4, 48}), heads, rope_tables(6, 6, 100.0, {}, DType::f64),
                                  3, DType::f64);
                  },
                  "[rotated_heads] positions 3 to 6 are asked for: the tables hold 0 to 5"},
                 {[] {
                    rotated_heads(ones({1, 4, 24}), heads, rope_tables(6, 4, 100.0), 0, DType::f64);
                  },
                  "[rotated_heads] joint float64 (1, 4, 24) must be floating, (batch, positions, 8 "
                  "heads of an even size)"},
                 {[] {
                    rotated_heads(ones({1, 4, 32}), heads, rope_tables(6, 4, 100.0, {}, DType::f64),
                                  0, DType::bf16);
                  },
                  "[rotated_heads] joint float64 cannot be rounded to bfloat16"}}}};

// What attention reads of three projections, each turned by itself.
TEST(RotatedHeads, HaveTheBitsOfSeparateRopes) {
  const auto joint = waves({2, 5, 96}, 0.3), same = waves({2, 5, 96}, 0.3);
  for (const auto& leaf : {joint, same}) set_requires_grad(leaf);
  const auto ours = of_joint(joint, DType::f32);
  const auto parts = split(same, -1, {48, 24, 24});
  const auto in_heads = [](const Tensor& x) {
    return reshape(x, {x.size(0), x.size(1), x.size(2) / 12, 12});
  };
  const auto tables = tables_for(joint);
  const Tensor theirs[] = {rope(in_heads(parts[0]), tables, offset),
                           rope(in_heads(parts[1]), tables, offset), in_heads(parts[2])};
  EXPECT_EQ(to_doubles(ours.query), to_doubles(theirs[0]));
  EXPECT_EQ(to_doubles(ours.key), to_doubles(theirs[1]));
  EXPECT_EQ(to_doubles(ours.value), to_doubles(theirs[2]));
  std::vector<Tensor> gradients;
  for (const auto& y : theirs) gradients.push_back(waves(y.shape(), 0.9));
  const Tensor roots[] = {ours.query, ours.key, ours.value};
  backward(roots, gradients, AfterBackward::release);
  backward(theirs, gradients, AfterBackward::release);
  EXPECT_EQ(to_doubles(gradient(joint)), to_doubles(gradient(same)));
}

// Of heads that nobody uses the gradient is zero, whatever the memory held.
TEST(RotatedHeads, HaveNoGradientWhereNoneCame) {
  for (const int used : {0, 1, 2}) {
    const auto joint = waves({1, 3, 32}, 0.3);
    set_requires_grad(joint);
    const auto parts = of_joint(joint, DType::f32);
    const auto& y = used == 0 ? parts.query : used == 1 ? parts.key : parts.value;
    backward(y, waves(y.shape(), 0.9));
    const auto dx = to_doubles(gradient(joint));
    const std::size_t first[] = {0, 16, 24, 32};
    for (std::size_t i = 0; i < dx.size(); ++i) {
      const auto column = i % 32;
      const bool own = column >= first[used] && column < first[used + 1];
      EXPECT_EQ(dx[i] != 0, own) << used << " " << i;
    }
  }
}

}  // namespace
}  // namespace lookback::testing
