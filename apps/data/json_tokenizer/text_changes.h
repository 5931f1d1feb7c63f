// Normalizers that take away, put in or change single characters.
#pragma once

#include <memory>

#include "apps/data/json_tokenizer/json_value.h"
#include "apps/data/json_tokenizer/normalizer.h"

namespace lookback::json_tokenizer {

// Lowercase, character by character: a sigma at the end of a word is no other.
std::unique_ptr<const NormalizerStep> lowercase();
// StripAccents: no marks. Useful behind NFD or NFKD.
std::unique_ptr<const NormalizerStep> strip_accents();
// Strip: no white space at the sides that it names.
std::unique_ptr<const NormalizerStep> read_strip(const JsonValue& description);
// Replace: every match of a pattern becomes `content`.
std::unique_ptr<const NormalizerStep> read_replace(const JsonValue& description);
// Prepend: something in front of every text that is not empty.
std::unique_ptr<const NormalizerStep> read_prepend(const JsonValue& description);

}  // namespace lookback::json_tokenizer
