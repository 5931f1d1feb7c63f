#include "apps/data/encode_parts.h"

#include <exception>

#include "runtime/parallel.h"

namespace lookback {

std::vector<std::int64_t> encode_parts(
    std::span<const std::size_t> ends,
    const std::function<std::vector<std::int64_t>(std::size_t begin, std::size_t end)>& encode) {
  std::vector<std::vector<std::int64_t>> encoded(ends.size());
  std::vector<std::exception_ptr> failures(ends.size());
  parallel_for(std::ssize(ends), 1, [&](std::int64_t first, std::int64_t /*last*/) {
    const auto part = static_cast<std::size_t>(first);
    try {
      encoded[part] = encode(part > 0 ? ends[part - 1] : 0, ends[part]);
    } catch (...) {
      failures[part] = std::current_exception();
    }
  });
  std::size_t count = 0;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    if (failures[i]) std::rethrow_exception(failures[i]);
    count += encoded[i].size();
  }
  std::vector<std::int64_t> tokens;
  tokens.reserve(count);
  for (auto& part : encoded) {
    tokens.insert(tokens.end(), part.begin(), part.end());
    part = {};
  }
  return tokens;
}

}  // namespace lookback
