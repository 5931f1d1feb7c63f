#include "apps/data/open.h"

#include <glob.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

#include "apps/data/built_in_source.h"
#include "apps/data/joined_documents.h"
#include "apps/data/story_source.h"
#include "apps/data/token_array.h"
#include "apps/data/window_source.h"
#include "runtime/check.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view built_in_prefix = "builtin:";

bool is_built_in(std::string_view spec) { return spec.starts_with(built_in_prefix); }

std::vector<std::string> files_in_folder(const std::string& folder) {
  const Check check{"data"};
  std::error_code error;
  std::vector<std::string> files;
  fs::directory_iterator entry{folder, error};
  for (; !error && entry != fs::directory_iterator{}; entry.increment(error)) {
    const auto& path = entry->path();
    if (!path.filename().string().starts_with('.') && fs::is_regular_file(path)) {
      files.push_back(path.string());
    }
  }
  check(!error, "{}: cannot be read: {}", folder, error.message());
  check(!files.empty(), "{}: there is no file in this folder", folder);
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> files_of_glob(const std::string& pattern) {
  const Check check{"data"};
  glob_t found{};
  std::vector<std::string> files;
  if (glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) {
      if (fs::is_regular_file(found.gl_pathv[i])) files.emplace_back(found.gl_pathv[i]);
    }
  }
  globfree(&found);
  check(!files.empty(), "{}: no file matches", pattern);
  std::sort(files.begin(), files.end());
  return files;
}

// A SPEC, opened as far as it goes without knowing the vocabulary.
struct Opened {
  std::string spec;
  std::shared_ptr<const TokenArray> array;  // none: built in

  explicit Opened(std::string what) : spec(std::move(what)) {
    const Check check{"data"};
    check(!spec.empty(), "no data: name a file, a folder or builtin:stories");
    if (!is_built_in(spec)) array = std::make_shared<TokenArray>(files_of(spec));
  }
  bool is_bin() const { return array && array->format() == TokenFormat::bin; }
};

// Turns what was opened into sources.
class Maker {
 public:
  Maker(const DataOptions& data_options, const std::vector<const Opened*>& opened)
      : options(data_options) {
    std::int64_t largest = 0;
    for (const auto* data : opened) {
      if (!data->is_bin()) continue;
      if (options.vocabulary_size) {
        data->array->check_vocabulary(*options.vocabulary_size);
      } else {
        largest = std::max(largest, data->array->largest_token());
      }
    }
    bin_vocabulary = options.vocabulary_size.value_or(largest + 1);
  }

  std::shared_ptr<const TokenSource> built_in(const Opened& data, BuiltInPart part) const {
    const auto name = std::string_view{data.spec}.substr(built_in_prefix.size());
    const auto source = make_built_in_source(name, options.seed, part);
    if (options.document_ends) return fitting(data, source);
    return fitting(data, std::make_shared<JoinedDocuments>(source));
  }

  // Tokens [begin, end) of the files.
  std::shared_ptr<const TokenSource> windows(const Opened& data, std::int64_t begin,
                                             std::int64_t end) const {
    const auto tokenizer = make_tokenizer(data.is_bin() ? "numbers" : "bytes", bin_vocabulary);
    return fitting(data,
                   std::make_shared<WindowSource>(data.array, begin, end, tokenizer, options.seed));
  }

 private:
  std::shared_ptr<const TokenSource> fitting(const Opened& data,
                                             std::shared_ptr<const TokenSource> source) const {
    const Check check{"data"};
    const auto needed = source->vocabulary_size();
    const auto given = options.vocabulary_size.value_or(needed);
    check(needed <= given,
          "{} has a vocabulary of {}, the config of {}: vocab_size must be at least {}", data.spec,
          needed, given, needed);
    return source;
  }

  DataOptions options;
  std::int64_t bin_vocabulary;
};

