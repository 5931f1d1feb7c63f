#include "apps/data/tokenizer_file.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "apps/cli/console.h"
#include "apps/data/json_tokenizer.h"
#include "apps/data/sentencepiece/model_file.h"
#include "apps/data/sentencepiece_tokenizer.h"
#include "apps/data/tokenizer_config.h"
#include "runtime/check.h"
#include "runtime/read_file.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::string_view sentencepiece_ending = ".model", json_ending = ".json";
constexpr std::string_view config_name = "tokenizer_config.json";

// The same ids as ours: the whole text, no token in front of it or behind it.
Json config_for(std::string_view path, std::string_view content) {
  if (!path.ends_with(sentencepiece_ending)) {
    return {{"tokenizer_class", "PreTrainedTokenizerFast"},
            {"clean_up_tokenization_spaces", false}};
  }
  Json config{
      {"add_bos_token", false}, {"add_eos_token", false}, {"clean_up_tokenization_spaces", false}};
  const auto model = sentencepiece_model::read_model_file(content);
  if (!model.keeps_text()) return config;
  config["tokenizer_class"] = "LlamaTokenizer";
  config["legacy"] = true;
  if (!model.adds_space) config["add_prefix_space"] = false;
  return config;
}

// Why a tokenizer cannot be read; empty: it can.
std::string problem_of(const fs::path& tokenizer) {
  try {
    read_tokenizer(tokenizer.string());
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

// A command asks for its folder's tokenizer more than once.
void warn_once(const std::string& text) {
  static std::set<std::string> said;
  if (said.insert(text).second) print_warning(text);
}

bool stands_in_for(const fs::path& model, const fs::path& json) {
  if (!fs::exists(model)) return false;
  const auto problem = problem_of(json);
  if (problem.empty() || !problem_of(model).empty()) return false;
  warn_once(fmt::format("{}; {} is read in its place", problem, model.filename().string()));
  return true;
}

void write_file(const fs::path& path, std::string_view content) {
  ReplacingFile file(path);
  file.write(content);
  file.commit();
}

}  // namespace

bool is_tokenizer_file(std::string_view name) {
  return name.ends_with(sentencepiece_ending) || name.ends_with(json_ending);
}

std::shared_ptr<const Tokenizer> read_tokenizer(const std::string& path) {
  if (path.ends_with(sentencepiece_ending)) return read_sentencepiece_tokenizer(path);
  return read_json_tokenizer(path);
}

std::string tokenizer_in(const fs::path& directory) {
  const auto folder = fs::absolute(directory / "").parent_path();
  const auto model = folder / "tokenizer.model", json = folder / "tokenizer.json";
  if (fs::exists(json)) return (stands_in_for(model, json) ? model : json).string();
  if (fs::exists(model)) return model.string();
  if (folder.filename().string().starts_with("checkpoint-")) {
    return tokenizer_in(folder.parent_path());
  }
  return {};
}

void check_reads_bytes(const fs::path& directory, std::int64_t vocabulary_size) {
  if (vocabulary_size == ByteTokenizer().vocabulary_size()) return;
  const bool in_parts =
      fs::exists(directory / "vocab.json") && fs::exists(directory / "merges.txt");
  fail(
      "data",
      "{}: vocab_size is {} and the folder has no tokenizer.model or tokenizer.json{}: --tokenizer "
      "FILE.model or FILE.json names its tokenizer (bytes, where text is read in bytes)",
      directory.string(), vocabulary_size,
      in_parts ? " (of vocab.json and merges.txt, AutoTokenizer.from_pretrained(..)."
                 "save_pretrained(..) of transformers makes one)"
               : "");
}

void write_tokenizer(const std::string& path, const fs::path& directory) {
  const auto content = read_file(path, "tokenizer");
  write_file(directory / ("tokenizer" + fs::path(path).extension().string()), content);
  const auto folder = fs::path(path).parent_path();
  for (const auto& name : tokenizer_config_files()) {
    if (fs::exists(folder / name))
      write_file(directory / name, read_file(folder / name, "tokenizer"));
  }
  if (!fs::exists(folder / config_name))
    write_file(directory / config_name, config_for(path, content).dump(2) + "\n");
}

}  // namespace lookback
