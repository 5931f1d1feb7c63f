// Texts to be cut, and what must hold of a tokenizer that cuts them.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/tokenizer.h"

namespace lookback::tests {

using Tokens = std::vector<std::int64_t>;
using Random = std::mt19937;

std::size_t below(Random& random, std::size_t count);
template <class T>
const T& one_of(Random& random, const std::vector<T>& all) {
  return all[below(random, all.size())];
}

nlohmann::json golden_tokenizer(const std::string& file);
std::shared_ptr<const Tokenizer> tokenizer_of(const nlohmann::json& file);
// Those of the golden ones that cut texts. The merges of gemma.json reach across spaces.
inline const std::vector<std::string> tokenizers_that_cut = {
    "gpt2.json", "llama3.json", "qwen.json", "starcoder.json", "llama2.json", "t5.json"};
// The same tokenizer with a token that stands nowhere, because of which it cuts no text.
nlohmann::json without_cuts(nlohmann::json described);
// With one more token.
nlohmann::json with_token(nlohmann::json described, nlohmann::json token);

// What tokenizers treat in their own ways, beside places where a text can be cut.
std::string mixed_text(Random& random, std::size_t pieces);

// Expects the ids of the whole text, which encode() must be able to take in one piece, from as many
// parts as there can be, and from every two. How many cuts there are.
enum class EveryTwo { no, yes };
std::size_t expect_same_in_parts(const Tokenizer& tokenizer, std::string_view text,
                                 EveryTwo every_two = EveryTwo::yes);

}  // namespace lookback::tests
