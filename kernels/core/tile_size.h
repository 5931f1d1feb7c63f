// The numbers of positions at which kernels begin another tile, chunk or segment of a sequence:
// what goes wrong in one place of a sequence alone goes wrong beside these. A kernel's file says
// its own with a file-level object; checks run at lengths around all of them.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/device.h"

namespace lookback::kernels {

class TileSize {
 public:
  TileSize(Backend backend, std::int64_t positions);
  ~TileSize();
  TileSize(const TileSize&) = delete;
  TileSize& operator=(const TileSize&) = delete;

 private:
  friend std::vector<std::int64_t> tile_sizes(Backend backend);

  static inline constinit TileSize* head = nullptr;
  Backend backend_;
  std::int64_t positions_;
  TileSize* link_;
};

// All of a backend's, ascending, each once.
std::vector<std::int64_t> tile_sizes(Backend backend);

}  // namespace lookback::kernels
