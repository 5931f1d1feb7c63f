// A number for each pair of a later layer and one that feeds it.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace lookback {

struct LayerMatrix {
  std::int64_t layers = 0;
  std::vector<double> values;  // [layer, source]; NaN: the one does not feed the other

  LayerMatrix() = default;
  explicit LayerMatrix(std::int64_t count)
      : layers(count),
        values(static_cast<std::size_t>(count * count), std::numeric_limits<double>::quiet_NaN()) {}
  bool empty() const { return values.empty(); }
  double& at(std::int64_t layer, std::int64_t source) {
    return values[static_cast<std::size_t>(layer * layers + source)];
  }
  double at(std::int64_t layer, std::int64_t source) const {
    return values[static_cast<std::size_t>(layer * layers + source)];
  }
};

// How much each layer gets from each, and in which direction: the cosine with the layer's own.
struct Feeding {
  LayerMatrix amount, direction;
  bool empty() const { return amount.empty(); }
};

}  // namespace lookback
