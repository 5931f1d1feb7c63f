// lookback train
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/cli/size_text.h"
#include "apps/data/data_mixture.h"
#include "apps/data/only_token.h"
#include "apps/data/open.h"
#include "apps/data/tokenizer_file.h"
#include "apps/diagnosis/faults/fault.h"
#include "apps/model/attention_storage.h"
#include "apps/model/model_choice.h"
#include "apps/model/model_folder.h"
#include "apps/model/model_warnings.h"
#include "apps/sweep/sweep_run.h"
#include "apps/train/absolute_paths.h"
#include "apps/train/data_apart.h"
#include "apps/train/document_separation.h"
#include "apps/train/free_space.h"
#include "apps/train/peak_memory.h"
#include "apps/train/ranks.h"
#include "apps/train/run_options.h"
#include "apps/train/run_plan.h"
#include "apps/train/script_flags.h"
#include "apps/train/step_profile.h"
#include "apps/train/training_run.h"
#include "kernels/cpu/isa.h"
#include "nn/initialize.h"
#include "nn/llama/config_file.h"
#include "nn/llama/variant_of_weights.h"
#include "runtime/checksum.h"
#include "runtime/device_runtime.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

class Train final : public Command {
 public:
  void declare(Flags& flags) override { options_.declare(flags); }

  std::vector<std::string> translated(std::span<const std::string> arguments) override {
    auto script = read_script_flags(with_whole_mixtures(arguments));
    notes_ = std::move(script.notes);
    return std::move(script.arguments);
  }

  bool takes_several_ranks() const override { return true; }

  void complete(Flags& flags, Communicator& ranks) override {
    ranks.set_timeout(std::chrono::seconds(options_.collective_timeout));
    if (ranks.size() > 1) check_ranks(ranks);
    if (options_.output_dir.empty()) usage_error("--output-dir is empty: it must name a folder");
    make_paths_absolute(options_);
    if (options_.sweep.empty() && options_.sweep_jobs)
      usage_error("--sweep-jobs goes with --sweep: one run is trained at a time");
    if (options_.verify_data && !options_.resume) {
      usage_error("--verify-data compares the data with those of a run: it goes with --resume");
    }
    if (options_.resume && options_.overwrite) {
      usage_error(
          "--resume goes on with the run in --output-dir, --overwrite replaces it: only one "
          "of them");
    }
    if (!options_.sweep.empty()) {
      sweep_ = sweep_of(flags);
      return;
    }
    if (options_.resume) {
      is_first(ranks) ? read_resumed_run(flags) : static_cast<void>(resumed_.emplace());
      take_resumed_run(ranks, flags, *resumed_);
    } else if (!options_.gradient_lanes && ranks.size() > 1) {
      options_.gradient_lanes = ranks.size();
    }
    if (options_.gradient_lanes == 1) options_.gradient_lanes.reset();
    check_rank_count(ranks, options_.gradient_lanes.value_or(1));
  }

