#pragma once

#include <cstdint>
#include <unordered_map>

#include "runtime/scoped_value.h"
#include "runtime/tensor.h"

namespace lookback {

// While one lives on this thread, a weight that Products::bfloat16 rounds is rounded once, and its
// copy kept: for many small products of the same weights, as in generation, where rounding them
// costs more than the products. Takes 2 bytes for each number of a weight. A weight that an
// operation has written since is rounded again; what is written through data() in the meantime is
// not seen. Saves nothing for backward.
class RoundedWeights {
 public:
  RoundedWeights() : previous_(current(), this) {}

  // The weight in bfloat16: the copy that the innermost one on this thread keeps, or a new one.
  static Tensor copy_of(const Tensor& weight);

 private:
  struct Copy {
    Tensor weight;  // without its gradient history; keeps its memory from another's use
    std::uint64_t version;
    Tensor rounded;
    bool is_of(const Tensor& other) const;
  };

  static RoundedWeights*& current();

  std::unordered_map<const void*, Copy> copies_;  // by the first element
  ScopedValue<RoundedWeights*> previous_;
};

}  // namespace lookback
