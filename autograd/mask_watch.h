// Following a causal mask through a run: which operations take it, from which line, in which scope.
// Without a MaskWatch nothing is kept.
#pragma once

#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "autograd/ops/causal_mask.h"
#include "runtime/scoped_value.h"

namespace lookback {

// One operation that took a mask.
struct MaskUse {
  std::string_view operation;  // "attention"
  std::string scope;           // "model.layers.3.self_attn"
  std::source_location where;  // the line that called the operation
  std::int64_t pieces = 1;     // score matrices that were added up before the mask hid anything
  CausalMask mask = {};        // mask.made: the line that made it
};

// Notes the uses of masks by this thread's operations for its own lifetime. Watches may nest; the
// innermost notes.
class MaskWatch {
 public:
  MaskWatch();

  const std::vector<MaskUse>& uses() const { return noted_; }

  // Part of every operation that takes a mask.
  static void tell(std::string_view operation, const CausalMask& mask,
                   const std::source_location& where, std::size_t pieces = 1) {
    if (innermost != nullptr) innermost->note(operation, mask, where, pieces);
  }

  // Nothing is noted for its lifetime: for operations that only look.
  class Pause {
   public:
    Pause();

   private:
    ScopedValue<MaskWatch*> paused_;
  };

 private:
  void note(std::string_view operation, const CausalMask& mask, const std::source_location& where,
            std::size_t pieces);

  static inline thread_local MaskWatch* innermost = nullptr;
  ScopedValue<MaskWatch*> watching_;
  std::vector<MaskUse> noted_;
};

// The file of a line of this project, from the project's root: "nn/llama/llama.cpp".
std::string project_file(const std::source_location& place);

}  // namespace lookback
