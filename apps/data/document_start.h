// The tokens in front of a text: <s>, <|begin_of_text|>.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/cli/flags.h"
#include "apps/data/tokenizer.h"

namespace lookback {

// What a tokenizer's files say.
struct DocumentStart {
  std::vector<std::int64_t> tokens = {};  // one, for every tokenizer that is in use
  std::string text = {};                  // as they read: "<s>"
  // Whether transformers puts them in front of every text by itself (add_bos_token, a template in
  // tokenizer.json), or only could.
  enum class Use { by_itself, when_asked } use = Use::when_asked;
};

// Of a tokenizer's file; none: it knows no such token. Llama's own class (also CodeLlama's and
// Gemma's) goes by add_bos_token and bos_token of tokenizer_config.json, every other by the
// post_processor of tokenizer.json. Throws Error for files that are malformed.
std::optional<DocumentStart> document_start_of(const Tokenizer& tokenizer);

enum class AddBos { automatic, yes, no };
std::string_view name_of(AddBos choice);  // "auto", "yes", "no"
void add_bos_flag(Flags& flags, AddBos& target, std::string help);

// Which tokens are put in front of a prompt, or of each document of data: with `automatic`, of a
// prompt what transformers puts there by itself, of data none. Throws UsageError for `yes` where
// the tokenizer knows no such token.
enum class TextKind { prompt, data };
std::vector<std::int64_t> tokens_in_front(const Tokenizer& tokenizer, AddBos choice, TextKind kind);

// What must be said where nobody asked: what of the tokenizer's files is read in a way of its own,
// and, where they speak of such tokens, whether these, `in_front`, are there.
std::vector<std::string> tokenizer_notes(const Tokenizer& tokenizer,
                                         const std::vector<std::int64_t>& in_front, TextKind kind);

}  // namespace lookback
