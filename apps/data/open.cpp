#include "apps/data/open.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

#include "apps/cli/console.h"
#include "apps/data/built_in_source.h"
#include "apps/data/data_mixture.h"
#include "apps/data/document_start.h"
#include "apps/data/joined_documents.h"
#include "apps/data/mixed_source.h"
#include "apps/data/story_source.h"
#include "apps/data/token_array.h"
#include "apps/data/token_description.h"
#include "apps/data/tokenizer_file.h"
#include "apps/data/window_source.h"
#include "runtime/check.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

constexpr std::string_view built_in_prefix = "builtin:";
// In the order of Split.
constexpr std::array<std::string_view, 3> split_names = {"train", "validation", "all"};

// Which files of a SPEC are meant: those for training, those for validation (or all, where there
// are none), or both; these with or without a place where the one ends and the other begins.
enum class FilesWanted { training, validation, all, all_and_cut };

// A SPEC, opened as far as it goes without knowing the vocabulary.
struct Opened {
  std::string spec;
  std::shared_ptr<const TokenArray> array;     // none: built in
  std::shared_ptr<const Tokenizer> tokenizer;  // none: built in, or a .bin of numbers
  std::string note;                            // on the files' names

  Opened(std::string what, const DataOptions& options, FilesWanted wanted) : spec(std::move(what)) {
    const Check check{"data"};
    check(!spec.empty(), "no data: name a file, a folder or builtin:stories");
    const bool adds_first = options.add_bos == AddBos::yes;
    check(!adds_first || !is_built_in_data(spec),
          "{}: has its own first tokens, and --add-bos goes with text: leave it out", spec);
    if (is_built_in_data(spec)) return;
    const auto files = data_files(spec);
    note = files.note;
    TokenArrayOptions reading{
        .layout = {.bin_dtype = options.bin_dtype, .vocabulary_size = options.vocabulary_size},
        .text_field = options.text_field};
    const auto paths = wanted_files(files, wanted, reading);
    if (format_of(paths.front()) == TokenFormat::bin) {
      check(!adds_first, "{}: holds tokens, and --add-bos goes with text: leave it out", spec);
      if (!means_own(options.tokenizer, "numbers")) tokenizer = read_tokenizer(options.tokenizer);
      check_described(paths, options);
      if (tokenizer) reading.layout.vocabulary_size = tokenizer->vocabulary_size();
      array = std::make_shared<const TokenArray>(paths, reading);
      return;
    }
    const auto& name = options.tokenizer.empty() ? options.model_tokenizer : options.tokenizer;
    const bool in_bytes = means_own(name, "bytes");
    if (name.empty()) check_bytes(options);
    array = std::make_shared<const TokenArray>(paths, reading);
    tokenizer = make_tokenizer(in_bytes ? "bytes" : name, 0);
    const auto cut =
        wanted == FilesWanted::all_and_cut ? TextCut::before_validation : TextCut::none;
    const auto in_front = tokens_in_front(*tokenizer, options.add_bos, TextKind::data);
    if (!in_bytes)
      array = std::make_shared<const TokenArray>(array->encoded(*tokenizer, cut, in_front));
  }
  bool is_bin() const { return array && array->format() == TokenFormat::bin; }

 private:
  static std::vector<std::string> wanted_files(const DataFiles& files, FilesWanted wanted,
                                               TokenArrayOptions& reading) {
    if (files.validation.empty() || wanted == FilesWanted::training) return files.training;
    if (wanted == FilesWanted::validation) return files.validation;
    auto both = files.training;
    both.insert(both.end(), files.validation.begin(), files.validation.end());
    if (wanted == FilesWanted::all_and_cut) reading.training_files = files.training.size();
    return both;
  }

  // Against the tokenizer that is named, or else the model's own.
  void check_described(const std::vector<std::string>& paths, const DataOptions& options) const {
    const auto known = tokenizer || options.model_tokenizer.empty()
                           ? tokenizer
                           : read_tokenizer(options.model_tokenizer);
    if (!known) return;
    for (const auto& path : paths) check_tokenizer_of(path, *known);
  }

  static void check_bytes(const DataOptions& options) {
    if (options.model_without_tokenizer.empty() || !options.vocabulary_size) return;
    check_reads_bytes(options.model_without_tokenizer, *options.vocabulary_size);
  }

  // Whether the data's own tokenizer is meant, and not a file's.
  bool means_own(std::string_view name, std::string_view own) const {
    if (is_tokenizer_file(name)) return false;
    if (!name.empty() && name != own) {
      throw UnsuitableTokenizer(
          fmt::format("{}: {} uses the tokenizer {}: must be that, or FILE.model or FILE.json",
                      name, spec, own));
    }
    return true;
  }
};

// One line for each SPEC, though it may be opened for both parts.
void warn_of_names(const std::vector<const Opened*>& opened) {
  std::set<std::string> notes;
  for (const auto* data : opened) notes.insert(data->note);
  notes.erase("");
  std::ranges::for_each(notes, print_warning);
}

