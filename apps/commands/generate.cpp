// lookback generate
#include "nn/llama/generate.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/cli/command.h"
#include "apps/data/document_start.h"
#include "apps/data/tokenizer_config.h"
#include "apps/data/tokenizer_file.h"
#include "apps/model/cache_policy_flags.h"
#include "apps/model/dtype_choice.h"
#include "apps/model/end_tokens.h"
#include "apps/model/finite_weights.h"
#include "apps/model/model_folder.h"
#include "apps/model/model_warnings.h"
#include "apps/model/prompt.h"
#include "apps/train/run_options.h"

namespace lookback {
namespace {

constexpr std::int64_t default_new_tokens = 128;

class Generate final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.add_positional({.placeholder = "DIR", .help = "a model folder", .target = &directory_});
    flags.add("prompt", prompt_, "TEXT", "what the text begins with");
    flags.add("max-new-tokens", new_tokens_, at_least_one,
              "tokens to add; without it 128, or what fits");
    flags.add("temperature", temperature_, non_negative,
              "logits are divided by it; 0: the most likely token");
    flags.add("top-k", top_k_, at_least_one, "pick among the k most likely tokens");
    flags.add("top-p", top_p_, share,
              "pick among the most likely tokens that hold this probability");
    flags.add_toggle("ignore-eos", ignore_eos_,
                     "goes on behind the end token (eos_token_id of the folder)");
    flags.add_toggle("no-cache", no_cache_, "runs the whole text again for every token");
    cache_.declare(flags);
    flags.add("tokenizer", tokenizer_, "bytes|FILE",
              "or FILE.model, FILE.json, stories; without it the folder's own, or bytes");
    add_bos_flag(
        flags, add_bos_,
        "whether the tokenizer's first token (<s>) stands in front of the prompt; auto: as "
        "its files say, or as in the run's training");
    flags.add_choice("dtype", dtype_, floating_dtypes, "number format; without it the run's");
  }

  ExitCode run(const Session& session) override {
    if (!prompt_) usage_error("--prompt is missing: the text to begin with");
    const auto policy = cache_.policy(*session.flags);
    if (no_cache_ && policy.kind != CachePolicy::Kind::full) {
      usage_error("--no-cache: there is no cache that --cache-policy {} could drop tokens from",
                  name_of(policy.kind));
    }
    const auto run = run_options_for_reading(directory_);
    if (!dtype_) dtype_ = run ? run->options.dtype : TrainOptions().dtype;
    std::string without_tokenizer;
    if (tokenizer_.empty()) {
      without_tokenizer = folder_without_tokenizer(directory_, run);
      tokenizer_ = tokenizer_of(directory_, run);
    }
    const auto llama = load_model(directory_, precision_of(*dtype_));
    check_finite_weights(*llama, directory_);
    warn_of_model(llama->config);
    note_missing_checksums(session.console, directory_);
    if (!without_tokenizer.empty()) check_reads_bytes(without_tokenizer, llama->config.vocab_size);
    const auto& config = llama->config;
    auto [prompt_tokenizer, in_front, tokens] =
        read_prompt(*prompt_, tokenizer_, config, add_bos_of(add_bos_, run));
    note_prompt(session, *prompt_tokenizer, in_front);
    const auto prompt_length = static_cast<std::int64_t>(tokens.size());

    const auto words = prompt_tokenizer->vocabulary_size();
    if (words < config.vocab_size) {
      session.console.note(
          fmt::format("the model has {} rows and the tokenizer {} words: tokens from {} on have no "
                      "text, and are never picked",
                      config.vocab_size, words, words));
    }
    const GenerationOptions options{
        .max_new_tokens = new_tokens_.value_or(std::clamp<std::int64_t>(
            config.max_position_embeddings - prompt_length, 0, default_new_tokens)),
        .caching = no_cache_ ? Caching::none : Caching::keys_and_values,
        .cache_policy = policy,
        .sampling = {.temperature = temperature_,
                     .top_k = top_k_.value_or(0),
                     .top_p = top_p_,
                     .words = words,
                     .seed = session.seed},
        .end_tokens =
            ignore_eos_ ? std::vector<std::int64_t>() : end_tokens_of(directory_, config)};
    const auto start = std::chrono::steady_clock::now();
    const auto generation = generate(*llama, tokens, options);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

    const auto last = generation.tokens.end() - (generation.ended ? 1 : 0);
    tokens.insert(tokens.end(), generation.tokens.begin(), last);  // the end has no text
    const auto text = prompt_tokenizer->decode(std::span(tokens).subspan(in_front.size()));
    const auto count = static_cast<double>(generation.tokens.size());
    session.console.result(text,
                           {{"text", text},
                            {"tokens", generation.tokens},
                            {"ended_by", generation.ended ? "end_token" : "max_new_tokens"},
                            {"tokens_per_second", seconds > 0 ? count / seconds : 0.0},
                            {"cache_bytes_per_token", generation.cache_bytes_per_token},
                            {"cache_bytes_per_sequence", generation.cache_bytes_per_sequence}});
    session.note_device();
    return ExitCode::good;
  }

 private:
  void note_prompt(const Session& session, const Tokenizer& tokenizer,
                   const std::vector<std::int64_t>& in_front) const {
    if (!session.flags->given("add-bos")) {
      for (const auto& note : tokenizer_notes(tokenizer, in_front, TextKind::prompt))
        session.console.note(note);
    }
    if (has_chat_template(directory_)) {
      session.console.note(
          "the folder has a chat template, which is not run: the prompt is read as it stands");
    }
  }

  static constexpr NumberRule share{.min = 0, .min_is = NumberRule::Bound::excluded, .max = 1};

  std::string directory_, tokenizer_;
  std::optional<DType> dtype_;
  std::optional<std::string> prompt_;
  std::optional<std::int64_t> new_tokens_, top_k_;
  double temperature_ = 1, top_p_ = 1;
  bool no_cache_ = false, ignore_eos_ = false;
  AddBos add_bos_ = AddBos::automatic;
  CachePolicyFlags cache_;
};

const AddCommand<Generate> registered{"generate", "continues a text with a model"};

}  // namespace
}  // namespace lookback
