#include "apps/data/document_start.h"

#include <fmt/ranges.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/cli/exit_code.h"
#include "apps/data/json_tokenizer/json_value.h"
#include "apps/data/tokenizer_config.h"
#include "apps/data/tokenizer_file.h"
#include "runtime/json.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using json_tokenizer::JsonValue;
using Use = DocumentStart::Use;

// Those that a template puts before the text:
// {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
//  "special_tokens": {"<s>": {"ids": [1]}}}
void add_template(DocumentStart& start, const JsonValue& processor) {
  const auto single = processor.member("single", "a template has one for a single text");
  const auto known = processor.member("special_tokens", "a template has its tokens' ids");
  const auto count = single.list_size("a template's parts");
  for (std::size_t i = 0; i < count; ++i) {
    const auto token = single.element(i).find("SpecialToken");
    if (!token) return;
    const auto name = token->member("id", "a token's name").text();
    const auto ids = known.member(name, "a template's token").member("ids", "its numbers");
    const auto tokens = ids.list_size("its numbers");
    for (std::size_t j = 0; j < tokens; ++j) start.tokens.push_back(ids.element(j).token_id());
    start.text += name;
  }
}

// BERT's and RoBERTa's: "cls": ["<s>", 0]
void add_processor(DocumentStart& start, const JsonValue& processor) {
  const auto type = processor.member("type", "a post-processor has one").text();
  if (type == "TemplateProcessing") add_template(start, processor);
  if (const auto token = processor.find("cls"); token && token->list_size("a token") == 2) {
    start.tokens.push_back(token->element(1).token_id());
    start.text += token->element(0).text();
  }
  if (type != "Sequence") return;
  const auto list = processor.member("processors", "a Sequence has a list of them");
  const auto count = list.list_size("the processors of a Sequence");
  for (std::size_t i = 0; i < count; ++i) add_processor(start, list.element(i));
}

std::optional<DocumentStart> start_of_template(const std::string& path) {
  const auto json =
      parse_json(read_file(path, json_tokenizer::operation), json_tokenizer::operation, path);
  const auto processor = JsonValue(json, path).find("post_processor");
  if (!processor) return std::nullopt;
  DocumentStart start{.use = Use::by_itself};
  add_processor(start, *processor);
  return start.tokens.empty() ? std::nullopt : std::optional(start);
}

bool puts_it_there(const TokenizerConfig& config, const fs::path& file) {
  const bool as_llama =
      config.is_of_llama() || (file.extension() == ".model" && config.tokenizer_class.empty());
  // Without a config the class is told by the model's folder.
  const bool in_model_folder = config.is_there || fs::exists(file.parent_path() / "config.json");
  return as_llama && in_model_folder && config.add_bos_token.value_or(true);
}

}  // namespace

std::optional<DocumentStart> document_start_of(const Tokenizer& tokenizer) {
  const std::string path(tokenizer.name());
  if (!is_tokenizer_file(path)) return std::nullopt;
  const fs::path file(path);
  const auto config = read_tokenizer_config(file.parent_path());
  if (file.extension() == ".json" && !config.is_of_llama()) {
    if (auto start = start_of_template(path)) return start;
  }
  DocumentStart start{.text = config.content_of("bos_token")};
  if (start.text.empty()) return std::nullopt;
  if (file.extension() == ".json" && !config.is_of_llama() && !config.names("bos_token"))
    return std::nullopt;
  start.tokens = tokenizer.encode(start.text);
  if (start.tokens.size() != 1) return std::nullopt;  // it is no token
  if (puts_it_there(config, file)) start.use = Use::by_itself;
  return start;
}

std::string_view name_of(AddBos choice) {
  if (choice == AddBos::automatic) return "auto";
  return choice == AddBos::yes ? "yes" : "no";
}

void add_bos_flag(Flags& flags, AddBos& target, std::string help) {
  flags.add_choice("add-bos", target, {AddBos::automatic, AddBos::yes, AddBos::no},
                   std::move(help));
}

std::vector<std::int64_t> tokens_in_front(const Tokenizer& tokenizer, AddBos choice,
                                          TextKind kind) {
  if (choice == AddBos::no || (choice == AddBos::automatic && kind == TextKind::data)) return {};
  const auto start = document_start_of(tokenizer);
  if (choice == AddBos::automatic)
    return start && start->use == Use::by_itself ? start->tokens : std::vector<std::int64_t>();
  if (!start) {
    usage_error(
        "--add-bos yes: the tokenizer {} has no first token (bos_token of a "
        "tokenizer_config.json, or a template in tokenizer.json)",
        tokenizer.name());
  }
  return start->tokens;
}

std::vector<std::string> tokenizer_notes(const Tokenizer& tokenizer,
                                         const std::vector<std::int64_t>& in_front, TextKind kind) {
  auto notes = tokenizer.notes();
  const auto start = document_start_of(tokenizer);
  if (!start || (in_front.empty() && start->use == Use::when_asked)) return notes;
  const auto* place = kind == TextKind::prompt ? "the prompt" : "each document";
  const auto token = fmt::format("{} ({})", start->text, fmt::join(start->tokens, " "));
  notes.push_back(
      in_front.empty()
          ? fmt::format("{} does not stand in front of {}: --add-bos yes puts it there", token,
                        place)
          : fmt::format("{} stands in front of {}: --add-bos no leaves it out", token, place));
  return notes;
}

}  // namespace lookback
