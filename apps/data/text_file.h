// A text that is not what its file holds: compressed, or the texts of records.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "apps/data/records.h"
#include "runtime/input_file.h"

namespace lookback {

// Whether a file of text must be decoded, by its name: .gz, .zst, .jsonl, .ndjson, .json, and both.
bool is_encoded_text(const std::string& path);

// `told` hears how far the reading of a compressed one has come (compressed_file.h). Throws Error,
// naming the file, where it is damaged or no text.
Documents read_encoded_text(const InputFile& file, const std::string& text_field,
                            const std::function<void(std::int64_t)>& told = {});

}  // namespace lookback
