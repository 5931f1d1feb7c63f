// Keys of config.json that no Llama has: which of them say nothing at the value they have, and what
// the others ask for.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace lookback {

// Whether a key that is none of `known` changes nothing in a Llama: one that tools leave behind,
// or one at the value that means nothing. Throws Error for all others: with what it asks for where
// that is known, with the key that is meant where it is a slip of one.
bool says_nothing(const std::string& key, const nlohmann::json& object,
                  const std::vector<std::string>& known, std::string_view where);

}  // namespace lookback
