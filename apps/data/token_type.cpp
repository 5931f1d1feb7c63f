#include "apps/data/token_type.h"

namespace lookback {
namespace {

struct Description {
  std::string_view name;
  std::size_t bytes;
};
// In the order of TokenType.
constexpr std::array<Description, 5> descriptions = {
    {{"uint8", 1}, {"uint16", 2}, {"uint32", 4}, {"int32", 4}, {"int64", 8}}};

const Description& description_of(TokenType type) {
  return descriptions.at(static_cast<std::size_t>(type));
}

}  // namespace

std::string_view name_of(TokenType type) { return description_of(type).name; }
std::size_t bytes_of(TokenType type) { return description_of(type).bytes; }

}  // namespace lookback
