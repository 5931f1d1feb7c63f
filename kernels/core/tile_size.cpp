#include "kernels/core/tile_size.h"

#include <set>

namespace lookback::kernels {

TileSize::TileSize(Backend backend, std::int64_t positions)
    : backend_(backend), positions_(positions), link_(head) {
  head = this;
}

TileSize::~TileSize() {
  auto** place = &head;
  while (*place != this) place = &(*place)->link_;
  *place = link_;
}

std::vector<std::int64_t> tile_sizes(Backend backend) {
  std::set<std::int64_t> sizes;
  for (const auto* each = TileSize::head; each != nullptr; each = each->link_) {
    if (each->backend_ == backend) sizes.insert(each->positions_);
  }
  return {sizes.begin(), sizes.end()};
}

}  // namespace lookback::kernels
