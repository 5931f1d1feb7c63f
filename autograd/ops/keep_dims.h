#pragma once

namespace lookback {

// Whether the dimensions that a reduction takes away stay, with size one.
enum class KeepDims { no, yes };

}  // namespace lookback
