// Errors with one voice: `[operation] what, with both shapes and the rule`.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "runtime/dtype.h"
#include "runtime/error.h"
#include "runtime/shape.h"

namespace lookback::detail {

// What {} prints for our own types: no options, and no more of fmt than its light core.
struct PlainFormatter {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  static auto write(std::string_view text, fmt::format_context& context) {
    return std::copy(text.begin(), text.end(), context.out());
  }
};

}  // namespace lookback::detail

template <>
struct fmt::formatter<lookback::Shape> : lookback::detail::PlainFormatter {
  auto format(const lookback::Shape& shape, fmt::format_context& context) const {
    return write(lookback::to_string(shape), context);
  }
};

template <>
struct fmt::formatter<lookback::DType> : lookback::detail::PlainFormatter {
  auto format(lookback::DType dtype, fmt::format_context& context) const {
    return write(lookback::name_of(dtype), context);
  }
};

namespace lookback {

[[noreturn]] void raise(std::string_view operation, fmt::string_view message,
                        fmt::format_args arguments);

// `throw Error` with a formatted message: fail("safetensors", "{}: ...", path).
template <class... Values>
[[noreturn]] void fail(std::string_view operation, fmt::format_string<Values...> message,
                       const Values&... values) {
  raise(operation, message, fmt::make_format_args(values...));
}

// The checks of one operation:
//   const Check check{"matmul"};
//   check(inner_a == inner_b, "a {} x b {}: a.dim(-1)={} must equal b.dim(-2)={}", ...);
class Check {
 public:
  explicit Check(std::string_view operation) : operation_(operation) {}

  template <class... Values>
  void operator()(bool holds, fmt::format_string<Values...> message,
                  const Values&... values) const {
    if (!holds) raise(operation_, message, fmt::make_format_args(values...));
  }

 private:
  std::string_view operation_;
};

}  // namespace lookback