// Turns what was opened into sources.
class Maker {
 public:
  Maker(const DataOptions& options, const std::vector<const Opened*>& opened) : options_(options) {
    warn_of_names(opened);
    const Check check{"data"};
    check(!options.bin_dtype || std::ranges::any_of(opened, &Opened::is_bin),
          "{}: holds no tokens, and --bin-dtype goes with a .bin or .npy: leave it out",
          opened.front()->spec);
    std::int64_t largest = 0;
    for (const auto* data : opened) {
      if (!data->is_bin()) continue;
      if (const auto most = vocabulary_of(*data)) {
        data->array->check_vocabulary(*most);
      } else {
        largest = std::max(largest, data->array->largest_token());
      }
    }
    bin_vocabulary_ = options_.vocabulary_size.value_or(largest + 1);
  }

  std::shared_ptr<const TokenSource> built_in(const Opened& data, BuiltInPart part) const {
    const auto name = std::string_view{data.spec}.substr(built_in_prefix.size());
    const auto source = make_built_in_source(name, options_.seed, part);
    if (const auto own = source->tokenizer().name();
        !options_.tokenizer.empty() && options_.tokenizer != own) {
      throw UnsuitableTokenizer(
          fmt::format("{}: {} uses the tokenizer {}: must be that, or left out", options_.tokenizer,
                      data.spec, own));
    }
    if (options_.document_ends) return fitting(data, source);
    return fitting(data, std::make_shared<JoinedDocuments>(source));
  }

  // Tokens [begin, end) of the files.
  std::shared_ptr<const TokenSource> windows(const Opened& data, std::int64_t begin,
                                             std::int64_t end) const {
    const auto tokenizer =
        data.tokenizer ? data.tokenizer : make_tokenizer("numbers", bin_vocabulary_);
    return fitting(data, std::make_shared<WindowSource>(data.array, begin, end, tokenizer,
                                                        options_.seed, options_.order));
  }

 private:
  // What the tokens of a .bin must be below, where the options say it.
  std::optional<std::int64_t> vocabulary_of(const Opened& data) const {
    if (data.tokenizer) return data.tokenizer->vocabulary_size();
    return options_.vocabulary_size;
  }

  std::shared_ptr<const TokenSource> fitting(const Opened& data,
                                             std::shared_ptr<const TokenSource> source) const {
    const Check check{"data"};
    const auto needed = source->vocabulary_size();
    const auto given = options_.vocabulary_size.value_or(needed);
    check(needed <= given,
          "{} has a vocabulary of {}, the config of {}: vocab_size must be at least {}", data.spec,
          needed, given, needed);
    return source;
  }

  DataOptions options_;
  std::int64_t bin_vocabulary_;
};

std::shared_ptr<const TokenSource> make_part(const Maker& maker, const Opened& data, Split split) {
  if (!data.array) {
    return maker.built_in(data, split == Split::train ? BuiltInPart::training : BuiltInPart::fresh);
  }
  const auto middle = data.array->validation_start(), end = data.array->size();
  return maker.windows(data, split == Split::validation ? middle : 0,
                       split == Split::train ? middle : end);
}

std::optional<TokenType> bare_type_of(const Opened& data, const Opened& validation_data) {
  if (!data.is_bin())
    return validation_data.is_bin() ? validation_data.array->bare_type() : std::nullopt;
  const auto type = data.array->bare_type();
  if (!validation_data.is_bin() || validation_data.array->bare_type() == type) return type;
  return std::nullopt;
}

void check_length(const TokenSource& source, const std::string& spec, std::string_view part,
                  std::int64_t needed, std::string_view reason) {
  const Check check{"data"};
  const auto tokens = source.tokens();
  check(!tokens || *tokens >= needed, "{}: {} tokens for {} are too few: {} needs {}", spec,
        tokens.value_or(0), part, reason, needed);
}

// The validation parts of a mixture's sources, in their order, or validation data of their own.
OpenedData open_mixture(const DataOptions& options, const std::vector<WeightedSpec>& parts) {
  std::vector<WeightedSource> training, validation;
  OpenedData result{{}, options.bin_dtype};
  auto one = options;
  for (const auto& [spec, weight] : parts) {
    one.data = spec;
    if (!options.validation_data.empty()) {
      training.push_back({open_evaluation(one, Split::train), weight});
      continue;
    }
    const auto opened = open_data(one);
    training.push_back({opened.training, weight});
    validation.push_back({opened.validation, weight});
    if (opened.bin_dtype) result.bin_dtype = opened.bin_dtype;
  }
  result.training = std::make_shared<MixedSource>(std::move(training), options.seed);
  result.validation = validation.empty()
                          ? open_evaluation(one, Split::validation)
                          : std::make_shared<MixedSource>(std::move(validation), options.seed);
  return result;
}

std::shared_ptr<const TokenSource> open_mixture_for_evaluation(
    DataOptions options, Split split, std::string DataOptions::*spec,
    const std::vector<WeightedSpec>& parts) {
  std::vector<WeightedSource> sources;
  for (const auto& part : parts) {
    options.*spec = part.spec;
    sources.push_back({open_evaluation(options, split), part.weight});
  }
  return std::make_shared<MixedSource>(std::move(sources), options.seed);
}

