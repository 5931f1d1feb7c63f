#include "apps/data/token_writer.h"

#include <array>
#include <cstring>
#include <filesystem>
#include <limits>

#include "runtime/check.h"

namespace lookback {
namespace {

using Header = std::array<std::int32_t, 256>;

Header header_of(const TokenDescription& description) {
  Header header{};
  const bool narrow = description.dtype == TokenType::uint16;
  header[0] = narrow ? 20240520 : 20240801;
  header[1] = narrow ? 1 : 7;
  header[2] = static_cast<std::int32_t>(description.tokens);
  return header;
}

template <class Token>
void append(std::vector<std::byte>& bytes, std::span<const std::uint32_t> tokens) {
  bytes.resize(tokens.size() * sizeof(Token));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto token = static_cast<Token>(tokens[i]);
    std::memcpy(bytes.data() + i * sizeof(Token), &token, sizeof token);
  }
}

}  // namespace

TokenWriter::TokenWriter(std::string path, const Tokenizer& tokenizer)
    : path_(std::move(path)), file_(path_) {
  constexpr std::int64_t words_of_uint16 = 65536;
  const std::string name(tokenizer.name());
  description_ = {.dtype = tokenizer.vocabulary_size() <= words_of_uint16 ? TokenType::uint16
                                                                          : TokenType::uint32,
                  .tokenizer = std::filesystem::absolute(name).lexically_normal().string(),
                  .tokenizer_checksum = tokenizer_checksum(name),
                  .vocabulary_size = tokenizer.vocabulary_size()};
  const Header none{};
  file_.write(std::as_bytes(std::span(none)));
}

void TokenWriter::add(std::span<const std::uint32_t> tokens) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  description_.tokens += std::ssize(tokens);
  if (description_.tokens > most) {
    fail("tokenize",
         "{}: more than {} tokens, which its header cannot say: name fewer files, one "
         "output for each part",
         path_, most);
  }
  if (description_.dtype == TokenType::uint16) {
    append<std::uint16_t>(bytes_, tokens);
  } else {
    append<std::uint32_t>(bytes_, tokens);
  }
  file_.write(bytes_);
}

// The description of an earlier file goes first: none may stand beside other tokens than its own.
void TokenWriter::commit() {
  const auto header = header_of(description_);
  file_.write_beginning(std::as_bytes(std::span(header)));
  std::error_code ignored;
  std::filesystem::remove(description_path(path_), ignored);
  file_.commit();
  ReplacingFile beside(description_path(path_));
  beside.write(to_json(description_));
  beside.commit();
}

}  // namespace lookback
