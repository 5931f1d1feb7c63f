#include "apps/train/training_run.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/cli/error_message.h"
#include "apps/data/tokenizer_file.h"
#include "apps/inspect/write_look.h"
#include "apps/model/model_folder.h"
#include "apps/model/record_choice.h"
#include "apps/train/non_finite.h"
#include "apps/train/run_entries.h"
#include "apps/train/run_record.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/numbers.h"
#include "kernels/cpu/isa.h"
#include "nn/llama/config_file.h"
#include "nn/schedule.h"
#include "runtime/device_runtime.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

// Of a look while training: more can hardly be read on a page.
constexpr std::int64_t most_inspected_tokens = 64;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double rate(std::int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

Schedule schedule_of(const TrainOptions& options) {
  return {.kind = parse_schedule_kind(options.lr_scheduler_type),
          .peak = options.learning_rate,
          .warmup_steps = *options.warmup_steps,
          .total_steps = *options.max_steps,
          .minimum_ratio = options.min_learning_rate_ratio};
}

ForwardOptions forward_options(const TrainOptions& options, const Llama& llama) {
  return training_pass(
      options.record, llama, options.batch_size, options.block_size,
      options.gradient_checkpointing ? Activations::recomputed : Activations::kept);
}

// The numbers that learned weights and scales come to, by name.
Json learned_numbers(const Llama& llama) {
  const NoGrad no_grad;
  auto learned = Json::object();
  for (const auto& named : llama.effects()) {
    learned[named.first] = numbers_of(named.second);
  }
  return learned;
}

void replace_file(const std::filesystem::path& path, std::string_view text) {
  ReplacingFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace

TrainingRun::TrainingRun(const Llama& model, const TokenData& token_data,
                         const TrainOptions& train_options, OutputFolder& output_folder,
                         const Session& program_session)
    : llama(model),
      data(token_data),
      options(train_options),
      total_steps(*train_options.max_steps),
      forward(forward_options(train_options, model)),
      output(output_folder),
      session(program_session),
      run_data(token_data, train_options),
      optimizer(optimised_parameters(model), {.beta1 = options.adam_beta1,
                                              .beta2 = options.adam_beta2,
                                              .epsilon = options.adam_epsilon,
                                              .weight_decay = options.weight_decay}),
      step(model, optimizer, forward, options.max_grad_norm,
           options.no_cuda_graphs ? Repetition::queued : Repetition::recorded),
      progress(session.console, total_steps) {
  state.seed = session.seed;
}

std::vector<std::string> TrainingRun::go_on_with(const ResumedRun& run) {
  const Check check{"resume"};
  const auto& before = run.state;
  if (before.step > total_steps) {
    usage_error("--max-steps {}: the run has done {} already ({}): must be at least that",
                total_steps, before.step, run.checkpoint.path.string());
  }
  check(before.seed == state.seed, "{} was trained with seed {}, its run with {}: must be the same",
        run.checkpoint.path.string(), before.seed, state.seed);
  run_data.go_on_with(before, run.checkpoint.path.string());
  earlier = read_log(output.path(), before.step, before.step - before.unlogged.steps);
  summary.loss = earlier.loss;
  summary.evaluation = earlier.evaluation;
  state = before;
  first_step = state.step;
  resumed = &run;
  if (!before.ties || earlier.known_by == before.ties->metrics) return {};
  const auto lines = before.ties->metrics.count;
  return {fmt::format(
      "{}: of the {} lines that the run had written by step {}, {}; the run goes on behind those "
      "that are there",
      (output.path() / "metrics.jsonl").string(), lines, before.step,
      earlier.known_by.count == lines ? "some are not as they were"
                                      : fmt::format("{} are there", earlier.known_by.count))};
}

void TrainingRun::begin_resumed_folder() {
  save_model(llama, output.work().parent());
  record_new_files(output.path(), tokenizer_entries());
  const auto notes = resume_notes(*resumed, options.output_dir);
  replace_file(output.path() / "options.toml", sealed_options(notes + session.flags->to_toml()));
  write_metrics(output.path(), earlier);
}

void TrainingRun::begin_folder() {
  run_data.begin();
  const auto recorded = sealed_options(session.flags->to_toml());
  output.begin([&](const std::filesystem::path& folder) {
    save_model(llama, folder);
    replace_file(folder / "options.toml", recorded);
    write_metrics(folder, earlier);
    if (const std::string words(data.training->tokenizer().name()); is_tokenizer_file(words)) {
      write_tokenizer(words, folder);
      record_new_files(folder, tokenizer_entries());
    }
  });
}

bool TrainingRun::at_multiple_of(std::int64_t interval) const {
  return state.step % interval == 0 || state.step == total_steps;
}

double TrainingRun::tokens_per_second() const { return rate(state.tokens, state.seconds); }

TrainingSummary TrainingRun::run() {
  try {
    // One that was killed at its very end did not come to it.
    if (resumed != nullptr && state.step == total_steps) {
      remove_oldest_checkpoints(output.work(), state.step, options.save_total_limit);
    }
    train();
  } catch (const NonFiniteError&) {
    throw;
  } catch (const std::exception& error) {
    // Whatever happened, a full disk or a GPU that is gone: what is saved is saved.
    if (!log) throw;
    throw Error(with_way_on(message_of(error)));
  }
  summary.steps = state.step;
  summary.tokens_per_second = tokens_per_second();
  return summary;
}

// What ended the run, and how to go on. The look for a checkpoint may fail from the same cause,
// which is the one to tell.
std::string TrainingRun::with_way_on(const std::string& problem) const {
  const auto command = resume_command(options.output_dir);
  std::error_code ignored;
  const auto folder = std::filesystem::status(output.path(), ignored);
  if (folder.type() == std::filesystem::file_type::not_found) return problem;  // removed, renamed
  try {
    const auto newest = newest_checkpoint(output.path());
    if (!newest) return problem;
    return fmt::format("{}; `{}` goes on from {}", problem, command,
                       newest->path.filename().string());
  } catch (const std::exception&) {
    return fmt::format("{}; `{}` goes on from the newest checkpoint, if there is one", problem,
                       command);
  }
}

void TrainingRun::train() {
  CheckpointWatch checkpoint_wish;
  while (state.step < total_steps) {
    take_step();
    const bool interrupted = interrupt->requested() && state.step < total_steps;
    const bool asked_for_checkpoint = checkpoint_wish.take();
    const bool saves = at_multiple_of(*options.save_steps) || interrupted || asked_for_checkpoint;
    const bool inspects = options.inspect_every && state.step % *options.inspect_every == 0;
    if (at_multiple_of(options.logging_steps) || at_multiple_of(*options.eval_steps) || saves ||
        inspects) {
      read_steps();
    }
    const bool logs = at_multiple_of(options.logging_steps);
    if (logs || interrupted) {
      log_step(logs ? RunLog::Line::standing : RunLog::Line::of_interrupt);
    }
    // The line of an interrupt is one that a whole run does not have: who goes on counts anew.
    if (logs) window = {};
    if (at_multiple_of(*options.eval_steps)) evaluate_model();
    // Before the checkpoint: a run that is killed in between then makes this look once more, and
    // not never.
    if (inspects) inspect_model();
    if (saves) save_state();
    if (asked_for_checkpoint) {
      progress.line(fmt::format("checkpoint-{} is written, as a signal asked for", state.step));
    }
    if (interrupted) {
      save_model(llama, output.work().parent());
      summary.ended_by = interrupt->signal();
      break;
    }
  }
}

void TrainingRun::take_step() {
  const auto start = Clock::now();
  std::vector<TokenBatch> batches;
  for (std::int64_t i = 0; i < options.gradient_accumulation_steps; ++i) {
    batches.push_back(
        data.training->training_batch(state.step, i, options.batch_size, options.block_size));
  }
  learning_rate = learning_rate_at(llama, schedule_of(options), state.step);
  // The first step is waited for, so that what cannot even start leaves nothing behind.
  const auto begin = [&](const StepResults& results) {
    unread.push_back({results, batches, state.step});
    read_steps();
    interrupt.emplace();
    resumed == nullptr ? begin_folder() : begin_resumed_folder();
    log.emplace(output.path(), earlier);
  };
  if (state.step == first_step) {
    state.tokens += step.take(batches, learning_rate, begin).tokens;
  } else {
    const auto results = take_recorded_step(batches);
    state.tokens += results.tokens;
    unread.push_back({results, std::move(batches), state.step});
    if (is_host_memory(session.device.backend)) read_steps();
  }
  ++state.step;
  const double seconds = seconds_since(start);
  state.seconds += seconds;
  window.seconds += seconds;
  const double left = state.seconds / static_cast<double>(state.step) *
                      static_cast<double>(total_steps - state.step);
  progress.show(state.step,
                fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s", state.step, total_steps,
                            measures.loss, tokens_per_second()),
                left);
}

// Where a recording does not fit into the GPU's memory, that is said once.
StepResults TrainingRun::take_recorded_step(const std::vector<TokenBatch>& batches) {
  const bool said = !step.why_not_recorded().empty();
  auto results = step.take(batches, learning_rate);
  if (!said && !step.why_not_recorded().empty()) {
    progress.line(
        fmt::format("step {}: queued kernel by kernel from here on, as with "
                    "--no-cuda-graphs: no room for a recording: {}",
                    state.step + 1, step.why_not_recorded()));
  }
  return results;
}

void TrainingRun::read_steps() {
  const auto start = Clock::now();
  for (const auto& each : unread) {
    measures = each.results.read();
    if (!measures.finite()) stop(each);
    window.loss += measures.loss;
    ++window.steps;
    window.tokens += measures.tokens;
    window.targets += measures.targets;
    window.correct += measures.correct;
  }
  unread.clear();
  if (is_host_memory(session.device.backend)) return;  // where it is part of the step
  const double waited = seconds_since(start);
  state.seconds += waited;
  window.seconds += waited;
}

void TrainingRun::stop(const UnreadStep& last) const {
  const bool loss_is_finite = std::isfinite(measures.loss);
  const auto where = first_non_finite(llama, last.batches);
  auto kept = fmt::format("{} keeps the last model that was evaluated", options.output_dir);
  if (last.step == first_step) {
    kept = resumed == nullptr ? "nothing was written" : "nothing was changed";
  } else if (loss_is_finite) {
    save_model(llama, output.work().parent());
    kept = fmt::format("{} keeps the model before this step", options.output_dir);
  }
  throw NonFiniteError(fmt::format("step {}: the {} is not finite; {}; {}", last.step + 1,
                                   loss_is_finite ? "gradient norm" : "loss", where, kept));
}

void TrainingRun::log_step(RunLog::Line kind) {
  const double loss = window.loss / static_cast<double>(window.steps);
  log->append({{"step", state.step},
               {"loss", loss},
               {"accuracy", rate(window.correct, static_cast<double>(window.targets))},
               {"grad_norm", measures.grad_norm},
               {"learning_rate", learning_rate},
               {"tokens", state.tokens},
               {"tokens_per_second", rate(window.tokens, window.seconds)},
               {"seconds", state.seconds}},
              kind);
  progress.plain_line(fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s", state.step,
                                  total_steps, loss, rate(window.tokens, window.seconds)));
  summary.loss = loss;
}

