// The tokens after which a text of a model is finished.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nn/layer/config.h"

namespace lookback {

// eos_token_id (a number, or several) of DIR/generation_config.json, else of config.json; none: a
// model that goes on for as long as it is asked to. Throws Error for a file that is no JSON object
// and for ids that are no numbers.
std::vector<std::int64_t> end_tokens_of(const std::filesystem::path& directory,
                                        const LlamaConfig& config);

// eos_token_id of config.json alone; `where` names it in errors.
std::vector<std::int64_t> end_tokens_of(const LlamaConfig& config, const std::string& where);

}  // namespace lookback
