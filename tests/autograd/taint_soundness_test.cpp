// Each operation's declared dependency against its real kernel: change one element of one input,
// and whatever changes in the output must be an element that, on the taint device, depends on it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <set>

#include "autograd/grad_mode.h"
#include "kernels/core/slot.h"
#include "kernels/taint/cells.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

using kernels::taint::all_offsets;
using kernels::taint::Cells;

constexpr std::size_t sources_at_once = 64;
constexpr std::int64_t trials_wanted = 3000;  // per operation
constexpr std::int64_t most_elements = 3000;  // of an input: larger shapes are left to other tests

struct Source {
  std::size_t input;
  std::int64_t element;
};

std::vector<Source> some_sources(const Inputs& inputs, std::mt19937_64& random) {
  std::vector<Source> all;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!is_floating(inputs[i].dtype())) continue;
    for (std::int64_t element = 0; element < inputs[i].numel(); ++element) {
      all.push_back({i, element});
    }
  }
  std::shuffle(all.begin(), all.end(), random);
  if (all.size() > sources_at_once) all.resize(sources_at_once);
  return all;
}

// The inputs as unknown cells, source i with bit i; integers stay the constants they are.
Inputs on_taint(const Inputs& inputs, const std::vector<Source>& sources) {
  Inputs result;
  for (const auto& x : inputs) {
    result.push_back(is_floating(x.dtype()) ? empty(x.shape(), x.dtype(), taint_device) : x);
  }
  for (std::size_t bit = 0; bit < sources.size(); ++bit) {
    const Cells cells{kernels::Out(result[sources[bit].input])};
    cells.depend(sources[bit].element, std::uint64_t{1} << bit);
  }
  return result;
}

// What a case makes on its way is on the taint device too.
Tensor call_on_taint(const OpCase& op_case, const Inputs& inputs) {
  const DefaultDevice guard(taint_device);
  return op_case.options.call(inputs);
}

// The output's elements as bits, row-major.
std::vector<std::uint64_t> bits_of(const Tensor& y) {
  std::vector<std::uint64_t> bits;
  visit_any(y.dtype(), [&]<class T>(TypeTag<T>) {
    for (const auto offset : all_offsets(y.view())) {
      std::uint64_t each = 0;
      std::memcpy(&each, y.data<T>() + offset, sizeof(T));
      bits.push_back(each);
    }
  });
  return bits;
}

class Soundness {
 public:
  Soundness(const OpCase& op_case, const Shapes& case_shapes)
      : which_(op_case), shapes_(case_shapes), random_(std::hash<std::string>{}(op_case.name)) {}

  // One set of random inputs, each source changed three times. The number of trials.
  std::int64_t run(double scale) {
    const auto inputs = drawn_inputs(which_.options, shapes_, scale);
    const auto sources = some_sources(inputs, random_);
    const auto followed = call_on_taint(which_, on_taint(inputs, sources));
    std::vector<std::uint64_t> sets;
    const Cells cells(followed.view());
    for (const auto offset : all_offsets(followed.view())) sets.push_back(cells.set(offset));
    const auto before = bits_of(which_.options.call(inputs));
    for (std::size_t bit = 0; bit < sources.size(); ++bit) {
      for (const double value : {draw(), 1e3 * draw(), std::nan("")}) {
        try_change(inputs, sources[bit], value, before, sets, bit);
      }
    }
    return 3 * static_cast<std::int64_t>(sources.size());
  }

 private:
  double draw() {
    return std::uniform_real_distribution<double>(which_.options.low, which_.options.high)(random_);
  }

  void try_change(const Inputs& inputs, const Source& source, double value,
                  const std::vector<std::uint64_t>& before, const std::vector<std::uint64_t>& sets,
                  std::size_t bit) {
    auto& element =
        inputs[source.input].elements<double>()[static_cast<std::size_t>(source.element)];
    const double kept = std::exchange(element, value);
    const auto after = bits_of(which_.options.call(inputs));
    element = kept;
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (before[i] == after[i]) continue;
      ASSERT_TRUE(sets[i] >> bit & 1)
          << which_.name << ": element " << i << " of the output changes with element "
          << source.element << " of input " << source.input << ", and is said not to";
    }
  }

  const OpCase& which_;
  const Shapes& shapes_;
  std::mt19937_64 random_;
};

bool small(const Shapes& shapes) {
  std::int64_t elements = 0;
  for (const auto& shape : shapes) elements += shape.numel();
  return elements > 0 && elements <= most_elements;
}

class TaintSoundness : public ::testing::TestWithParam<const OpCase*> {};

TEST_P(TaintSoundness, WhateverChangesIsInTheSet) {
  const auto& op_case = *GetParam();
  const NoGrad no_grad;
  std::int64_t trials = 0;
  double scale = 1;
  while (trials < trials_wanted) {
    const auto before = trials;
    for (const auto& shapes : op_case.options.shapes) {
      if (small(shapes)) trials += Soundness(op_case, shapes).run(scale);
      if (HasFatalFailure()) return;
    }
    scale *= 1.25;
    if (trials == before) GTEST_SKIP() << "no shape with a few elements";
  }
}

std::string test_name(const ::testing::TestParamInfo<const OpCase*>& parameter) {
  auto name = parameter.param->name;
  for (auto& letter : name) {
    if (!std::isalnum(static_cast<unsigned char>(letter))) letter = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Operations, TaintSoundness, ::testing::ValuesIn(OpCase::all()), test_name);

// The cases together call every forward slot of the program.
TEST(TaintCoverage, EveryForwardSlotIsTried) {
  const NoGrad no_grad;
  std::set<std::string_view> seen;
  const kernels::ObserveKernels watch(
      [&](const kernels::SlotBase& slot, const auto&, const auto&) { seen.insert(slot.name); });
  for (const auto* op_case : OpCase::all()) {
    for (const auto& shapes : op_case->options.shapes) {
      if (!small(shapes)) continue;
      const auto inputs = drawn_inputs(op_case->options, shapes, 1);
      static_cast<void>(call_on_taint(*op_case, on_taint(inputs, {})));
    }
  }
  for (const auto* slot = kernels::SlotBase::first(); slot != nullptr; slot = slot->next()) {
    if (slot->direction != kernels::Direction::forward) continue;
    EXPECT_TRUE(seen.contains(slot->name)) << slot->name << " is in no case";
  }
}

}  // namespace
}  // namespace lookback::testing
