// Operands as the taint device sees them: cells instead of numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/core/operand.h"
#include "runtime/taint_memory.h"

namespace lookback::kernels::taint {

using SourceSet = std::uint64_t;

// The cells of one operand; offsets in elements from its first. An operand on the CPU holds known
// constants that depend on nothing, and cannot be written: throws Error for an Out.
class Cells {
 public:
  explicit Cells(const TensorView& operand);  // to read
  explicit Cells(const Out& operand);         // to write

  SourceSet set(std::int64_t offset) const { return sets_ == nullptr ? 0 : sets_[offset]; }
  bool known(std::int64_t offset) const { return flags_ == nullptr || flags_[offset] != 0; }
  double value(std::int64_t offset) const;  // of a known cell
  bool is_known(std::int64_t offset, double number) const {
    return known(offset) && value(offset) == number;
  }

  void depend(std::int64_t offset, SourceSet on) const {
    sets_[offset] = on;
    flags_[offset] = 0;
  }
  // Its number stands where it belongs.
  void mark_known(std::int64_t offset) const {
    sets_[offset] = 0;
    flags_[offset] = 1;
  }
  void become(std::int64_t offset, double number) const;

 private:
  void find_cells(const TensorView& operand);

  void* data_;
  DType dtype_;
  SourceSet* sets_ = nullptr;
  std::uint8_t* flags_ = nullptr;
};

// Offsets of the elements over dimensions [first, last) of a view, row-major, the others at 0.
std::vector<std::int64_t> offsets_over(const TensorView& view, int first, int last);
inline std::vector<std::int64_t> all_offsets(const TensorView& view) {
  return offsets_over(view, 0, view.sizes.rank());
}
// The view repeated to a shape by numpy's rule: strides 0 where it repeats itself.
TensorView broadcast_view(const TensorView& view, const Shape& shape);

// Union over all elements.
SourceSet union_of(const In& operand);

}  // namespace lookback::kernels::taint
