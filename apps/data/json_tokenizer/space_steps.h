// Pre-tokenizers that look at spaces alone.
#pragma once

#include <memory>

#include "apps/data/json_tokenizer/json_value.h"
#include "apps/data/json_tokenizer/pre_tokenizer.h"

namespace lookback::json_tokenizer {

// Metaspace: spaces become marks (U+2581), and every mark begins a word, unless split is false. In
// front of what begins with none another is put: prepend_scheme always, first (only where the text
// begins) or never.
std::unique_ptr<const PreTokenizerStep> read_metaspace(const JsonValue& description);

// WhitespaceSplit: words are what lies between white space.
std::unique_ptr<const PreTokenizerStep> white_space_split();

// A space in front of what does not begin with one.
std::unique_ptr<const PreTokenizerStep> prefix_space();

}  // namespace lookback::json_tokenizer
