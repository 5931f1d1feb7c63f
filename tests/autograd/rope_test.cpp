#include "autograd/ops/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "kernels/core/slot.h"
#include "runtime/transfer.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

constexpr std::int64_t offset = 3;

RopeTables tables_for(const Tensor& x) {
  const auto tables =
      rope_tables(offset + x.size(1), x.size(3), 100.0, {}, accumulator_of(x.dtype()));
  return {to_device(tables.cos, x.device()), to_device(tables.sin, x.device())};
}

// Each pair as a complex number times e^(i angle).
Tensor rotated(const Inputs& in) {
  const auto shape = in[0].shape();
  const auto positions = shape[1], heads = shape[2], size = shape[3];
  const auto* x = in[0].data<double>();
  return make_f64(shape, [=](std::int64_t i) {
    const auto d = i % size;
    const auto t = i / size / heads % positions;
    const auto pair = d % (size / 2);
    const double angle =
        static_cast<double>(offset + t) *
        std::pow(100.0, -2.0 * static_cast<double>(pair) / static_cast<double>(size));
    const double real = x[i - d + pair], imaginary = x[i - d + pair + size / 2];
    return d < size / 2 ? real * std::cos(angle) - imaginary * std::sin(angle)
                        : imaginary * std::cos(angle) + real * std::sin(angle);
  });
}

Tensor ones(const Shape& shape) {
  return make_f64(shape, [](auto) { return 1.0; });
}

const OpCase rope_case{
    "rope",
    {.shapes = {{{2, 3, 2, 4}},
                {{1, 1, 1, 2}},
                {{0, 2, 1, 4}},
                {{1, 0, 3, 6}},
                {{1, 2, 0, 4}},
                {{1, 2, 3, 0}},
                {{2, 33, 3, 1026}}},
     .call = [](const Inputs& in) { return rope(in[0], tables_for(in[0]), offset); },
     .reference = rotated,
     // The reference rounds the frequency by another way, and the position multiplies that.
     .terms =
         [](const Shapes& shapes) {
           return std::pow(static_cast<double>(offset + shapes[0][1]), 2);
         },
     .refused = {{[] {
                    rope(ones({1, 4, 1, 6}), rope_tables(6, 6, 100.0, {}, DType::f64), 3);
                  },
                  "[rope] positions 3 to 6 are asked for: the tables hold 0 to 5"},
                 {[] {
                    rope(ones({1, 4, 1, 6}), rope_tables(6, 4, 100.0, {}, DType::f64));
                  },
                  "[rope] cos (6, 2) and sin (6, 2) must be (positions, 3): x is (1, 4, 1, 6)"},
                 {[] {
                    rope(ones({1, 4, 1, 6}), rope_tables(6, 6, 100.0));
                  },
                  "must be float64: x is float64"},
                 {[] {
                    rope(ones({1, 4, 1, 5}), rope_tables(6, 4, 100.0));
                  },
                  "even head size"}}}};

TEST(Rope, SplitHeadsAreReadInPlace) {
  // The query part of a row that holds queries, keys and values of two heads each.
  const auto joined =
      make_f64({2, 5, 3 * 2 * 4}, [](std::int64_t i) { return std::sin(static_cast<double>(i)); });
  const auto queries = joined.alias({2, 5, 2, 4}, {5 * 24, 24, 4, 1}, 8);
  const void* read = nullptr;
  Tensor y;
  {
    const kernels::ObserveKernels watch(
        [&](const auto&, const auto& inputs, const auto&) { read = inputs[0].data; });
    y = rope(queries, tables_for(queries), offset);
  }
  EXPECT_EQ(read, queries.raw_data());
  const auto copy = make_f64(
      {2, 5, 2, 4}, [&](std::int64_t i) { return joined.data<double>()[i / 8 * 24 + 8 + i % 8]; });
  EXPECT_EQ(to_doubles(y), to_doubles(rope(copy, tables_for(copy), offset)));
}

TEST(Rope, TablesThatRequireAGradientAreRefused) {
  const auto x = ones({1, 2, 1, 4});
  const auto tables = tables_for(x);
  set_requires_grad(tables.cos);
  EXPECT_THROW(rope(x, tables), Error);
}

void expect_table(const RopeTables& tables, std::int64_t position, std::int64_t pair, double cos,
                  double sin) {
  const auto at = position * tables.cos.size(1) + pair;
  EXPECT_NEAR(tables.cos.data<double>()[at], cos, 1e-12) << position << ", " << pair;
  EXPECT_NEAR(tables.sin.data<double>()[at], sin, 1e-12) << position << ", " << pair;
}

