#include "apps/data/token_description.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "runtime/check.h"
#include "runtime/json.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

constexpr std::string_view operation = "data";

TokenType type_named(const std::string& name, const std::string& path) {
  const auto found = std::ranges::find(token_types, name,
                                       [](TokenType type) { return std::string(name_of(type)); });
  if (found == token_types.end()) fail(operation, "{}: dtype \"{}\" is not known", path, name);
  return *found;
}

}  // namespace

std::string description_path(const std::string& bin) { return bin + ".json"; }

std::string to_json(const TokenDescription& description) {
  const nlohmann::ordered_json object{
      {"dtype", name_of(description.dtype)},
      {"tokens", description.tokens},
      {"documents", description.documents},
      {"tokenizer", description.tokenizer},
      {"tokenizer_checksum", to_string(description.tokenizer_checksum)},
      {"vocabulary_size", description.vocabulary_size}};
  return object.dump(2) + "\n";
}

std::optional<TokenDescription> read_token_description(const std::string& bin) {
  const auto path = description_path(bin);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  const auto object = parse_json(read_file(path, operation), operation, path);
  try {
    return TokenDescription{
        .dtype = type_named(object.at("dtype").get<std::string>(), path),
        .tokens = object.at("tokens").get<std::int64_t>(),
        .documents = object.at("documents").get<std::int64_t>(),
        .tokenizer = object.at("tokenizer").get<std::string>(),
        .tokenizer_checksum = parse_checksum(object.at("tokenizer_checksum").get<std::string>()),
        .vocabulary_size = object.at("vocabulary_size").get<std::int64_t>()};
  } catch (const nlohmann::json::exception&) {
    fail(operation,
         "{}: must hold dtype, tokens, documents, tokenizer, tokenizer_checksum and "
         "vocabulary_size, as `lookback tokenize` writes them",
         path);
  }
}

Checksum tokenizer_checksum(const std::string& path) {
  return checksum_of(read_file(path, "tokenizer"));
}

void check_tokenizer_of(const std::string& bin, const Tokenizer& tokenizer) {
  const auto description = read_token_description(bin);
  if (!description) return;
  const std::string path(tokenizer.name());
  const auto checksum = tokenizer_checksum(path);
  if (checksum == description->tokenizer_checksum &&
      tokenizer.vocabulary_size() == description->vocabulary_size)
    return;
  fail(operation,
       "{}: holds the tokens of {} ({} words, checksum {}), and {} has {} words and the checksum "
       "{}: name that tokenizer, or tokenize the text anew",
       bin, description->tokenizer, description->vocabulary_size,
       to_string(description->tokenizer_checksum), path, tokenizer.vocabulary_size(),
       to_string(checksum));
}

}  // namespace lookback
