// What stands beside a tokenizer in a model's folder, as transformers reads it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/json_tokenizer/added_tokens.h"
#include "runtime/checksum.h"

namespace lookback {

struct TokenizerConfig {
  struct Special {
    std::string role;  // "bos_token"
    json_tokenizer::AddedToken token;
  };

  std::string path = {};  // of tokenizer_config.json, for errors
  bool is_there = false;  // whether that file is
  std::string tokenizer_class = {};
  std::optional<bool> legacy = {}, add_prefix_space = {}, add_bos_token = {};
  // In the order in which transformers adds them: bos, eos, unk, sep, pad, cls, mask, additional.
  // A null is kept as a token without content.
  std::vector<Special> special = {};
  // With the ids that the files say, in their order, and which file says so.
  std::vector<json_tokenizer::AddedToken> added = {};
  std::string added_path = {};

  // Whether the class is Llama's own, or CodeLlama's or Gemma's, which do as Llama's does.
  bool is_of_llama() const;
  // Whether a file says what a role's token is, be it that there is none.
  bool names(std::string_view role) const;
  // What a role's token is; empty where it has none. Llama's class has <s>, </s> and <unk> without
  // being told.
  std::string content_of(std::string_view role) const;
};

// Of tokenizer_config.json: added_tokens_decoder, or else, as transformers does, added_tokens.json
// and special_tokens_map.json. Files that are missing say nothing. Throws Error that names file and
// key for what is malformed: a name or an id twice, a token without content.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);

// Whether the folder has a chat template, in a file of its own or in tokenizer_config.json.
bool has_chat_template(const std::filesystem::path& folder);

// The names of these files.
std::vector<std::string> tokenizer_config_files();

// Of a tokenizer's file and of what stands beside it. Throws Error where one cannot be read.
Checksum checksum_of_tokenizer(const std::filesystem::path& file);

}  // namespace lookback
