// From what people write after --data to sources.
//
// SPEC: `builtin:NAME`; a text file; records in JSON (records.h); either compressed (.gz, .zst); a
// `.bin` or `.npy` of tokens (token_layout.h); a folder (its files, hidden ones and sub-folders
// left out) or a glob of such files, joined in name order, or kept apart where their names say
// train and validation (split_names.h). A file that is there is never read as a glob. Several of
// these with weights (data_mixture.h): rows of training are drawn from each in proportion to its
// weight; the validation parts of all stand behind each other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "apps/data/data_files.h"
#include "apps/data/document_start.h"
#include "apps/data/token_source.h"
#include "apps/data/token_type.h"
#include "apps/data/window_order.h"
#include "runtime/error.h"

namespace lookback {

struct DataOptions {
  std::string data{};             // SPEC
  std::string validation_data{};  // SPEC; empty: part of `data`
  // What make_tokenizer() knows it by; empty: for text the model's own or bytes, for a .bin
  // numbers. Built-in data have but one.
  std::string tokenizer{};
  std::string model_tokenizer{};  // the file in the model's folder, where there is one
  // A model's folder without a tokenizer; empty: it has one, or there is no such folder. Text is
  // then read in bytes only if its vocabulary is theirs.
  std::string model_without_tokenizer{};
  std::optional<TokenType> bin_dtype{};  // of a .bin that does not say it itself
  std::string text_field = "text";       // of records in JSON
  AddBos add_bos = AddBos::automatic;    // of text
  std::uint64_t seed = 0;
  std::int64_t block_size = 256;  // T
  // The vocabulary of a config that is given, which data must fit into, and which is a .bin's.
  // Without it data bring their own; a .bin's is then its largest token + 1.
  std::optional<std::int64_t> vocabulary_size{};
  WindowOrder order{};  // of training, in files
  // False: documents whose ends are not marked (joined_documents.h; built-in sources only).
  bool document_ends = true;
};

// Thrown where data cannot have the tokenizer that DataOptions names: "gpt2: builtin:stories ..".
class UnsuitableTokenizer : public Error {
 public:
  using Error::Error;
};

struct OpenedData : TokenData {
  // That of files which do not say it themselves, where all files have the same.
  std::optional<TokenType> bin_dtype = {};
};

// Training and validation of a run. Without validation data: of n bytes of text, or tokens of a
// .bin, the first floor(0.95 n) are for training, the rest for validation; a built-in source
// validates on fresh sequences. Where names of files say train and validation, these. With
// validation data: all of the one, without what it has for validation, and all of the other, or
// what it has for validation. Warns on stderr of what was taken from names. Throws
// UnsuitableTokenizer, and Error on data that are missing or malformed
// (token_array.h), have fewer than T + 1 tokens on either side, do not fit the vocabulary, or
// use two tokenizers.
OpenedData open_data(const DataOptions& options);

// Whether a SPEC is a source that the program brings along.
bool is_built_in_data(std::string_view spec);

enum class Split { train, validation, all };
std::string_view name_of(Split split);  // "train", "validation", "all"
// Throws Error on another name, naming the nearest.
Split split_of(std::string_view name);

// What `eval --split` goes through: the same parts as above; `all` of files that are kept apart is
// both. Of a built-in source `all` is fresh
// sequences. Needs two tokens, one to feed and one to score.
std::shared_ptr<const TokenSource> open_evaluation(const DataOptions& options, Split split);

// The tokenizer that calls itself `name` (Tokenizer::name), as a run's options keep it: bytes,
// stories, numbers, or the path of a file (tokenizer_file.h). Only numbers needs the vocabulary's
// size. Throws Error on another name.
std::shared_ptr<const Tokenizer> make_tokenizer(std::string_view name,
                                                std::int64_t vocabulary_size);

}  // namespace lookback