// Numbers from the reference implementation in Python (rope_frequencies of tests/golden's oracle).
TEST(RopeTables, MatchTheOracle) {
  expect_table(rope_tables(8, 8, 10000, {}, DType::f64), 7, 1, 0.7648421872844884,
               0.6442176872376911);
  const RopeScaling linear{.kind = RopeScaling::Kind::linear, .factor = 4};
  expect_table(rope_tables(8, 8, 10000, linear, DType::f64), 7, 1, 0.9847265389049334,
               0.17410813759359597);
  const RopeScaling llama3{.kind = RopeScaling::Kind::llama3, .factor = 8};
  const auto tables = rope_tables(4002, 64, 500000, llama3, DType::f64);
  expect_table(tables, 4001, 0, 0.1807565851480881, -0.9835278628110146);     // kept
  expect_table(tables, 4001, 14, 0.960326747238553, 0.2788772822196536);      // blended
  expect_table(tables, 4001, 16, -0.5047679735669737, 0.8632550566669684);    // blended
  expect_table(tables, 4001, 18, 0.951885926011214, 0.3064525801192962);      // slowed
  expect_table(tables, 4001, 31, 0.9999988640148152, 0.0015073052375795372);  // slowed
}

// Numbers from rope_tables of tests/golden/mechanisms.py.
TEST(RopeTables, OfYarnMatchTheOracle) {
  RopeScaling yarn{.kind = RopeScaling::Kind::yarn, .factor = 8};
  yarn.original_max_position_embeddings = 4096;
  auto tables = rope_tables(4002, 64, 500000, yarn, DType::f64);
  expect_table(tables, 4001, 0, 0.21834386035700037, -1.1880467323438957);    // kept
  expect_table(tables, 4001, 14, -0.689860395891685, -0.9915753696864263);    // blended
  expect_table(tables, 4001, 16, 0.9181942813095939, 0.7848874705070553);     // blended
  expect_table(tables, 4001, 31, 1.2079427819613204, 0.0018207405502809857);  // slowed

  yarn = {.kind = RopeScaling::Kind::yarn, .factor = 40};
  yarn.original_max_position_embeddings = 32;
  yarn.beta_fast = 8;
  yarn.beta_slow = 0.5;
  yarn.mscale = 1;
  yarn.mscale_all_dim = 0.7;
  tables = rope_tables(78, 8, 10000, yarn, DType::f64);
  expect_table(tables, 77, 0, -0.033699428489640464, 1.0874325618236462);
  expect_table(tables, 77, 1, -0.7543422369568925, -0.783972587236147);
  expect_table(tables, 77, 3, 1.0879525917313384, 0.002094311325994268);

  // Both edges fall on pair 0: a step.
  yarn = {.kind = RopeScaling::Kind::yarn, .factor = 4};
  yarn.original_max_position_embeddings = 1;
  yarn.attention_factor = 0.5;
  tables = rope_tables(4, 4, 100, yarn, DType::f64);
  expect_table(tables, 3, 0, -0.4949962483002227, 0.0705600040299336);
  expect_table(tables, 3, 1, 0.49859440905610375, 0.03746485363637118);
}

TEST(RopeTables, OfYarnOfFactorOneAreThePlainOnes) {
  const auto plain = rope_tables(70, 12, 10000, {}, DType::f64);
  RopeScaling yarn{.kind = RopeScaling::Kind::yarn, .factor = 1};
  yarn.original_max_position_embeddings = 16;
  const auto tables = rope_tables(70, 12, 10000, yarn, DType::f64);
  for (std::int64_t i = 0; i < plain.cos.numel(); ++i) {
    ASSERT_NEAR(tables.cos.data<double>()[i], plain.cos.data<double>()[i], 1e-14);
    ASSERT_NEAR(tables.sin.data<double>()[i], plain.sin.data<double>()[i], 1e-14);
  }
}

TEST(RopeTables, AreComputedInDoubleThenCast) {
  const auto exact = rope_tables(5000, 16, 10000, {}, DType::f64);
  const auto cast = rope_tables(5000, 16, 10000, {}, DType::f32);
  for (std::int64_t i = 0; i < exact.sin.numel(); ++i) {
    ASSERT_EQ(cast.sin.data<float>()[i], static_cast<float>(exact.sin.data<double>()[i]));
    ASSERT_EQ(cast.cos.data<float>()[i], static_cast<float>(exact.cos.data<double>()[i]));
  }
}

TEST(RopeTables, RefuseWhatHasNoMeaning) {
  EXPECT_THROW(rope_tables(4, 5, 10000), Error);
  EXPECT_THROW(rope_tables(4, 4, 0), Error);
  EXPECT_THROW(rope_tables(4, 4, 10000, {.kind = RopeScaling::Kind::linear, .factor = 0}), Error);
  EXPECT_THROW(
      rope_tables(4, 4, 10000,
                  {.kind = RopeScaling::Kind::llama3, .low_freq_factor = 2, .high_freq_factor = 2}),
      Error);
}

}  // namespace
}  // namespace lookback::testing
