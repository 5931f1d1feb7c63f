#include <limits>
#include <optional>

#include "kernels/taint/cells.h"
#include "kernels/taint/dependency_call.h"

namespace lookback::kernels::taint {
namespace {

std::optional<double> absorbing_number(Absorbs absorbs) {
  switch (absorbs) {
    case Absorbs::nothing: return {};
    case Absorbs::zero: return 0;
    case Absorbs::minus_infinity: return -std::numeric_limits<double>::infinity();
  }
  return {};
}

struct Input {
  Cells cells;
  std::vector<std::int64_t> offsets;  // for each element of y
};

// Of one element of y.
struct Result {
  enum class Is : std::uint8_t { dependent, computed, absorbed };
  SourceSet set = 0;
  Is is = Is::computed;
};

Result result_of(const std::vector<Input>& inputs, std::size_t i, std::optional<double> absorbing) {
  Result result;
  for (const auto& input : inputs) {
    const auto offset = input.offsets[i];
    result.set |= input.cells.set(offset);
    if (!input.cells.known(offset)) {
      result.is = Result::Is::dependent;
    } else if (absorbing && input.cells.value(offset) == *absorbing) {
      return {0, Result::Is::absorbed};
    }
  }
  return result;
}

}  // namespace

void run(const ElementwiseCall& call, const OnCpu& on_cpu) {
  std::vector<Input> inputs;
  for (const auto& x : call.x) {
    inputs.push_back({Cells(x), all_offsets(broadcast_view(x, call.y.sizes))});
  }
  const auto absorbing = absorbing_number(call.absorbs);
  const auto y_offsets = all_offsets(call.y);
  // All results before the first is written: y may be the memory of an input.
  std::vector<Result> results(y_offsets.size());
  bool any_computed = false;
  for (std::size_t i = 0; i < results.size(); ++i) {
    results[i] = result_of(inputs, i, absorbing);
    any_computed |= results[i].is == Result::Is::computed;
  }
  if (any_computed) on_cpu();
  const Cells y(call.y);
  for (std::size_t i = 0; i < results.size(); ++i) {
    switch (results[i].is) {
      case Result::Is::dependent: y.depend(y_offsets[i], results[i].set); break;
      case Result::Is::computed: y.mark_known(y_offsets[i]); break;
      case Result::Is::absorbed: y.become(y_offsets[i], *absorbing); break;
    }
  }
}

}  // namespace lookback::kernels::taint
