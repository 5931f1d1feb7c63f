#include "apps/train/run_folder.h"

#include <algorithm>
#include <system_error>

#include "apps/data/tokenizer_file.h"
#include "apps/inspect/write_report.h"
#include "apps/model/model_folder.h"
#include "apps/train/read_run_history.h"
#include "apps/train/run_entries.h"
#include "apps/train/run_options.h"
#include "kernels/cpu/isa.h"
#include "nn/llama/config_file.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

// Of a report while training: more can hardly be read on a page.
constexpr std::int64_t max_inspected_tokens = 64;

void replace_file(const fs::path& path, std::string_view text) {
  ReplacingFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace

RunFolder::RunFolder(OutputFolder& output_folder, const Llama& model, const TokenData& token_data,
                     const TrainOptions& train_options, const Session& program_session)
    : output(output_folder),
      llama(model),
      data(token_data),
      options(train_options),
      session(program_session),
      run_data(token_data, train_options) {}

LoggedRun RunFolder::resume(const ResumedRun& run) {
  const auto& before = run.state;
  run_data.resume(before, run.checkpoint.path.string());
  resumed = &run;
  return read_log(output.path(), before.step, before.step - before.unlogged.steps);
}

void RunFolder::begin(const LoggedRun& earlier) {
  resumed == nullptr ? begin_new(earlier) : begin_resumed(earlier);
}

void RunFolder::begin_resumed(const LoggedRun& earlier) {
  save_model();
  record_new_files(output.path(), tokenizer_entries());
  const auto notes = resume_notes(*resumed, options.output_dir);
  replace_file(output.path() / "options.toml", sealed_options(notes + session.flags->to_toml()));
  write_metrics(output.path(), earlier);
}

void RunFolder::begin_new(const LoggedRun& earlier) {
  run_data.begin();
  const auto recorded = sealed_options(session.flags->to_toml());
  output.begin([&](const fs::path& folder) {
    lookback::save_model(llama, folder);
    replace_file(folder / "options.toml", recorded);
    write_metrics(folder, earlier);
    if (const std::string name(data.training->tokenizer().name()); is_tokenizer_file(name)) {
      write_tokenizer(name, folder);
      record_new_files(folder, tokenizer_entries());
    }
  });
}

void RunFolder::save_model() { lookback::save_model(llama, output.work().parent()); }

void RunFolder::save_checkpoint(const AdamW& optimizer, TrainerState& state, TrainingLog& log) {
  for (const auto& line : run_data.changes()) print_warning(line);
  state.instruction_set = kernels::isa_description();
  state.ties = {.settings = settings_of(*session.flags),
                .config = to_json(llama.config, llama.precision.storage),
                .metrics = log.lines()};
  run_data.describe(state);
  // No checkpoint without the lines before it.
  log.sync();
  lookback::save_checkpoint(output.work(), llama, optimizer, state, options.save_total_limit);
}

void RunFolder::remove_old_checkpoints(std::int64_t newest_step) {
  remove_oldest_checkpoints(output.work(), newest_step, options.save_total_limit);
}

void RunFolder::write_report(const ForwardOptions& forward, const OptimizerView& optimizer) {
  const auto columns = std::min(options.block_size, max_inspected_tokens);
  const auto batch = data.validation->evaluation_batch(0, 1, columns);
  const auto inspection = inspect(llama, batch.inputs, forward, optimizer);
  const auto reports = output.work().parent() / "inspect";
  const auto step = optimizer.steps_taken;
  lookback::write_report(reports / fmt::format("step-{}", step), inspection,
                         {.name = fmt::format("{} after step {}", options.output_dir, step),
                          .llama = llama,
                          .history = read_run_history(output.path()),
                          .optimizer = optimizer},
                         data.validation->tokenizer());
  sync_folder(reports);
  sync_folder(output.path());
}

// The look for a checkpoint may fail from the same cause, which is the one to tell.
std::string RunFolder::with_resume_command(const std::string& problem) const {
  const auto command = resume_command(options.output_dir);
  std::error_code ignored;
  const auto folder = fs::status(output.path(), ignored);
  if (folder.type() == fs::file_type::not_found) return problem;  // removed, renamed
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

}  // namespace lookback
