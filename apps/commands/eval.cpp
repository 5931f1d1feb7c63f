// lookback eval
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <optional>

#include "apps/cli/command.h"
#include "apps/data/data_flags.h"
#include "apps/data/data_mixture.h"
#include "apps/data/open.h"
#include "apps/diagnosis/faults/fault.h"
#include "apps/model/attention_storage.h"
#include "apps/model/cache_policy_flags.h"
#include "apps/model/dtype_choice.h"
#include "apps/model/finite_weights.h"
#include "apps/model/model_folder.h"
#include "apps/model/model_warnings.h"
#include "apps/train/document_separation.h"
#include "apps/train/evaluate.h"
#include "apps/train/non_finite.h"
#include "apps/train/run_options.h"
#include "nn/layer/bounded_attention.h"

namespace lookback {
namespace {

class Eval final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.add_positional({.placeholder = "DIR", .help = "a model folder", .target = &directory_});
    flags.add("data", data_, "SPEC", "without it: the run's own");
    flags.add("tokenizer", tokenizer_, "bytes|FILE",
              "of --data: FILE.model or FILE.json; without it the folder's own, or bytes");
    data_flags_.declare(flags);
    flags.add_choice("split", split_, {Split::train, Split::validation, Split::all},
                     "part of the data; without it all of --data, or the run's validation");
    flags.add("block-size", block_size_, at_least_one, "tokens of context; without it the run's");
    flags.add_toggle("no-cross-document-attention", documents_apart_,
                     "documents do not see each other; without it as in the run");
    flags.add_choice("dtype", dtype_, floating_dtypes, "number format; without it the run's");
    cache_.declare(flags);
  }

  std::vector<std::string> translated(std::span<const std::string> arguments) override {
    return with_whole_mixtures(arguments);
  }

  ExitCode run(const Session& session) override {
    const auto run = run_options_for_reading(directory_);
    if (data_.empty() && !run && std::filesystem::is_directory(directory_)) {
      usage_error("--data is missing: {} is not the folder of a run, which would name its data",
                  directory_);
    }
    check_model_folder(directory_);
    if (!dtype_) dtype_ = run ? run->options.dtype : TrainOptions().dtype;
    const auto llama = load_model(directory_, precision_of(*dtype_));
    check_finite_weights(*llama, directory_);
    const auto policy = cache_.policy(*session.flags);
    check_cache_policy(llama->config, policy);
    warn_of_model(llama->config);
    note_missing_checksums(session.console, directory_);
    const auto most = llama->config.max_position_embeddings;
    if (!block_size_)
      block_size_ = run ? run->options.block_size : std::min<std::int64_t>(256, most);
    if (*block_size_ > most) {
      usage_error("--block-size {}: must be at most max_position_embeddings={} of the config",
                  *block_size_, most);
    }
    const auto source = open(*llama, run, session.seed);
    if (run && !data_.empty()) check_language(run->options.tokenizer, *source);
    if (!data_.empty() && !session.flags->given("add-bos") && source->scored_bytes()) {
      for (const auto& note : tokenizer_notes(source->tokenizer(), {}, TextKind::data))
        session.console.note(note);
    }
    const auto storage = run ? run->options.attention_storage : TrainOptions().attention_storage;
    warn_of_kept_weights(llama->config, storage);
    const auto batch_size = run ? run->options.batch_size : TrainOptions().batch_size;
    auto plan = whole_evaluation(*source, batch_size, *block_size_);
    plan.cache_policy = policy;
    plan.documents_apart = documents_apart_ || (run && run->options.no_cross_document_attention);
    if (documents_apart_) DocumentSeparation(*llama).check(*source);
    const auto evaluation =
        evaluate(*llama, *source, plan,
                 forward_options(storage, *llama, batch_size, *block_size_, Gradients::none));
    if (!std::isfinite(evaluation.loss)) {
      throw NonFiniteError(fmt::format("{}: the loss is not finite; {}", directory_,
                                       first_non_finite(*llama, *source, plan)));
    }
    report(session, *source, evaluation);
    session.note_device();
    return ExitCode::good;
  }

 private:
  std::shared_ptr<const TokenSource> open(const Llama& llama, const std::optional<RunOptions>& run,
                                          std::uint64_t seed) {
    DataOptions wanted{.data = data_,
                       .tokenizer = tokenizer_,
                       .model_tokenizer = tokenizer_file_of(directory_, run),
                       .model_without_tokenizer = folder_without_tokenizer(directory_, run),
                       .seed = seed,
                       .block_size = *block_size_};
    data_flags_.set(wanted);
    if (data_.empty()) {
      wanted.data = run->options.data;
      wanted.validation_data = run->options.validation_data;
      data_flags_.take_those_of_run(wanted, run->options.data_flags);
      wanted.seed = run->seed;
      const auto chosen = data_of(llama.config, {});
      wanted.document_ends = chosen.document_ends;
      if (!split_) split_ = split_of(chosen.validation_split);
    } else if (!split_) {
      split_ = Split::all;
    }
    wanted.vocabulary_size = llama.config.vocab_size;
    return open_evaluation(wanted, *split_);
  }

  // Ids of the stories' words mean something else to a model of bytes. (Numbers may be anything: a
  // .bin of bytes, too.)
  void check_language(const std::string& trained_on, const TokenSource& source) const {
    constexpr std::string_view stories = "stories", numbers = "numbers";
    const auto used = source.tokenizer().name();
    if (used == trained_on || used == numbers || trained_on == numbers) return;
    if (used != stories && trained_on != stories) return;
    fail("eval", "{} uses the tokenizer {}, {} was trained with {}: a loss would mean nothing",
         data_, used, directory_, trained_on);
  }

  void report(const Session& session, const TokenSource& source,
              const Evaluation& evaluation) const {
    nlohmann::ordered_json object{{"loss", evaluation.loss},
                                  {"perplexity", std::exp(evaluation.loss)},
                                  {"accuracy", evaluation.accuracy}};
    auto text = fmt::format("loss {:.6f} nats per token, perplexity {:.4f}, accuracy {:.4f}",
                            evaluation.loss, std::exp(evaluation.loss), evaluation.accuracy);
    if (const auto bytes = source.scored_bytes()) {
      const double nats = evaluation.loss * static_cast<double>(evaluation.tokens);
      const double bits = nats / std::numbers::ln2 / static_cast<double>(*bytes);
      object["bits_per_byte"] = bits;
      text += fmt::format(", {:.4f} bits per byte", bits);
    }
    object["tokens"] = evaluation.tokens;
    text += fmt::format(", over {} tokens", evaluation.tokens);
    if (evaluation.floor) {
      object["floor"] = *evaluation.floor;
      object["floor_error"] = *evaluation.floor_error;
      text += fmt::format("; floor {:.6f}, standard error of the difference {:.6f}",
                          *evaluation.floor, *evaluation.floor_error);
    }
    session.console.result(text, object);
  }

  std::string directory_, data_, tokenizer_;
  std::optional<Split> split_;
  std::optional<DType> dtype_;
  std::optional<std::int64_t> block_size_;
  bool documents_apart_ = false;
  CachePolicyFlags cache_;
  DataFlags data_flags_;
};

const AddCommand<Eval> registered{"eval", "measures a model's loss on data"};

}  // namespace
}  // namespace lookback
