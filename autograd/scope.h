// Named scopes: which module is running. Each node of the tape remembers the path that made it
// ("model.layers.3.self_attn"), and every report, NaN error and proof points at it.
#pragma once

#include <string>
#include <string_view>

#include "runtime/scoped_value.h"

namespace lookback {

// Appends ".name" to this thread's path for its own lifetime (no dot at the root).
class Scope {
 public:
  explicit Scope(std::string_view name);

  // The path now; the pointer stays valid, and equal paths have equal pointers, for good.
  static const std::string* current();

 private:
  ScopedValue<const std::string*> path_;
};

// Puts a whole recorded path back for its own lifetime (backward runs where forward ran).
class RestoredScope {
 public:
  explicit RestoredScope(const std::string* path);

 private:
  ScopedValue<const std::string*> path_;
};

}  // namespace lookback
