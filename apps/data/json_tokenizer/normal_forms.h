// Unicode's normal forms.
#pragma once

#include <memory>
#include <string_view>

#include "apps/data/json_tokenizer/normalizer.h"

namespace lookback::json_tokenizer {

// NFC, NFD, NFKC or NFKD.
std::unique_ptr<const NormalizerStep> normal_form(std::string_view name);

}  // namespace lookback::json_tokenizer
