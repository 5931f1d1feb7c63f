// lookback train
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/data/open.h"
#include "apps/data/tokenizer_file.h"
#include "apps/diagnosis/faults/fault.h"
#include "apps/model/fault_warning.h"
#include "apps/model/model_choice.h"
#include "apps/model/model_folder.h"
#include "apps/train/data_apart.h"
#include "apps/train/peak_memory.h"
#include "apps/train/training_run.h"
#include "nn/initialize.h"
#include "nn/llama/variant_of_weights.h"
#include "runtime/device_runtime.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

// As a path is found from any folder.
void make_absolute(std::string& path) {
  if (!path.empty()) path = fs::absolute(path).lexically_normal().string();
}

void make_data_absolute(std::string& spec) {
  if (!is_built_in_data(spec)) make_absolute(spec);
}

class Train final : public Command {
 public:
  void declare(Flags& flags) override { options.declare(flags); }

  void complete(Flags& flags) override {
    if (options.output_dir.empty()) usage_error("--output-dir is empty: it must name a folder");
    make_paths_absolute();
    if (options.verify_data && !options.resume) {
      usage_error("--verify-data compares the data with those of a run: it goes with --resume");
    }
    if (!options.resume) return;
    if (options.overwrite) {
      usage_error(
          "--resume goes on with the run in --output-dir, --overwrite replaces it: only one "
          "of them");
    }
    output.emplace(options.output_dir, ExistingRun::resumed);  // before anything there is read
    resumed = settings_of_run(flags, options);
    resumed->checkpoint = find_checkpoint(options);
    from_checkpoint([&] { resumed->state = load_trainer_state(resumed->checkpoint); });
    check_ties(*resumed, flags);
    // Before anything else can be wrong with what the file says.
    std::ranges::for_each(resumed->warnings, print_warning);
  }

  ExitCode run(const Session& session) override {
    check_flags(*session.flags);
    if (!output) {
      output.emplace(options.output_dir,
                     options.overwrite ? ExistingRun::replaced : ExistingRun::refused);
    }
    auto choice = resumed ? model_of_run(session) : chosen_model();
    const auto data = open(session, choice);
    resolve_steps(options, data.training->tokens());
    if (resumed) note_resolved_steps(*resumed, *session.flags);
    const Llama llama(choice.config, precision_of(options.dtype));
    warn_of_fault(choice.config);
    if (!resumed && !options.init_from.empty()) {
      note_missing_checksums(session.console, options.init_from);
    }
    if (resumed) {
      from_checkpoint([&] { load_weights(llama, resumed->checkpoint.path); });
    } else if (options.init_from.empty()) {
      initialize(llama.parameters(), choice.config.initializer_range, session.seed);
    } else {
      load_weights(llama, options.init_from);
    }
    TrainingRun training(llama, data, options, *output, session);
    if (resumed) resume(training, session);
    session.note_device();
    const auto summary = training.run();
    report(session, llama, summary);
    return summary.ended_by == 0 ? ExitCode::good : ended_by(summary.ended_by);
  }

 private:
  ModelChoice chosen_model() const {
    auto choice = choose_model(options.config, options.preset, options.fault);
    if (!options.init_from.empty()) {
      check_model_folder(options.init_from);
      choice.config = config_for_weights(choice.config, weight_names(options.init_from));
    }
    return choice;
  }

  // The checkpoint's own config.json: what --config names may have changed, or be gone.
  ModelChoice model_of_run(const Session& session) {
    LlamaConfig config;
    from_checkpoint([&] { config = load_config(resumed->checkpoint, resumed->state); });
    if (session.flags->given("config")) {
      auto given = chosen_model();
      if (given.vocabulary == ModelChoice::Vocabulary::of_data) {
        given.config.vocab_size = config.vocab_size;
      }
      if (const auto difference = difference_of_configs(given.config, config);
          !difference.empty()) {
        usage_error("--config {}: {}; a resumed run keeps its model", options.config, difference);
      }
    }
    return {config, ModelChoice::Vocabulary::given};
  }

  // A file of the checkpoint that is damaged need not be the end of the run.
  void from_checkpoint(const std::function<void()>& load) const {
    try {
      load();
    } catch (const Error& error) {
      throw Error(
          fmt::format("{}; nothing was changed: without {} --resume goes on from the one before it",
                      error.what(), resumed->checkpoint.path.filename().string()));
    }
  }

