#include "kernels/taint/cells.h"

#include "runtime/check.h"

namespace lookback::kernels::taint {

Cells::Cells(const TensorView& operand) : data_(operand.data), dtype_(operand.dtype) {
  if (operand.backend == Backend::taint) find_cells(operand);
}

Cells::Cells(const Out& operand) : data_(operand.data), dtype_(operand.dtype) {
  if (operand.backend != Backend::taint) {
    fail("taint", "a result of an operation on the taint device must live there");
  }
  find_cells(operand);
}

void Cells::find_cells(const TensorView& operand) {
  const auto block = taint_block_of(operand.data);
  const auto bytes = static_cast<const std::byte*>(operand.data) - block.data;
  const auto first = bytes / static_cast<std::ptrdiff_t>(size_of(operand.dtype));
  sets_ = block.sets + first;
  flags_ = block.known + first;
}

double Cells::value(std::int64_t offset) const {
  return visit_any(dtype_, [&]<class T>(TypeTag<T>) {
    return static_cast<double>(static_cast<const T*>(data_)[offset]);
  });
}

void Cells::become(std::int64_t offset, double number) const {
  visit_any(dtype_,
            [&]<class T>(TypeTag<T>) { static_cast<T*>(data_)[offset] = static_cast<T>(number); });
  mark_known(offset);
}

std::vector<std::int64_t> offsets_over(const TensorView& view, int first, int last) {
  std::vector<std::int64_t> offsets{0};
  for (int dim = first; dim < last; ++dim) {
    const auto outer = std::move(offsets);
    offsets.clear();
    offsets.reserve(outer.size() * static_cast<std::size_t>(view.sizes[dim]));
    for (const auto start : outer) {
      for (std::int64_t i = 0; i < view.sizes[dim]; ++i) {
        offsets.push_back(start + i * view.strides[dim]);
      }
    }
  }
  return offsets;
}

TensorView broadcast_view(const TensorView& view, const Shape& shape) {
  auto result = view;
  result.sizes = shape;
  result.strides = Shape::filled(shape.rank(), 0);
  const int missing = shape.rank() - view.sizes.rank();
  for (int dim = 0; dim < view.sizes.rank(); ++dim) {
    if (view.sizes[dim] != 1) result.strides[dim + missing] = view.strides[dim];
  }
  return result;
}

SourceSet union_of(const In& operand) {
  if (operand.backend != Backend::taint) return 0;
  const Cells cells(operand);
  SourceSet all = 0;
  for (const auto offset : all_offsets(operand)) all |= cells.set(offset);
  return all;
}

}  // namespace lookback::kernels::taint
