// The measure of `verify`: each number below is worked out by hand from the definition.
#include "apps/verify/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/paths.h"

namespace lookback::tests {
namespace {

using std::string;
using ::testing::HasSubstr;

using Values = std::map<string, std::vector<double>>;

std::map<string, Tensor> tensors_of(const Values& values) {
  std::map<string, Tensor> tensors;
  for (const auto& [name, numbers] : values) {
    tensors.emplace(name, from_values(numbers, {static_cast<std::int64_t>(numbers.size())}));
  }
  return tensors;
}

SafetensorsFile reference_of(const Values& values) {
  const TemporaryDirectory folder;
  NamedTensors tensors;
  for (const auto& [name, tensor] : tensors_of(values)) tensors.emplace_back(name, tensor);
  write_safetensors(folder.path() / "r.safetensors", tensors);
  return SafetensorsFile::open(folder.path() / "r.safetensors");
}

Comparison compare(const Values& theirs, const Values& ours, DType dtype = DType::f64,
                   std::optional<double> tolerance = std::nullopt) {
  return compare_with_reference(reference_of(theirs), tensors_of(ours), dtype, tolerance);
}

const TensorComparison& named(const Comparison& comparison, const string& name) {
  const auto found = std::ranges::find(comparison.tensors, name, &TensorComparison::name);
  if (found == comparison.tensors.end()) throw std::out_of_range(name);
  return *found;
}

TEST(VerifyCompare, TheGroupIsTheFirstWord) {
  EXPECT_EQ(reference_group("out.loss"), ReferenceGroup::out);
  EXPECT_EQ(reference_group("grad.model.norm.weight"), ReferenceGroup::grad);
  EXPECT_EQ(reference_group("trace.attn.0"), ReferenceGroup::trace);
  EXPECT_EQ(reference_group("train.losses"), ReferenceGroup::train);
  for (const char* name : {"param.out.weight", "input_ids", "out", "output.x", ""}) {
    EXPECT_EQ(reference_group(name), std::nullopt) << name;
  }
}

TEST(VerifyCompare, DefaultTolerances) {
  using enum ReferenceGroup;
  for (const auto group : {out, grad, trace, train}) {
    EXPECT_EQ(default_tolerance(DType::f64, group), 1e-9);
    EXPECT_EQ(default_tolerance(DType::f32, group), group == train ? 1e-3 : 1e-4);
  }
  EXPECT_EQ(default_tolerance(DType::bf16, out), 5e-2);
  EXPECT_EQ(default_tolerance(DType::bf16, trace), 5e-2);
  EXPECT_EQ(default_tolerance(DType::bf16, grad), 0.02);
  EXPECT_EQ(default_tolerance(DType::bf16, train), std::nullopt);
}

TEST(VerifyCompare, ErrorsAreRelativeToTheTensor) {
  const auto result = compare({{"out.a", {4, -8, 1}}, {"grad.b", {100}}},
                              {{"out.a", {4, -8, 1.5}}, {"grad.b", {100}}});
  EXPECT_DOUBLE_EQ(named(result, "out.a").error, 0.5 / 8);
  EXPECT_EQ(named(result, "grad.b").error, 0);
  EXPECT_FALSE(result.passed());
  EXPECT_EQ(result.worst().name, "out.a");
}

TEST(VerifyCompare, SmallTensorsAreMeasuredAgainstTheirGroup) {
  const Values theirs = {{"grad.a", {1000}}, {"grad.b", {0.5}}, {"grad.c", {0}}, {"out.d", {0.5}}};
  const Values ours = {{"grad.a", {1000}}, {"grad.b", {0.6}}, {"grad.c", {0.1}}, {"out.d", {0.6}}};
  const auto f64 = compare(theirs, ours);
  EXPECT_NEAR(named(f64, "grad.b").error, 0.1 / (1e-3 * 1000), 1e-15);
  EXPECT_NEAR(named(f64, "grad.c").error, 0.1 / (1e-3 * 1000), 1e-15);
  EXPECT_NEAR(named(f64, "out.d").error, 0.1 / 0.5, 1e-15);  // another group
  EXPECT_NEAR(named(compare(theirs, ours, DType::f32), "grad.b").error, 0.1 / (3e-2 * 1000), 1e-15);
  const Values out_theirs = {{"out.a", {1000}}, {"out.b", {0.5}}};
  const Values out_ours = {{"out.a", {1000}}, {"out.b", {0.6}}};
  EXPECT_NEAR(named(compare(out_theirs, out_ours, DType::f32), "out.b").error, 0.1, 1e-15);
}

TEST(VerifyCompare, JustInsideAndJustOutside) {
  const Values theirs = {{"out.a", {1}}, {"train.losses", {1}}};
  const auto off_by = [&](double a, double b) {
    return Values{{"out.a", {1 + a}}, {"train.losses", {1 + b}}};
  };
  EXPECT_TRUE(compare(theirs, off_by(0.9e-9, 0.9e-9)).passed());
  EXPECT_FALSE(compare(theirs, off_by(1.1e-9, 0)).passed());
  EXPECT_FALSE(compare(theirs, off_by(0, 1.1e-9)).passed());
  EXPECT_TRUE(compare(theirs, off_by(0.9e-4, 0.9e-3), DType::f32).passed());
  EXPECT_FALSE(compare(theirs, off_by(1.1e-4, 0), DType::f32).passed());
  EXPECT_FALSE(compare(theirs, off_by(0, 1.1e-3), DType::f32).passed());
  EXPECT_TRUE(compare(theirs, off_by(1.9e-5, 1.9e-5), DType::f64, 2e-5).passed());
  EXPECT_FALSE(compare(theirs, off_by(2.1e-5, 0), DType::f64, 2e-5).passed());
}

TEST(VerifyCompare, TheWorstUsesMostOfItsTolerance) {
  const Values theirs = {{"out.a", {1}}, {"train.losses", {1}}};
  const auto result =
      compare(theirs, {{"out.a", {1 + 0.5e-4}}, {"train.losses", {1 + 2e-4}}}, DType::f32);
  EXPECT_EQ(result.worst().name, "out.a");  // half of 1e-4, against a fifth of 1e-3
}

TEST(VerifyCompare, GradientsInBfloat16AreHeldByTheirDirection) {
  const Values theirs = {{"grad.a", {3e-200, 4e-200}},
                         {"grad.b", {0, 0}},
                         {"grad.big", {1e-190}},
                         {"train.losses", {1}}};
  const auto compare_a = [&](std::vector<double> a, std::vector<double> b) {
    return compare(theirs,
                   {{"grad.a", std::move(a)}, {"grad.b", std::move(b)}, {"grad.big", {1e-190}}},
                   DType::bf16);
  };
  EXPECT_TRUE(compare_a({6e-200, 8e-200}, {0, 0}).passed());  // twice as long
  EXPECT_NEAR(named(compare_a({4, 3}, {0, 0}), "grad.a").error, 1 - 24.0 / 25, 1e-12);
  EXPECT_FALSE(compare_a({4, 3}, {0, 0}).passed());
  EXPECT_NEAR(named(compare_a({-3, -4}, {0, 0}), "grad.a").error, 2, 1e-12);
  EXPECT_EQ(named(compare_a({0, 0}, {0, 0}), "grad.a").error, 1);
  EXPECT_TRUE(
      compare_a({3, 4}, {0.01e-190, 0}).passed());  // no direction: a hundredth of the largest
  EXPECT_FALSE(compare_a({3, 4}, {0.03e-190, 0}).passed());
  // What is zero but for rounding has no direction either.
  EXPECT_TRUE(compare({{"grad.a", {1e-17, 0}}, {"grad.big", {1}}},
                      {{"grad.a", {-1e-3, 0}}, {"grad.big", {1}}}, DType::bf16)
                  .passed());
  EXPECT_EQ(compare_a({3, 4}, {0, 0}).tensors.size(), 3U);  // train is left out
}

TEST(VerifyCompare, OneChangedNumberFails) {
  std::vector<double> logits(1000), changed;
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = std::sin(static_cast<double>(i));
  changed = logits;
  changed[617] += 1e-3;
  for (const auto dtype : {DType::f64, DType::f32}) {
    EXPECT_TRUE(compare({{"out.logits", logits}}, {{"out.logits", logits}}, dtype).passed());
    EXPECT_FALSE(compare({{"out.logits", logits}}, {{"out.logits", changed}}, dtype).passed());
  }
}

TEST(VerifyCompare, NumbersThatAreNotFiniteFailOnEitherSide) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    for (const auto dtype : {DType::f64, DType::bf16}) {
      for (const char* name : {"out.a", "grad.a"}) {
        EXPECT_FALSE(compare({{name, {1, bad}}}, {{name, {1, bad}}}, dtype, 1e300).passed());
        EXPECT_FALSE(compare({{name, {1, 2}}}, {{name, {1, bad}}}, dtype, 1e300).passed());
        EXPECT_FALSE(compare({{name, {1, bad}}}, {{name, {1, 2}}}, dtype, 1e300).passed());
      }
    }
  }
  EXPECT_THAT(compare({{"out.a", {1}}}, {{"out.a", {std::nan("")}}}).worst().problem,
              HasSubstr("ours holds"));
}

TEST(VerifyCompare, WhatWeDoNotMakeFailsAndWhatTheyDoNotHaveIsLeftAlone) {
  const auto missing = compare({{"trace.attn.7", {1}}}, {{"trace.attn.6", {1}}});
  EXPECT_FALSE(missing.passed());
  EXPECT_EQ(missing.worst().problem, "this model has no such tensor");
  EXPECT_EQ(missing.tensors.size(), 1U);
  const auto shape = compare({{"out.a", {1, 2}}}, {{"out.a", {1, 2, 3}}});
  EXPECT_FALSE(shape.passed());
  EXPECT_EQ(shape.worst().problem, "ours is (3,), theirs (2,)");
  EXPECT_THROW(compare({{"param.a", {1}}, {"input_ids", {0}}}, {}), Error);
}

TEST(VerifyCompare, EmptyTensorsAgree) {
  EXPECT_TRUE(compare({{"out.a", {}}, {"out.b", {0}}}, {{"out.a", {}}, {"out.b", {0}}}).passed());
  EXPECT_EQ(compare({{"out.b", {0}}}, {{"out.b", {1e-300}}}).worst().error,
            std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace lookback::tests