void TrainingRun::evaluate_model() {
  auto plan = whole_evaluation(*data.validation, options.batch_size, options.block_size);
  if (state.step < total_steps) plan.batches = options.eval_batches;
  const auto evaluation = evaluate(llama, *data.validation, plan, forward);
  if (!std::isfinite(evaluation.loss)) {
    throw NonFiniteError(fmt::format(
        "step {}: the validation loss is not finite; {}; {} keeps the last model whose loss was",
        state.step, first_non_finite(llama, *data.validation, plan), options.output_dir));
  }
  Json line{{"step", state.step},
            {"validation_loss", evaluation.loss},
            {"validation_accuracy", evaluation.accuracy}};
  auto text =
      fmt::format("step {}/{}  validation loss {:.4f}", state.step, total_steps, evaluation.loss);
  if (evaluation.floor) {
    line["floor"] = *evaluation.floor;
    line["floor_error"] = *evaluation.floor_error;
    text += fmt::format(", floor {:.4f}", *evaluation.floor);
  }
  if (auto learned = learned_numbers(llama); !learned.empty()) line["learned"] = learned;
  log->append(line);
  progress.line(text);
  save_model(llama, output.work().parent());
  summary.evaluation = evaluation;
}

void TrainingRun::inspect_model() {
  const auto columns = std::min(options.block_size, most_inspected_tokens);
  const auto batch = data.validation->evaluation_batch(0, 1, columns);
  OptimizerView view{.steps_taken = optimizer.steps_taken(),
                     .options = adamw_options(options),
                     .learning_rate = learning_rate,
                     .origin = fmt::format("the optimiser after step {}", state.step)};
  for (const auto& [name, first, second] : optimizer.states()) view.moments[name] = {first, second};
  const auto inspection = inspect(llama, batch.inputs, forward, view);
  const auto looks = output.work().parent() / "inspect";
  write_look(looks / fmt::format("step-{}", state.step), inspection,
             {.name = fmt::format("{} after step {}", options.output_dir, state.step),
              .llama = llama,
              .history = read_run_history(output.path()),
              .optimizer = view},
             data.validation->tokenizer());
  sync_folder(looks);
  sync_folder(output.path());
}

void TrainingRun::save_state() {
  for (const auto& line : run_data.look()) print_warning(line);
  state.instruction_set = kernels::isa_description();
  state.ties = {.settings = settings_of(*session.flags),
                .config = to_json(llama.config, llama.precision.storage),
                .metrics = log->lines()};
  run_data.describe(state);
  // No checkpoint without the lines before it.
  log->sync();
  save_checkpoint(output.work(), llama, optimizer, state, options.save_total_limit);
}

}  // namespace lookback
