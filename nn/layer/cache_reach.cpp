#include "nn/layer/cache_reach.h"

#include <algorithm>
#include <iterator>

#include "runtime/transfer.h"

namespace lookback {
namespace {

std::int64_t size_of_list(const std::vector<std::int64_t>& all) {
  return static_cast<std::int64_t>(all.size());
}

// Where the keys of a pass stand, [S] i64.
Tensor positions_of_keys(const CacheReach& reach, const HeldPositions& held, std::int64_t end,
                         const Device& device) {
  std::vector<std::int64_t> all(reach.globals.begin(), reach.globals.begin() + held.globals);
  for (auto position = held.first; position < end; ++position) all.push_back(position);
  const auto result = from_values(all, {size_of_list(all)});
  // The proof that nothing looks ahead follows the numbers of a mask as they are.
  return device.backend == Backend::taint ? result : to_device(result, device);
}

}  // namespace

std::int64_t CacheReach::most() const {
  const auto with_all_globals = ring() + size_of_list(globals);
  return globals.empty() ? with_all_globals : std::max(with_all_globals, globals.back() + 1);
}

HeldPositions CacheReach::before(std::int64_t position) const {
  const bool all = whole || (!globals.empty() && position <= globals.back());
  const auto first = all ? 0 : std::max<std::int64_t>(0, position - (ring() - 1));
  const auto behind = std::ranges::lower_bound(globals, first);
  return {.globals = std::distance(globals.begin(), behind), .first = first, .end = position};
}

CacheReach joined(const CacheReach& a, const CacheReach& b) {
  CacheReach both;
  both.whole = a.whole || b.whole;
  both.window = std::max(a.ring(), b.ring());
  std::ranges::set_union(a.globals, b.globals, std::back_inserter(both.globals));
  return both;
}

CausalMask mask_of_held(CausalMask mask, const CacheReach& reach, std::int64_t position,
                        std::int64_t end, const Device& device) {
  const auto held = reach.before(position);
  if (held.first == 0) return mask;
  // A window counts from the query: it does not matter where the first key stands.
  if (reach.globals.empty() && !mask.document_start.defined()) {
    mask.offset -= held.first;
  } else {
    mask.key_positions = positions_of_keys(reach, held, end, device);
  }
  return mask;
}

}  // namespace lookback