// The first token of the validation part: floor(0.95 n).
std::int64_t split_point(const Opened& data) {
  const auto count = data.array->size();
  return count / 100 * 95 + count % 100 * 95 / 100;
}

std::shared_ptr<const TokenSource> make_part(const Maker& maker, const Opened& data, Split split) {
  if (!data.array) {
    return maker.built_in(data, split == Split::train ? BuiltInPart::training : BuiltInPart::fresh);
  }
  const auto middle = split_point(data), end = data.array->size();
  return maker.windows(data, split == Split::validation ? middle : 0,
                       split == Split::train ? middle : end);
}

void check_length(const TokenSource& source, const std::string& spec, std::string_view part,
                  std::int64_t needed, std::string_view reason) {
  const Check check{"data"};
  const auto tokens = source.tokens();
  check(!tokens || *tokens >= needed, "{}: {} tokens for {} are too few: {} needs {}", spec,
        tokens.value_or(0), part, reason, needed);
}

}  // namespace

std::vector<std::string> files_of(const std::string& spec) {
  std::error_code error;
  const auto status = fs::status(spec, error);
  if (fs::is_directory(status)) return files_in_folder(spec);
  if (!fs::exists(status) && spec.find_first_of("*?[") != std::string::npos) {
    return files_of_glob(spec);
  }
  return {spec};
}

TokenData open_data(const DataOptions& options) {
  const Check check{"data"};
  check(options.block_size >= 1, "a block size of {}: at least 1 is needed", options.block_size);
  const bool apart = !options.validation_data.empty();
  const Opened data{options.data};
  const Opened validation_data = apart ? Opened{options.validation_data} : data;
  const Maker maker{options, {&data, &validation_data}};
  TokenData result = {
      .training = make_part(maker, data, apart && data.array ? Split::all : Split::train),
      .validation = make_part(maker, validation_data, apart ? Split::all : Split::validation)};

  const auto block = fmt::format("one block (block size {} + 1)", options.block_size);
  check_length(*result.training, data.spec, "training", options.block_size + 1, block);
  check_length(*result.validation, validation_data.spec, "validation", options.block_size + 1,
               block);
  const auto& ours = result.training->tokenizer();
  const auto& theirs = result.validation->tokenizer();
  check(ours.name() == theirs.name() && ours.vocabulary_size() == theirs.vocabulary_size(),
        "training data {} speak {} ({} tokens), validation data {} speak {} ({} tokens): they must "
        "speak the same",
        data.spec, ours.name(), ours.vocabulary_size(), validation_data.spec, theirs.name(),
        theirs.vocabulary_size());
  return result;
}

Split split_of(std::string_view name) {
  constexpr std::array<std::string_view, 3> names = {"train", "validation", "all"};
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    fail("data", "there is no split \"{}\": did you mean {}?", name, nearest_name(name, names));
  }
  return static_cast<Split>(found - names.begin());
}

std::shared_ptr<const TokenSource> open_evaluation(const DataOptions& options, Split split) {
  const bool apart = !options.validation_data.empty();
  const Opened data{split == Split::validation && apart ? options.validation_data : options.data};
  const Maker maker{options, {&data}};
  auto source = make_part(maker, data, apart && data.array ? Split::all : split);
  check_length(*source, data.spec, "evaluation", 2, "one to feed and one to score");
  return source;
}

std::shared_ptr<const Tokenizer> make_tokenizer(std::string_view name,
                                                std::int64_t vocabulary_size) {
  constexpr std::array<std::string_view, 3> names = {"bytes", "stories", "numbers"};
  if (name == "bytes") return std::make_shared<ByteTokenizer>();
  if (name == "stories") return std::make_shared<StoryTokenizer>(StoryGrammar::built_in());
  if (name == "numbers") return std::make_shared<NumberTokenizer>(vocabulary_size);
  fail("data", "there is no tokenizer \"{}\": did you mean {}?", name, nearest_name(name, names));
}

}  // namespace lookback
