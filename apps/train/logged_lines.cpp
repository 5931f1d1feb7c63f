#include "apps/train/logged_lines.h"

#include <nlohmann/json.hpp>

namespace lookback {

void LineRecorder::add(nlohmann::json line) {
  for (const auto* key : {"seconds", "tokens_per_second", "peak_bytes"}) line.erase(key);
  sum_.add(line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n");
  ++count_;
}

}  // namespace lookback
