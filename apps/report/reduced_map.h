// Large maps made small enough for a page.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lookback {

// The largest of every factor x factor values of a [rows, columns] map; cells at the lower and
// right edge may stand for fewer. Not a number wins over any number.
std::vector<float> reduced_map(std::span<const float> values, std::int64_t rows,
                               std::int64_t columns, std::int64_t factor);

// One byte a value, base64: 0 is 0, 255 not a number, else 254 sqrt(value) rounded, at least 1: so
// a weight is 0 on the page only where it is 0. Values from 0 to 1.
std::string encoded_map(std::span<const float> values);

}  // namespace lookback
