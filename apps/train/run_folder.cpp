#include "apps/train/run_folder.h"

#include <algorithm>
#include <system_error>

#include "apps/data/tokenizer_file.h"
#include "apps/inspect/write_report.h"
#include "apps/model/model_folder.h"
#include "apps/train/free_space.h"
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

RunFolder::RunFolder(OutputFolder* output, const Llama& model, const TokenData& data,
                     const TrainOptions& options, const Session& session)
    : output_(output),
      llama_(model),
      data_(data),
      options_(options),
      session_(session),
      run_data_(data, options) {}

LoggedRun RunFolder::resume(const ResumedRun& run) {
  const auto& before = run.state;
  run_data_.resume(before, run.checkpoint.path.string());
  resumed_ = &run;
  if (!is_here()) return {};
  return read_log(output_->path(), before.step, before.step - before.unlogged.steps);
}

void RunFolder::begin(const LoggedRun& earlier) {
  if (!is_here()) return;
  resumed_ == nullptr ? begin_new(earlier) : begin_resumed(earlier);
}

void RunFolder::begin_resumed(const LoggedRun& earlier) {
  save_model();
  record_new_files(output_->path(), tokenizer_entries());
  const auto notes = resume_notes(*resumed_, options_.output_dir);
  replace_file(output_->path() / "options.toml", sealed_options(notes + session_.flags->to_toml()));
  write_metrics(output_->path(), earlier);
}

void RunFolder::begin_new(const LoggedRun& earlier) {
  run_data_.begin();
  const auto recorded = sealed_options(session_.flags->to_toml());
  output_->begin([&](const fs::path& folder) {
    lookback::save_model(llama_, folder);
    replace_file(folder / "options.toml", recorded);
    write_metrics(folder, earlier);
    if (const std::string name(data_.training->tokenizer().name()); is_tokenizer_file(name)) {
      write_tokenizer(name, folder);
      record_new_files(folder, tokenizer_entries());
    }
  });
}

void RunFolder::save_model() {
  if (is_here()) lookback::save_model(llama_, output_->work().parent());
}

void RunFolder::begin_checkpoint(const std::vector<AdamW::State>& moments, std::int64_t updates,
                                 TrainerState& state, TrainingLog& log) {
  if (!is_here()) return;
  finish_checkpoint();
  for (const auto& line : run_data_.changes()) print_warning(line);
  check_room_for_checkpoint(llama_, output_->path(), state.step);
  state.instruction_set = kernels::isa_description();
  state.ties = {.settings = settings_of(*session_.flags),
                .config = to_json(llama_.config, llama_.precision.storage),
                .metrics = log.lines()};
  run_data_.describe(state);
  // No checkpoint without the lines before it.
  log.sync();
  const auto& work = output_->work();
  if (!saver_) saver_.emplace(work, options_.save_total_limit);
  saver_->save(contents_of(llama_, moments, updates, state));
}

void RunFolder::look_after_checkpoint() {
  if (saver_) saver_->look();
}

void RunFolder::finish_checkpoint() {
  if (saver_) saver_->wait();
}

void RunFolder::remove_old_checkpoints(const TrainerState& state) {
  if (!is_here()) return;
  remove_oldest_checkpoints(output_->work(), state.step, options_.save_total_limit,
                            kept_checkpoints(state));
}

FoundCheckpoint RunFolder::checkpoint(std::int64_t step) const {
  return {.path = is_here() ? path() / checkpoint_name(step) : fs::path(), .step = step};
}

void RunFolder::load_checkpoint_weights(std::int64_t step) {
  if (is_here()) load_weights(llama_, checkpoint(step).path);
}

void RunFolder::write_report(std::int64_t step, const ForwardOptions& forward,
                             const OptimizerView& optimizer) {
  if (!is_here()) return;
  const auto columns = std::min(options_.block_size, max_inspected_tokens);
  const auto batch = data_.validation->evaluation_batch(0, 1, columns);
  const auto inspection = inspect(llama_, batch.inputs, forward, optimizer);
  const auto reports = output_->work().parent() / "inspect";
  lookback::write_report(reports / fmt::format("step-{}", step), inspection,
                         {.name = fmt::format("{} after step {}", options_.output_dir, step),
                          .llama = llama_,
                          .history = read_run_history(output_->path()),
                          .optimizer = optimizer},
                         data_.validation->tokenizer());
  sync_folder(reports);
  sync_folder(output_->path());
}

// What is done here may fail from the same cause, which is the one to tell.
std::string RunFolder::with_resume_command(const std::string& problem) {
  if (!is_here()) return problem;
  try {
    finish_checkpoint();
  } catch (const std::exception&) {
  }
  const auto command = resume_command(options_.output_dir);
  std::error_code ignored;
  const auto folder = fs::status(output_->path(), ignored);
  if (folder.type() == fs::file_type::not_found) return problem;  // removed, renamed
  try {
    const auto newest = newest_checkpoint(output_->path());
    if (!newest) return problem;
    return fmt::format("{}; `{}` goes on from {}", problem, command,
                       newest->path.filename().string());
  } catch (const std::exception&) {
    return fmt::format("{}; `{}` goes on from the newest checkpoint, if there is one", problem,
                       command);
  }
}

}  // namespace lookback
