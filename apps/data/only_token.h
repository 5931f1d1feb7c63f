// Data that are one token, over and over: what comes of a tokenizer that has no words for a text.
#pragma once

#include <optional>
#include <string>

#include "apps/data/token_source.h"

namespace lookback {

// In words, where thousands of tokens drawn from all over the training data are one of several that
// there are; else nothing.
std::optional<std::string> only_token(const TokenSource& source);

}  // namespace lookback