void check_same_words(const TokenSource& training, const std::string& data,
                      const TokenSource& validation, const std::string& validation_data) {
  const Check check{"data"};
  const auto& ours = training.tokenizer();
  const auto& theirs = validation.tokenizer();
  check(ours.name() == theirs.name() && ours.vocabulary_size() == theirs.vocabulary_size(),
        "training data {} use the tokenizer {} ({} tokens), validation data {} use {} ({} tokens): "
        "they must use the same",
        data, ours.name(), ours.vocabulary_size(), validation_data, theirs.name(),
        theirs.vocabulary_size());
}

// Of a run's data: the last token of a row has a target, too.
void check_lengths(const TokenData& data, const DataOptions& options,
                   const std::string& validation_data) {
  const auto block = fmt::format("one block (block size {} + 1)", options.block_size);
  check_length(*data.training, options.data, "training", options.block_size + 1, block);
  check_length(*data.validation, validation_data, "validation", options.block_size + 1, block);
}

}  // namespace

bool is_built_in_data(std::string_view spec) { return spec.starts_with(built_in_prefix); }

OpenedData open_data(const DataOptions& options) {
  const Check check{"data"};
  check(options.block_size >= 1, "a block size of {}: at least 1 is needed", options.block_size);
  const bool apart = !options.validation_data.empty();
  if (const auto parts = parts_of_mixture(options.data); !parts.empty()) {
    const auto mixed = open_mixture(options, parts);
    const auto& validation_spec = apart ? options.validation_data : options.data;
    check_lengths(mixed, options, validation_spec);
    check_same_words(*mixed.training, options.data, *mixed.validation, validation_spec);
    return mixed;
  }
  if (!parts_of_mixture(options.validation_data).empty()) {
    const OpenedData mixed{{.training = open_evaluation(options, Split::train),
                            .validation = open_evaluation(options, Split::validation)},
                           options.bin_dtype};
    check_lengths(mixed, options, options.validation_data);
    check_same_words(*mixed.training, options.data, *mixed.validation, options.validation_data);
    return mixed;
  }
  const Opened data{options.data, options,
                    apart ? FilesWanted::training : FilesWanted::all_and_cut};
  const Opened validation_data =
      apart ? Opened{options.validation_data, options, FilesWanted::validation} : data;
  const Maker maker{options, {&data, &validation_data}};
  OpenedData result = {
      {.training = make_part(maker, data, apart && data.array ? Split::all : Split::train),
       .validation = make_part(maker, validation_data, apart ? Split::all : Split::validation)},
      bare_type_of(data, validation_data)};
  check_lengths(result, options, validation_data.spec);
  check_same_words(*result.training, data.spec, *result.validation, validation_data.spec);
  return result;
}

std::string_view name_of(Split split) { return split_names.at(static_cast<std::size_t>(split)); }

Split split_of(std::string_view name) {
  const auto found = std::ranges::find(split_names, name);
  if (found == split_names.end()) {
    fail("data", "there is no split \"{}\": did you mean {}?", name,
         nearest_name(name, split_names));
  }
  return static_cast<Split>(found - split_names.begin());
}

std::shared_ptr<const TokenSource> open_evaluation(const DataOptions& options, Split split) {
  const bool apart = !options.validation_data.empty();
  const auto part = apart ? Split::all : split;
  const bool validation_data = split == Split::validation && apart;
  const auto spec = validation_data ? &DataOptions::validation_data : &DataOptions::data;
  if (const auto parts = parts_of_mixture(options.*spec); !parts.empty())
    return open_mixture_for_evaluation(options, split, spec, parts);
  auto wanted = part == Split::all ? FilesWanted::all : FilesWanted::all_and_cut;
  if (apart && split != Split::all)
    wanted = validation_data ? FilesWanted::validation : FilesWanted::training;
  const Opened data{options.*spec, options, wanted};
  const Maker maker{options, {&data}};
  auto source = make_part(maker, data, data.array ? part : split);
  check_length(*source, data.spec, "evaluation", 2, "one to feed and one to score");
  return source;
}

std::shared_ptr<const Tokenizer> make_tokenizer(std::string_view name,
                                                std::int64_t vocabulary_size) {
  constexpr std::array<std::string_view, 3> names = {"bytes", "stories", "numbers"};
  if (name == "bytes") return std::make_shared<ByteTokenizer>();
  if (name == "stories") return std::make_shared<StoryTokenizer>(StoryGrammar::built_in());
  if (name == "numbers") return std::make_shared<NumberTokenizer>(vocabulary_size);
  if (is_tokenizer_file(name)) return read_tokenizer(std::string(name));
  fail(
      "data",
      "there is no tokenizer \"{}\": did you mean {}? (Or a file: tokenizer.model, tokenizer.json)",
      name, nearest_name(name, names));
}

}  // namespace lookback
