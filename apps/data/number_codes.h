// The number that stands for a kind of numbers in the files of fairseq, Megatron-LM, lit-llama and
// litgpt: 1 uint8, 2 int8, 3 int16, 4 int32, 5 int64, 6 and 7 floating point, 8 uint16.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "apps/data/token_type.h"
#include "runtime/check.h"

namespace lookback {

// Throws Error, naming `path`, for a code of none that tokens have.
inline TokenType type_of_code(std::uint64_t code, std::string_view path) {
  constexpr std::array<std::string_view, 9> names = {
      "?", "uint8", "int8", "int16", "int32", "int64", "float64", "float32", "uint16"};
  const auto name = code < names.size() ? names.at(code) : names.front();
  for (const auto type :
       {TokenType::uint8, TokenType::uint16, TokenType::int32, TokenType::int64}) {
    if (name_of(type) == name) return type;
  }
  fail("data", "{}: has numbers of the kind {} ({}): tokens must be uint8, uint16, int32 or int64",
       path, code, name);
}

}  // namespace lookback
