#include "apps/train/run_data.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "apps/data/token_description.h"
#include "apps/data/tokenizer_file.h"
#include "runtime/check.h"

namespace lookback {
namespace {

// The first tokens that step `step` (from 0) is fed.
std::vector<std::int64_t> next_tokens(const TokenData& data, const TrainOptions& options,
                                      std::int64_t step) {
  constexpr std::int64_t most = 16;
  auto tokens = data.training->training_batch(step, 0, 1, options.block_size).inputs;
  tokens.resize(static_cast<std::size_t>(std::min(most, options.block_size)));
  return tokens;
}

// Of the tokenizer's file, where it is one.
std::optional<Checksum> tokenizer_checksum(const TokenData& data) {
  const std::string name(data.training->tokenizer().name());
  if (!is_tokenizer_file(name)) return std::nullopt;
  return lookback::tokenizer_checksum(name);
}

std::string count_text(const std::optional<std::int64_t>& count) {
  return count ? std::to_string(*count) : "endless";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> data_values(const TokenData& data,
                                                             const TrainOptions& options,
                                                             std::int64_t step) {
  return {{"the number of tokens in --data", count_text(data.training->tokens())},
          {"the number of tokens to validate on", count_text(data.validation->tokens())},
          {"the first tokens of the next step",
           fmt::format("{}", fmt::join(next_tokens(data, options, step), " "))}};
}

RunData::RunData(const TokenData& data, const TrainOptions& options)
    : data_(data), options_(options), watch_(options.data, options.validation_data) {}

void RunData::resume(const TrainerState& before, const std::string& checkpoint) {
  const Check check{"resume"};
  if (before.ties) {
    check(tokenizer_checksum(data_) == before.ties->tokenizer,
          "{}: is not the tokenizer that the run was trained with: put it back",
          data_.training->tokenizer().name());
    watch_.resume(before.ties->data, options_.verify_data ? DataCheck::all : DataCheck::sample);
  } else {
    check(!options_.verify_data, "--verify-data: {} has no checksums of the data to compare with",
          checkpoint);
    watch_.begin();
  }
  const auto mark = next_tokens(data_, options_, before.step);
  check(before.training_tokens == data_.training->tokens() && before.next_tokens == mark,
        "{}: is not what the run was trained on ({} tokens, {} now; its next are {}, {} now): put "
        "the data back, or start a new run with --init-from {}",
        options_.data, count_text(before.training_tokens), count_text(data_.training->tokens()),
        fmt::join(before.next_tokens, " "), fmt::join(mark, " "), options_.output_dir);
}

void RunData::describe(TrainerState& state) const {
  state.training_tokens = data_.training->tokens();
  state.next_tokens = next_tokens(data_, options_, state.step);
  state.ties->data = watch_.record();
  state.ties->tokenizer = tokenizer_checksum(data_);
}

}  // namespace lookback
