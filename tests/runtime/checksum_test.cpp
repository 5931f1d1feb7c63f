#include "runtime/checksum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "runtime/check.h"

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// By `xxhsum -H3`.
TEST(Checksum, IsXxh3) {
  EXPECT_EQ(to_string(checksum_of("")), "2d06800538d394c2");
  EXPECT_EQ(to_string(checksum_of("a")), "e6c632b61e964e1f");
  EXPECT_EQ(to_string(checksum_of("lookback")), "5f5ca6492a1a7d75");
  EXPECT_EQ(to_string(checksum_of(std::string(1000, 'x'))), "c0a4877b962cba82");
}

TEST(Checksum, OfPiecesIsThatOfTheWhole) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * i % 251);
  for (const std::size_t piece : {1, 7, 256, 257, 1024, 4999, 5000}) {
    RunningChecksum sum;
    for (std::size_t at = 0; at < text.size(); at += piece) sum.add(text.substr(at, piece));
    EXPECT_EQ(sum.value(), checksum_of(text)) << piece;
  }
  EXPECT_EQ(RunningChecksum().value(), checksum_of(""));
}

TEST(Checksum, EveryFlippedBitGivesAnother) {
  std::string text(300, '\0');
  std::set<Checksum> seen = {checksum_of(text)};
  for (auto& byte : text) {
    for (int bit = 0; bit < 8; ++bit) {
      byte = static_cast<char>(byte ^ (1 << bit));
      EXPECT_TRUE(seen.insert(checksum_of(text)).second);
      byte = static_cast<char>(byte ^ (1 << bit));
    }
  }
}

TEST(Checksum, IsReadAsItIsWritten) {
  for (const auto bits : {std::uint64_t{0}, std::uint64_t{0x0123456789abcdef}, ~std::uint64_t{0}}) {
    EXPECT_EQ(parse_checksum(to_string(Checksum{bits})).bits, bits);
  }
  for (const auto* text : {"", "12", "2D06800538D394C2", "2d06800538d394c2 ", "+d06800538d394c2",
                           "0x06800538d394c2", "2d06800538d394c23", "2d06800538d394cg"}) {
    EXPECT_THAT([&] { parse_checksum(text); },
                ThrowsMessage<Error>(HasSubstr("must be 16 hexadecimal digits")))
        << text;
  }
}

}  // namespace
}  // namespace lookback::tests
