#include "apps/report/reduced_map.h"

#include <algorithm>
#include <cmath>

namespace lookback {
namespace {

constexpr float largest_code = 254;
constexpr unsigned char not_a_number = 255;

unsigned char code_of(float value) {
  if (!std::isfinite(value)) return not_a_number;
  if (value == 0) return 0;
  const float code = std::round(largest_code * std::sqrt(std::clamp(value, 0.0F, 1.0F)));
  return static_cast<unsigned char>(std::clamp(code, 1.0F, largest_code));
}

}  // namespace

std::vector<float> reduced_map(std::span<const float> values, std::int64_t rows,
                               std::int64_t columns, std::int64_t factor) {
  const auto small_rows = (rows + factor - 1) / factor;
  const auto small_columns = (columns + factor - 1) / factor;
  std::vector<float> result(static_cast<std::size_t>(small_rows * small_columns), 0);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      const float value = values[static_cast<std::size_t>(row * columns + column)];
      const auto place = row / factor * small_columns + column / factor;
      auto& cell = result[static_cast<std::size_t>(place)];
      if (std::isnan(value) || value > cell) cell = value;
    }
  }
  return result;
}

std::string encoded_map(std::span<const float> values) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((values.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < values.size(); i += 3) {
    const auto left = std::min<std::size_t>(3, values.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8U | (k < left ? code_of(values[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += k <= left ? digits[bits >> (18 - 6 * k) & 63U] : '=';
    }
  }
  return text;
}

}  // namespace lookback
