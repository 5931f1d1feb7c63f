#include "apps/data/tokenizer_file.h"

#include <array>
#include <nlohmann/json.hpp>

#include "apps/data/json_tokenizer.h"
#include "apps/data/sentencepiece_tokenizer.h"
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
Json config_for(std::string_view path) {
  if (path.ends_with(sentencepiece_ending)) {
    return {{"tokenizer_class", "LlamaTokenizer"},
            {"add_bos_token", false},
            {"add_eos_token", false},
            {"legacy", true},
            {"clean_up_tokenization_spaces", false}};
  }
  return {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
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
  for (const auto ending : {sentencepiece_ending, json_ending}) {
    const auto path = folder / fmt::format("tokenizer{}", ending);
    if (fs::exists(path)) return path.string();
  }
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
  const auto beside = fs::path(path).parent_path() / config_name;
  const auto config =
      fs::exists(beside) ? read_file(beside, "tokenizer") : config_for(path).dump(2) + "\n";
  const auto ending = fs::path(path).extension().string();
  write_file(directory / ("tokenizer" + ending), read_file(path, "tokenizer"));
  write_file(directory / config_name, config);
}

}  // namespace lookback