  void resume(TrainingRun& training, const Session& session) {
    from_checkpoint([&] { load_optimizer(resumed->checkpoint, training.adamw()); });
    const auto found = training.resume(*resumed);
    if (const auto device = to_string(session.device); device != resumed->device) {
      resumed->changes.push_back({"device", device, resumed->device});
    }
    auto warnings = resume_warnings(*resumed, session.device);
    warnings.insert(warnings.end(), found.begin(), found.end());
    for (const auto& warning : warnings) {
      print_warning(warning);
    }
    if (options.verify_data) session.console.note("the data are those that the run was trained on");
    const auto step = resumed->state.step, steps = *options.max_steps;
    session.console.note(
        step < steps ? fmt::format("going on from {}: {} of {} steps are done",
                                   resumed->checkpoint.path.string(), step, steps)
                     : fmt::format("{} is the last of {} steps: nothing is left to do; a larger "
                                   "--max-steps trains on",
                                   resumed->checkpoint.path.string(), steps));
  }

  void make_paths_absolute() {
    if (!is_built_in_config(options.config)) make_absolute(options.config);
    make_absolute(options.init_from);
    make_absolute(options.output_dir);
    if (is_tokenizer_file(options.tokenizer)) make_absolute(options.tokenizer);
    make_data_absolute(options.data);
    make_data_absolute(options.validation_data);
  }

  void check_flags(const Flags& flags) {
    if (options.data.empty()) usage_error("--data is missing: a text file, or builtin:stories");
    if (options.config.empty()) options.config = options.init_from;
    if (options.config.empty())
      usage_error("--config is missing: smoke, tiny, 124m or a config.json");
    check_batch(options.batch_size, options.block_size);
    check_data_apart("--data", options.data, options.output_dir);
    check_data_apart("--validation-data", options.validation_data, options.output_dir);
    static_cast<void>(flags.to_toml());  // what cannot be recorded is refused now
  }

  // Opens the data, and settles with them the vocabulary, the tokenizer and the block size.
  TokenData open(const Session& session, ModelChoice& choice) {
    const auto chosen = data_of(choice.config, {options.data, options.validation_data});
    options.data = chosen.training;
    options.validation_data = chosen.validation;
    DataOptions wanted{
        .data = options.data,
        .validation_data = options.validation_data,
        .tokenizer = resumed ? resumed->tokenizer : options.tokenizer,
        .model_tokenizer = options.init_from.empty() ? "" : tokenizer_in(options.init_from),
        .seed = session.seed,
        .block_size = options.block_size,
        .document_ends = chosen.document_ends};
    auto& config = choice.config;
    if (options.block_size > config.max_position_embeddings) {
      usage_error("--block-size {}: must be at most max_position_embeddings={} of the config",
                  options.block_size, config.max_position_embeddings);
    }
    if (choice.vocabulary == ModelChoice::Vocabulary::given)
      wanted.vocabulary_size = config.vocab_size;
    auto data = open_data(wanted);
    if (const auto split = split_of(chosen.validation_split); split != Split::validation) {
      data.validation = open_evaluation(wanted, split);
    }
    const auto& tokenizer = data.training->tokenizer();
    if (choice.vocabulary == ModelChoice::Vocabulary::of_data)
      config.vocab_size = tokenizer.vocabulary_size();
    if (!resumed) options.tokenizer = tokenizer.name();
    return data;
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
                                  {"output_dir", options.output_dir}};
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
    session.console.summary(text + "; the model is in " + options.output_dir, object);
    if (summary.ended_by == 0) return;
    print_error(
        fmt::format("{} after step {} of {}: the model and checkpoint-{} are in {}; "
                    "`{}` goes on\n",
                    word_for(summary.ended_by), summary.steps, *options.max_steps, summary.steps,
                    options.output_dir, resume_command(options.output_dir)));
  }

  static std::string_view word_for(int signal) {
    if (signal == SIGHUP) return "hung up";
    return signal == SIGTERM ? "terminated" : "interrupted";
  }

  TrainOptions options;
  std::optional<OutputFolder> output;
  std::optional<ResumedRun> resumed;
};

const AddCommand<Train> registered{"train", "trains a model and writes it to a folder"};

}  // namespace
}  // namespace lookback