  ExitCode run(const Session& session) override {
    if (sweep_) return run_sweep(*sweep_, session);
    check_flags(*session.flags);
    auto& ranks = *session.ranks;
    if (!output_ && is_first(ranks)) {
      output_.emplace(options_.output_dir,
                      options_.overwrite ? ExistingRun::replaced : ExistingRun::refused);
    }
    auto choice = resumed_ ? model_of_run(session) : chosen_model();
    const auto data = open(session, choice);
    resolve_steps(options_, data.training->tokens());
    if (resumed_) note_resolved_steps(*resumed_, *session.flags);
    if (ranks.size() > 1) check_common(ranks, common_values(session, choice.config, data));
    check_least_memory(choice.config, options_);
    const Llama llama(choice.config, precision_of(options_.dtype));
    const auto intent = what_is_to_be_done(llama, data, options_, ranks.size());
    if (options_.no_cross_document_attention) check_documents(llama, data);
    warn_of_disk(llama);
    warn_of_model(choice.config);
    warn_of_kept_weights(choice.config, options_.attention_storage);
    if (!resumed_ && !options_.init_from.empty()) {
      note_missing_checksums(session.console, options_.init_from);
    }
    if (is_first(ranks)) set_weights(llama, session.seed);
    TrainingRun training(llama, data, options_, output_ ? &*output_ : nullptr, session);
    if (resumed_) resume(training, session);
    for (const auto& note : notes_) session.console.note(note);
    if (!resumed_ && !session.flags->given("add-bos") && data.training->scored_bytes()) {
      for (const auto& note : tokenizer_notes(data.training->tokenizer(), {}, TextKind::data))
        session.console.note(note);
    }
    session.console.note(intent);
    session.note_device();
    const auto start = std::chrono::steady_clock::now();
    const auto summary = training.run();
    note_waiting(session.console, summary.checkpoint_seconds,
                 std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    report(session, llama, summary);
    return summary.ended_by == 0 ? ExitCode::good : ended_by(summary.ended_by);
  }

 private:
  void check_ranks(const Communicator& ranks) const {
    const auto refuse = [&](const char* flag, const char* why) {
      usage_error("{}: {}, and this is one of {} ranks: start it without mpirun", flag, why,
                  ranks.size());
    };
    if (!options_.sweep.empty()) refuse("--sweep", "starts runs of one process each");
    if (!options_.fault.empty()) refuse("--fault", "a known mistake is one process's");
  }

  void read_resumed_run(Flags& flags) {
    output_.emplace(options_.output_dir, ExistingRun::resumed);  // before anything there is read
    resumed_ = settings_of_run(flags, options_);
    resumed_->checkpoint = find_checkpoint(options_);
    from_checkpoint([&] { resumed_->state = load_trainer_state(resumed_->checkpoint); });
    check_ties(*resumed_, flags);
    // Before anything else can be wrong with what the file says.
    std::ranges::for_each(resumed_->warnings, print_warning);
  }

  static std::string checksum_of_program() {
    return "of checksum " + to_string(checksum_of(read_file("/proc/self/exe", "ranks")));
  }

  // What a step of all ranks depends on, and each has found for itself.
  CommonValues common_values(const Session& session, const LlamaConfig& config,
                             const TokenData& data) const {
    CommonValues values{
        {"the program", checksum_of_program()},
        {"the instruction set (LOOKBACK_ISA sets it)", kernels::isa_description()},
        {"the kind of device", session.device.backend == Backend::cuda ? "GPU" : "CPU"}};
    for (const auto& [key, value] : settings_of(*session.flags))
      values.emplace_back("--" + flag_of(key), value);
    for (const auto& value : config_values(config)) values.push_back(value);
    const auto first = resumed_ ? resumed_->state.step : 0;
    for (const auto& value : data_values(data, options_, first)) values.push_back(value);
    return values;
  }

  void set_weights(const Llama& llama, std::uint64_t seed) const {
    if (resumed_) {
      from_checkpoint([&] { load_weights(llama, resumed_->checkpoint.path); });
    } else if (options_.init_from.empty()) {
      initialize(llama.parameters(), llama.config.initializer_range, seed);
    } else {
      load_weights(llama, options_.init_from);
    }
  }

  Sweep sweep_of(const Flags& flags) const {
    Sweep sweep{.file = options_.sweep,
                .output_dir = options_.output_dir,
                .points = read_sweep_points(options_.sweep, flags),
                .jobs = options_.sweep_jobs.value_or(1)};
    if (options_.resume) sweep.existing = ExistingRun::resumed;
    if (options_.overwrite) sweep.existing = ExistingRun::replaced;
    if (options_.verify_data) sweep.resume_arguments.emplace_back("--verify-data");
    return sweep;
  }

  ModelChoice chosen_model() const {
    auto choice = choose_model(options_.config, options_.presets, options_.fault);
    if (!options_.init_from.empty()) {
      check_model_folder(options_.init_from);
      choice.config = config_for_weights(choice.config, weight_names(options_.init_from));
    }
    return choice;
  }

  // The checkpoint's own config.json: what --config names may have changed, or be gone.
  ModelChoice model_of_run(const Session& session) {
    LlamaConfig config;
    const auto text = text_of_first(*session.ranks, [&] {
      from_checkpoint([&] { config = load_config(resumed_->checkpoint, resumed_->state); });
      return to_json(config);
    });
    if (!is_first(*session.ranks)) config = parse_llama_config(text, "the config of rank 0");
    if (session.flags->given("config")) {
      auto given = chosen_model();
      if (given.vocabulary == ModelChoice::Vocabulary::of_data) {
        given.config.vocab_size = config.vocab_size;
      }
      if (const auto difference = difference_of_configs(given.config, config);
          !difference.empty()) {
        usage_error("--config {}: {}; a resumed run keeps its model", options_.config, difference);
      }
    }
    return {config, ModelChoice::Vocabulary::given};
  }

  // A file of the checkpoint that is damaged need not be the end of the run.
  void from_checkpoint(const std::function<void()>& load) const {
    try {
      load();
    } catch (const PeerLost&) {
      throw;
    } catch (const PeerEnded&) {
      throw;
    } catch (const Error& error) {
      throw Error(
          fmt::format("{}; nothing was changed: without {} --resume goes on from the one before it",
                      error.what(), resumed_->checkpoint.path.filename().string()));
    }
  }

  void resume(TrainingRun& training, const Session& session) {
    from_checkpoint([&] { training.load_moments(*resumed_); });
    const auto found = training.resume(*resumed_);
    if (const auto device = to_string(session.device); device != resumed_->device) {
      resumed_->changes.push_back({"device", device, resumed_->device});
    }
    auto warnings = resume_warnings(*resumed_, session.device);
    warnings.insert(warnings.end(), found.begin(), found.end());
    for (const auto& warning : warnings) {
      print_warning(warning);
    }
    if (options_.verify_data)
      session.console.note("the data are those that the run was trained on");
    const auto step = resumed_->state.step, steps = *options_.max_steps;
    session.console.note(
        step < steps ? fmt::format("going on from {}: {} of {} steps are done",
                                   resumed_->checkpoint.path.string(), step, steps)
                     : fmt::format("{} is the last of {} steps: nothing is left to do; a larger "
                                   "--max-steps trains on",
                                   resumed_->checkpoint.path.string(), steps));
  }

  void check_flags(const Flags& flags) {
    if (options_.data.empty()) usage_error("--data is missing: a text file, or builtin:stories");
    if (options_.config.empty()) options_.config = options_.init_from;
    if (options_.config.empty())
      usage_error("--config is missing: smoke, tiny, 124m or a config.json");
    check_batch(options_.batch_size, options_.block_size);
    static_cast<void>(lanes_of(options_));
    static_cast<void>(read_step_range(options_.profile_steps));
    check_order();
    check_data_apart("--data", options_.data, options_.output_dir);
    check_data_apart("--validation-data", options_.validation_data, options_.output_dir);
    static_cast<void>(flags.to_toml());  // what cannot be recorded is refused now
  }

  void check_order() const {
    if (options_.data_order == DataOrder::drawn) return;
    if (is_built_in_data(options_.data)) {
      usage_error("--data-order shuffled: {} has no end, so it has no epochs either",
                  options_.data);
    }
    if (!parts_of_mixture(options_.data).empty()) {
      usage_error("--data-order shuffled: goes with one source: rows of a mixture are drawn");
    }
  }

  static void check_documents(const Llama& llama, const TokenData& data) {
    const DocumentSeparation separation(llama);
    separation.check(*data.training);
    if (const auto none = separation.no_end_in(*data.training)) print_warning(*none);
  }

  // Throws where not even one checkpoint finds room.
  void warn_of_disk(const Llama& llama) const {
    const auto done = resumed_ ? resumed_->state.step : 0;
    const auto warning =
        check_free_space(llama, options_, std::max<std::int64_t>(0, *options_.max_steps - done),
                         options_.overwrite ? EarlierFiles::go : EarlierFiles::stay);
    if (!warning.empty()) print_warning(warning);
  }

  // Opens the data, and settles with them the vocabulary, the tokenizer and the block size.
  TokenData open(const Session& session, ModelChoice& choice) {
    const auto chosen = data_of(choice.config, {options_.data, options_.validation_data});
    options_.data = chosen.training;
    options_.validation_data = chosen.validation;
    DataOptions wanted{
        .data = options_.data,
        .validation_data = options_.validation_data,
        .tokenizer = resumed_ ? resumed_->tokenizer : options_.tokenizer,
        .model_tokenizer = options_.init_from.empty() ? "" : tokenizer_in(options_.init_from),
        .model_without_tokenizer = initial_folder_without_tokenizer(),
        .seed = session.seed,
        .block_size = options_.block_size,
        .order = {options_.data_order, options_.batch_size * options_.gradient_accumulation_steps},
        .document_ends = chosen.document_ends};
    options_.data_flags.set(wanted);
    auto& config = choice.config;
    if (options_.block_size > config.max_position_embeddings) {
      usage_error("--block-size {}: must be at most max_position_embeddings={} of the config",
                  options_.block_size, config.max_position_embeddings);
    }
    if (choice.vocabulary == ModelChoice::Vocabulary::given)
      wanted.vocabulary_size = config.vocab_size;
    const auto opened = open_data(wanted);
    TokenData data = opened;
    if (const auto split = split_of(chosen.validation_split); split != Split::validation) {
      data.validation = open_evaluation(wanted, split);
    }
    if (!resumed_) options_.data_flags.bin_dtype = opened.bin_dtype;
    data = read_by(config, data);
    if (const auto found = only_token(*data.training)) print_warning(*found);
    const auto& tokenizer = data.training->tokenizer();
    if (choice.vocabulary == ModelChoice::Vocabulary::of_data)
      config.vocab_size = tokenizer.vocabulary_size();
    if (!resumed_) options_.tokenizer = tokenizer.name();
    return data;
  }

  std::string initial_folder_without_tokenizer() const {
    const auto& folder = options_.init_from;
    if (resumed_ || folder.empty() || !tokenizer_in(folder).empty()) return {};
    return folder_without_tokenizer(folder, read_run_options(folder));
  }

  void report(const Session& session, const Llama& llama, const TrainingSummary& summary) const {
    std::int64_t count = 0;
    for (const auto& parameter : llama.parameters()) count += parameter.tensor.numel();
    nlohmann::ordered_json object{{"steps", summary.steps},
                                  {"loss", summary.loss},
                                  {"validation_loss", nullptr},
                                  {"validation_accuracy", nullptr},
                                  {"floor", nullptr},
                                  {"floor_error", nullptr},
                                  {"tokens_per_second", summary.tokens_per_second},
                                  {"parameters", count},
                                  {"peak_bytes", peak_resident_bytes()},
                                  {"output_dir", options_.output_dir}};
    auto text = fmt::format("{} steps, {} parameters, {:.0f} tokens/s: loss {:.4f}", summary.steps,
                            count, summary.tokens_per_second, summary.loss);
    if (const auto& evaluation = summary.evaluation) {
      object["validation_loss"] = evaluation->loss;
      object["validation_accuracy"] = evaluation->accuracy;
      text += fmt::format(", validation loss {:.4f}", evaluation->loss);
      if (evaluation->floor) {
        object["floor"] = *evaluation->floor;
        object["floor_error"] = *evaluation->floor_error;
        text += fmt::format(", floor {:.4f}", *evaluation->floor);
      }
    }
    auto what = std::string("the model");
    if (const auto& best = summary.best) {
      object["best_step"] = best->step;
      what = fmt::format("the model after step {}, the best,", best->step);
    }
    session.console.summary(fmt::format("{}; {} is in {}", text, what, options_.output_dir),
                            object);
    if (summary.ended_by == 0) return;
    print_error(
        fmt::format("{} after step {} of {}: the model and checkpoint-{} are in {}; "
                    "`{}` goes on\n",
                    word_for(summary.ended_by), summary.steps, *options_.max_steps, summary.steps,
                    options_.output_dir, resume_command(options_.output_dir)));
  }

  // Of a run that is long enough to tell something of others.
  static void note_waiting(const Console& console, double waited, double seconds) {
    constexpr double least_seconds = 10;
    if (seconds < least_seconds || waited == 0) return;
    console.note(fmt::format("waited {:.3f} s of {:.1f} s ({:.2f} %) for checkpoints", waited,
                             seconds, 100 * waited / seconds));
  }

  static std::string_view word_for(int signal) {
    if (signal == SIGHUP) return "hung up";
    return signal == SIGTERM ? "terminated" : "interrupted";
  }

  TrainOptions options_;
  std::optional<Sweep> sweep_;
  std::optional<OutputFolder> output_;
  std::optional<ResumedRun> resumed_;
  std::vector<std::string> notes_;  // of what a script said
};

const AddCommand<Train> registered{"train", "trains a model and writes it to a folder"};

}  // namespace
}  // namespace lookback
