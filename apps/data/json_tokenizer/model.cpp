#include "apps/data/json_tokenizer/model.h"

#include <nlohmann/json.hpp>

#include "apps/data/json_tokenizer/byte_pair_model.h"
#include "apps/data/json_tokenizer/unigram_model.h"

namespace lookback::json_tokenizer {
namespace {

// Old files do not say it: BPE has an object of tokens, Unigram a list of them with scores.
bool is_unigram(const JsonValue& model) {
  if (const auto type = model.find("type")) {
    if (type->text() == "Unigram") return true;
    if (type->text() == "BPE") return false;
    type->refuse(
        "BPE (byte-level, or with byte_fallback as SentencePiece's) and Unigram can be read");
  }
  const auto vocabulary = model.find("vocab");
  return vocabulary && vocabulary->json().is_array();
}

}  // namespace

std::unique_ptr<const Model> read_model(const JsonValue& description, WordUnit unit) {
  if (!is_unigram(description)) return std::make_unique<BytePairModel>(description, unit);
  if (unit == WordUnit::byte) {
    description.refuse("a Unigram model is read without ByteLevel in pre_tokenizer");
  }
  return std::make_unique<UnigramModel>(description);
}

std::string byte_token(unsigned char byte) { return fmt::format("<0x{:02X}>", byte); }

}  // namespace lookback::json_tokenizer
