// Every threshold of a diagnosis, each with its reason. The healthy presets, fresh, after 50 steps
// and with weights scaled by 8, stay clear of all of them.
#pragma once

namespace lookback::thresholds {

// Standard errors below the floor at which data that cannot be predicted were seen: chance alone
// gets there once in three million.
inline constexpr double errors_below_floor = 5;

}  // namespace lookback::thresholds
