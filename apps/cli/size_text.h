// Bytes, for people.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/check.h"

namespace lookback {

// "51.7 MB", "1.2 GB"
inline std::string size_text(std::int64_t bytes) {
  const auto number = static_cast<double>(bytes);
  return number < 1e9 ? fmt::format("{:.3g} MB", number / 1e6)
                      : fmt::format("{:.3g} GB", number / 1e9);
}

}  // namespace lookback
