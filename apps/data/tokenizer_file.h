// Trained tokenizers, as files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "apps/data/tokenizer.h"

namespace lookback {

// Whether a tokenizer's name is a file's: it ends in .model or .json.
bool is_tokenizer_file(std::string_view name);

// FILE.model: SentencePiece. FILE.json: Hugging Face's tokenizer.json with BPE or Unigram. Throws
// Error naming the file and what would be right.
std::shared_ptr<const Tokenizer> read_tokenizer(const std::string& path);

// A model folder's own tokenizer, as transformers takes it: tokenizer.json, or tokenizer.model
// where the first is not there or, which a warning says, cannot be read; of a checkpoint, that of
// its run. Empty: none.
std::string tokenizer_in(const std::filesystem::path& directory);

// Throws Error for a model folder without a tokenizer whose vocabulary is not that of bytes.
void check_reads_bytes(const std::filesystem::path& directory, std::int64_t vocabulary_size);

// Makes a tokenizer file the tokenizer of a model folder, under the name that other programs look
// for, with what stands beside it (tokenizer_config.h). Where there is no tokenizer_config.json,
// one is written that tells Hugging Face's AutoTokenizer how to read the file, so that it gives the
// same ids: for any tokenizer.json, and for a .model that has no normalization of its own.
void write_tokenizer(const std::string& path, const std::filesystem::path& directory);

}  // namespace lookback
