#include "nn/proof/taint_trace.h"

#include <algorithm>
#include <bit>
#include <set>

#include "autograd/scope.h"
#include "kernels/taint/cells.h"

namespace lookback {
namespace {

using kernels::taint::Cells;
using kernels::taint::offsets_over;
using kernels::taint::SourceSet;

// The sources after position `position`.
SourceSet later_than(std::int64_t position, const TokenRows& tokens) {
  const auto first_later = position + 1 - tokens.first_source;
  if (first_later <= 0) return ~SourceSet{0};
  return first_later >= 64 ? SourceSet{0} : ~SourceSet{0} << first_later;
}

bool on_taint(const TensorView& x) { return x.data != nullptr && x.backend == Backend::taint; }

// Dimensions that hold `size` rows, or heads times as many.
std::vector<int> dims_of(const TensorView& x, std::int64_t size) {
  std::vector<int> dims;
  for (int dim = 0; dim < x.sizes.rank(); ++dim) {
    if (x.sizes[dim] > 0 && x.sizes[dim] % size == 0) dims.push_back(dim);
  }
  return dims;
}

// Operations whose rows are normalized over their keys: past them a key axis holds no raw scores.
bool normalizes_keys(std::string_view operation) {
  return operation == "attention_weights" || operation == "composed_attention" ||
         operation == "softmax" || operation == "log_softmax";
}

std::string operation_name(std::string_view slot) {
  constexpr std::string_view suffix = "_forward";
  if (slot.ends_with(suffix)) slot.remove_suffix(suffix.size());
  return std::string(slot);
}

template <class Operands>
std::vector<std::uint64_t> serials_of(const Operands& operands) {
  std::vector<std::uint64_t> serials;
  for (const auto& operand : operands) {
    if (on_taint(operand)) serials.push_back(taint_block_of(operand.data).serial);
  }
  return serials;
}

bool any_of_in(const std::vector<std::uint64_t>& serials, const std::set<std::uint64_t>& wanted) {
  return std::ranges::any_of(serials, [&](auto serial) { return wanted.contains(serial); });
}

}  // namespace

std::optional<LookAhead> look_ahead(const TensorView& x, int dim, const TokenRows& tokens,
                                    std::int64_t copies) {
  const Cells cells(x);
  const auto outer = offsets_over(x, 0, dim), inner = offsets_over(x, dim + 1, x.sizes.rank());
  for (std::int64_t row = 0; row < tokens.rows; ++row) {
    SourceSet seen = 0;
    for (const auto start : outer) {
      for (std::int64_t r = 0; r < x.sizes[dim]; ++r) {
        if (r / copies % tokens.rows != row) continue;
        for (const auto step : inner) seen |= cells.set(start + r * x.strides[dim] + step);
      }
    }
    const auto position = tokens.offset + row;
    const auto later = seen & later_than(position, tokens);
    if (later != 0) return LookAhead{position, tokens.first_source + std::countr_zero(later)};
  }
  return {};
}

TaintTrace::TaintTrace()
    : observing_([this](const auto& slot, const auto& inputs, const auto& outputs) {
        note(slot, inputs, outputs);
      }) {}

// With one token axis the rows must not look ahead. With a key axis beside it they hold scores of
// later keys, until they are normalized.
bool TaintTrace::leaks(std::string_view operation, const kernels::Out& output) const {
  if (!on_taint(output) || tokens_.rows == 0) return false;
  const auto token_dims = dims_of(output, tokens_.rows);
  const auto keys = tokens_.offset + tokens_.rows;
  const bool key_axis =
      token_dims.size() > 1 || (tokens_.offset > 0 && !dims_of(output, keys).empty());
  if (token_dims.empty() || (key_axis && !normalizes_keys(operation))) return false;
  // Copies of a token (heads, ranks) may stand around or inside its rows: what looks ahead does so
  // in whichever way they are read.
  const auto dim = token_dims.front();
  const auto copies = output.sizes[dim] / tokens_.rows;
  for (std::int64_t inner = 1; inner <= copies; ++inner) {
    if (copies % inner == 0 && !look_ahead(output, dim, tokens_, inner)) return false;
  }
  return true;
}

void TaintTrace::note(const kernels::SlotBase& slot, const std::vector<kernels::In>& inputs,
                      const std::vector<kernels::Out>& outputs) {
  Operation operation{.name = operation_name(slot.name),
                      .scope = *Scope::current(),
                      .inputs = serials_of(inputs),
                      .outputs = serials_of(outputs)};
  for (const auto& output : outputs) {
    operation.looks_ahead |= leaks(operation.name, output);
  }
  operations_.push_back(std::move(operation));
}

const TaintTrace::Operation* TaintTrace::earliest_leak_to(const Tensor& result) const {
  std::set<std::uint64_t> wanted{taint_block_of(result.raw_data()).serial};
  const Operation* earliest = nullptr;
  for (auto operation = operations_.rbegin(); operation != operations_.rend(); ++operation) {
    if (!any_of_in(operation->outputs, wanted)) continue;
    wanted.insert(operation->inputs.begin(), operation->inputs.end());
    if (operation->looks_ahead) earliest = &*operation;
  }
  return earliest;
}

}  // namespace lookback
