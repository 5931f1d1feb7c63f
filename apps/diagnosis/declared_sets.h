// A call of a kernel (kernels::WitnessedCall): what its outputs hold, and which elements of them
// its declaration lets depend on a slice of its inputs.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "kernels/core/slot.h"
#include "runtime/tensor.h"

namespace lookback {

bool is_number(const kernels::Operand& operand);

// All elements of an operand at one place of one dimension: a position, in every head and row.
struct OperandSlice {
  const kernels::In* operand;
  int dim;
  std::int64_t place;

  // In elements, each once.
  std::vector<std::int64_t> offsets() const;
};

// What the outputs of a call hold.
class OutputBytes {
 public:
  explicit OutputBytes(const std::vector<kernels::Out>& outputs);
  void put_back() const;
  // The elements of an output that hold other bits now, by their offset from the first.
  std::vector<std::int64_t> changed(std::size_t output) const;

 private:
  const std::vector<kernels::Out>& outputs_;
  std::vector<std::vector<std::byte>> bytes_;
};

// The declared sets of a call: its operation run on the taint device, with cells in place of its
// numbers and one bit for each of the sources. What of its inputs is known (a mask's -infinity) is
// not, so that the sets are a little larger than a model's proof finds.
class DeclaredSets {
 public:
  static constexpr std::size_t most_sources = 64;

  DeclaredSets(const kernels::WitnessedCall& call, const std::vector<OperandSlice>& sources);

  // Of so many elements of an output the first that does not depend on a source; none: all do. Of
  // scratch, which is no part of a declaration, none is asked for.
  std::optional<std::int64_t> undeclared(const kernels::Out& output,
                                         const std::vector<std::int64_t>& offsets,
                                         std::size_t source) const;

 private:
  void make_cells(const kernels::WitnessedCall& call);
  void mark_unwritten(const kernels::Out& output) const;
  void mark_source(const kernels::WitnessedCall& call, const OperandSlice& source,
                   std::size_t number) const;

  std::map<const void*, Tensor> cells_;  // by the memory they stand for
};

}  // namespace lookback
