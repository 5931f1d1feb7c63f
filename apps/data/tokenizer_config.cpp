#include "apps/data/tokenizer_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "apps/data/json_tokenizer/json_value.h"
#include "runtime/check.h"
#include "runtime/json.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using json_tokenizer::AddedToken;
using json_tokenizer::JsonValue;
using json_tokenizer::operation;
using json_tokenizer::shown;

constexpr std::string_view config_name = "tokenizer_config.json",
                           special_name = "special_tokens_map.json",
                           added_name = "added_tokens.json", template_name = "chat_template.jinja",
                           additional = "additional_special_tokens";
constexpr std::array<std::string_view, 7> roles = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

// A JSON file, kept beside the values that refer to it.
struct JsonFile {
  std::string path;
  nlohmann::json content;

  explicit JsonFile(const fs::path& file)
      : path(file.string()), content(parse_json(read_file(file, operation), operation, path)) {}
  JsonValue value() const { return {content, path}; }
};

bool flag_of(const JsonValue& entry, std::string_view key, bool otherwise) {
  const auto found = entry.find(key);
  return found ? found->truth() : otherwise;
}

std::optional<bool> flag_of(const JsonValue& entry, std::string_view key) {
  const auto found = entry.find(key);
  return found ? std::optional(found->truth()) : std::nullopt;
}

// "<s>", or {"content": "<s>", "lstrip": false, ..}
AddedToken token_of(const JsonValue& entry) {
  AddedToken token;
  if (entry.json().is_string()) {
    token.content = entry.text();
    return token;
  }
  token.content = entry.member("content", "the token's text is needed").text();
  token.single_word = flag_of(entry, "single_word", false);
  token.left_strip = flag_of(entry, "lstrip", false);
  token.right_strip = flag_of(entry, "rstrip", false);
  token.normalized = flag_of(entry, "normalized", !flag_of(entry, "special", false));
  return token;
}

// What later files say of a role counts.
void set_special(TokenizerConfig& config, std::string_view role, AddedToken token) {
  const auto found = std::ranges::find(config.special, role, &TokenizerConfig::Special::role);
  if (found != config.special.end() && role != additional) {
    found->token = std::move(token);
  } else {
    config.special.push_back({std::string(role), std::move(token)});
  }
}

void read_special(TokenizerConfig& config, const JsonValue& file) {
  for (const auto role : roles) {
    if (const auto token = file.find(role)) {
      set_special(config, role, token_of(*token));
    } else if (file.json().contains(role)) {
      set_special(config, role, {});
    }
  }
  const auto more = file.find(additional);
  if (!more) return;
  const auto count = more->list_size("tokens");
  for (std::size_t i = 0; i < count; ++i)
    set_special(config, additional, token_of(more->element(i)));
}

bool is_special(const TokenizerConfig& config, std::string_view content) {
  return std::ranges::any_of(config.special,
                             [&](const auto& other) { return other.token.content == content; });
}

// {"32000": {"content": "<|im_start|>", ..}}
void read_decoder(TokenizerConfig& config, const JsonValue& decoder) {
  for (const auto& [key, unused] : decoder.json().items()) {
    const auto entry = decoder.member(key, "");
    auto token = token_of(entry);
    const auto* end = key.data() + key.size();
    if (const auto [stop, error] = std::from_chars(key.data(), end, token.id);
        error != std::errc{} || stop != end || token.id < 0) {
      entry.refuse("must stand under a token's number");
    }
    config.added.push_back(std::move(token));
  }
}

// {"<|im_start|>": 32000}
void read_added(TokenizerConfig& config, const JsonValue& file) {
  if (!file.json().is_object()) file.refuse("must be an object, {{...}}");
  for (const auto& [content, unused] : file.json().items()) {
    config.added.push_back({.content = content,
                            .id = file.member(content, "").token_id(),
                            .normalized = !is_special(config, content)});
  }
}

// Sorted by their ids.
void check_once(const TokenizerConfig& config) {
  std::unordered_map<std::string_view, std::int64_t> ids;
  const AddedToken* before = nullptr;
  for (const auto& token : config.added) {
    if (before && before->id == token.id) {
      fail(operation, "{}: {} and {} both have the id {}: each token must have its own",
           config.added_path, shown(before->content), shown(token.content), token.id);
    }
    if (const auto [first, is_new] = ids.emplace(token.content, token.id); !is_new) {
      fail(operation, "{}: {} has the ids {} and {}: it must stand there once", config.added_path,
           shown(token.content), first->second, token.id);
    }
    before = &token;
  }
}

}  // namespace

bool TokenizerConfig::is_of_llama() const {
  constexpr std::array<std::string_view, 6> classes = {
      "LlamaTokenizer",         "LlamaTokenizerFast", "CodeLlamaTokenizer",
      "CodeLlamaTokenizerFast", "GemmaTokenizer",     "GemmaTokenizerFast"};
  return std::ranges::find(classes, tokenizer_class) != classes.end();
}

bool TokenizerConfig::names(std::string_view role) const {
  return std::ranges::find(special, role, &Special::role) != special.end();
}

std::string TokenizerConfig::content_of(std::string_view role) const {
  const auto found = std::ranges::find(special, role, &Special::role);
  if (found != special.end()) return found->token.content;
  const bool gemma = tokenizer_class.starts_with("Gemma");
  if (role == "bos_token") return gemma ? "<bos>" : "<s>";
  if (role == "eos_token") return gemma ? "<eos>" : "</s>";
  return role == "unk_token" ? "<unk>" : "";
}

TokenizerConfig read_tokenizer_config(const fs::path& folder) {
  TokenizerConfig config{.path = (folder / config_name).string()};
  std::error_code ignored;
  const auto is_there = [&](std::string_view name) { return fs::exists(folder / name, ignored); };
  config.is_there = is_there(config_name);
  if (config.is_there) {
    const JsonFile file(folder / config_name);
    const auto value = file.value();
    if (const auto name = value.find("tokenizer_class")) config.tokenizer_class = name->text();
    config.legacy = flag_of(value, "legacy");
    config.add_prefix_space = flag_of(value, "add_prefix_space");
    config.add_bos_token = flag_of(value, "add_bos_token");
    read_special(config, value);
    if (const auto decoder = value.find("added_tokens_decoder")) {
      config.added_path = config.path;
      read_decoder(config, *decoder);
    }
  }
  if (config.added_path.empty()) {
    if (is_there(special_name)) read_special(config, JsonFile(folder / special_name).value());
    if (is_there(added_name)) {
      config.added_path = (folder / added_name).string();
      read_added(config, JsonFile(folder / added_name).value());
    }
  }
  std::ranges::stable_sort(config.added, {}, &AddedToken::id);
  check_once(config);
  return config;
}

bool has_chat_template(const fs::path& folder) {
  if (fs::exists(folder / template_name)) return true;
  if (!fs::exists(folder / config_name)) return false;
  return JsonFile(folder / config_name).value().find("chat_template").has_value();
}

std::vector<std::string> tokenizer_config_files() {
  return {std::string(config_name), std::string(special_name), std::string(added_name),
          std::string(template_name)};
}

Checksum checksum_of_tokenizer(const std::filesystem::path& file) {
  RunningChecksum sum;
  const auto add = [&](const std::filesystem::path& path) {
    sum.add(to_string(checksum_of(read_file(path, "tokenizer"))));
  };
  add(file);
  for (const auto& name : tokenizer_config_files()) {
    if (const auto beside = file.parent_path() / name; exists(beside)) add(beside);
    sum.add(name);
  }
  return sum.value();
}

}  // namespace lookback
