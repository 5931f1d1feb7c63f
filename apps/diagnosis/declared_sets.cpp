#include "apps/diagnosis/declared_sets.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "kernels/taint/cells.h"

namespace lookback {
namespace {

using kernels::Operand;
using kernels::Out;
using kernels::WitnessedCall;
using kernels::taint::Cells;

std::int64_t elements_spanned(const TensorView& view) {
  if (view.sizes.numel() == 0) return 0;
  std::int64_t last = 0;
  for (int dim = 0; dim < view.sizes.rank(); ++dim)
    last += (view.sizes[dim] - 1) * view.strides[dim];
  return last + 1;
}

std::size_t bytes_spanned(const TensorView& view) {
  return static_cast<std::size_t>(elements_spanned(view)) * size_of(view.dtype);
}

}  // namespace

bool is_number(const Operand& operand) {
  return operand.dtype == DType::f32 || operand.dtype == DType::f64 || operand.dtype == DType::bf16;
}

std::vector<std::int64_t> OperandSlice::offsets() const {
  TensorView slice = *operand;
  for (int other = 0; other < slice.sizes.rank(); ++other) {
    if (other == dim || slice.strides[other] == 0) slice.sizes[other] = 1;
  }
  auto offsets = kernels::taint::all_offsets(slice);
  for (auto& offset : offsets) offset += place * operand->stride(dim);
  return offsets;
}

OutputBytes::OutputBytes(const std::vector<Out>& outputs) : outputs_(outputs) {
  for (const auto& output : outputs_) {
    const auto* first = static_cast<const std::byte*>(output.data);
    bytes_.emplace_back(first, first + bytes_spanned(output));
  }
}

void OutputBytes::put_back() const {
  for (std::size_t i = 0; i < outputs_.size(); ++i)
    std::memcpy(outputs_[i].data, bytes_[i].data(), bytes_[i].size());
}

std::vector<std::int64_t> OutputBytes::changed(std::size_t output) const {
  constexpr std::size_t block = 512;
  const auto* before = bytes_[output].data();
  const auto* now = static_cast<const std::byte*>(outputs_[output].data);
  const auto size = size_of(outputs_[output].dtype), all = bytes_[output].size();
  std::vector<std::int64_t> offsets;
  for (std::size_t at = 0; at < all; at += block) {
    const auto end = std::min(all, at + block);
    if (std::memcmp(before + at, now + at, end - at) == 0) continue;
    for (auto element = at; element < end; element += size) {
      if (std::memcmp(before + element, now + element, size) != 0)
        offsets.push_back(static_cast<std::int64_t>(element / size));
    }
  }
  return offsets;
}

DeclaredSets::DeclaredSets(const WitnessedCall& call, const std::vector<OperandSlice>& sources) {
  make_cells(call);
  for (const auto& output : call.outputs) mark_unwritten(output);
  for (std::size_t i = 0; i < sources.size(); ++i) mark_source(call, sources[i], i);
  call.declared([&](Operand& operand) {
    const auto cells = cells_.find(operand.data);
    if (cells == cells_.end()) return;
    operand.data = cells->second.view().data;
    operand.backend = Backend::taint;
  });
}

// Integers that are read alone, indices, keep what they hold: they are known.
void DeclaredSets::make_cells(const WitnessedCall& call) {
  std::set<const void*> written;
  for (const auto& output : call.outputs) written.insert(output.data);
  const auto make = [&](const Operand& operand) {
    if (!is_number(operand) && !written.contains(operand.data)) return;
    const auto elements = std::max<std::int64_t>(elements_spanned(operand), 1);
    auto& cells = cells_[operand.data];
    if (!cells.defined() || cells.numel() < elements)
      cells = empty({elements}, operand.dtype, taint_device);
  };
  for (const auto& input : call.inputs) make(input);
  for (const auto& output : call.outputs) make(output);
}

// Known, which no result of unknown numbers is as a whole.
void DeclaredSets::mark_unwritten(const Out& output) const {
  const Cells cells{Out(cells_.at(output.data))};
  for (std::int64_t i = 0; i < elements_spanned(output); ++i) cells.mark_known(i);
}

// Operands may lie in one memory: the slice is a source in each of them.
void DeclaredSets::mark_source(const WitnessedCall& call, const OperandSlice& source,
                               std::size_t number) const {
  const auto offsets = source.offsets();
  std::set<const void*> done;
  for (const auto& input : call.inputs) {
    if (input.dtype != source.operand->dtype || !done.insert(input.data).second) continue;
    const auto bytes =
        static_cast<std::byte*>(source.operand->data) - static_cast<std::byte*>(input.data);
    const auto apart = bytes / static_cast<std::int64_t>(size_of(input.dtype));
    const auto& tensor = cells_.at(input.data);
    const Cells cells{Out(tensor)};
    for (const auto offset : offsets) {
      const auto at = apart + offset;
      if (at < 0 || at >= tensor.numel()) continue;
      cells.depend(at, cells.set(at) | std::uint64_t{1} << number);
    }
  }
}

std::optional<std::int64_t> DeclaredSets::undeclared(const Out& output,
                                                     const std::vector<std::int64_t>& offsets,
                                                     std::size_t source) const {
  const Cells cells(cells_.at(output.data).view());
  const auto depends = [&](std::int64_t offset) { return (cells.set(offset) >> source & 1) != 0; };
  const auto found = std::ranges::find_if_not(offsets, depends);
  if (found == offsets.end()) return std::nullopt;
  for (std::int64_t i = 0; i < elements_spanned(output); ++i)
    if (!cells.known(i)) return *found;
  return std::nullopt;
}

}  // namespace lookback
