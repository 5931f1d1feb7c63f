// How a token is written in a file: a number of this kind, its lowest byte first.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace lookback {

enum class TokenType { uint8, uint16, uint32, int32, int64 };
std::string_view name_of(TokenType type);  // "uint8", ..
std::size_t bytes_of(TokenType type);

inline constexpr std::array token_types = {TokenType::uint8, TokenType::uint16, TokenType::uint32,
                                           TokenType::int32, TokenType::int64};

}  // namespace lookback
