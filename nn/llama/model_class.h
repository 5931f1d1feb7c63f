// Whether a config.json is a Llama's, by its model_type and architectures.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace lookback {

// The model_type that the two keys mean together: a Llama's or this program's own, or that of a
// stock model; empty where neither is given. The keys' values that nobody could mean (an object,
// say) count as missing, as transformers takes them. Throws Error for a model that cannot be read,
// with what it has that a Llama has not where that is known, and where the two keys disagree.
std::string model_type_of(const nlohmann::json& object, std::string_view where);

}  // namespace lookback
