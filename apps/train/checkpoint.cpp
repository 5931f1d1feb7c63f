#include "apps/train/checkpoint.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/folder/folder_entries.h"
#include "apps/model/model_choice.h"
#include "apps/model/model_folder.h"
#include "apps/train/run_entries.h"
#include "nn/llama/config_file.h"
#include "nn/parameter_files.h"
#include "runtime/json.h"
#include "runtime/replacing_file.h"
#include "runtime/safetensors.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view first_prefix = "first_moment.", second_prefix = "second_moment.";
constexpr auto config_name = "config.json";
constexpr auto optimizer_name = "optimizer.safetensors", state_name = "trainer_state.json";
constexpr std::array<std::string_view, 4> files = {config_name, "model.safetensors", optimizer_name,
                                                   state_name};

using ByStep = std::vector<std::pair<std::int64_t, fs::path>>;

// In the order of their steps.
ByStep checkpoints_of(const fs::path& folder) {
  ByStep checkpoints;
  for (const auto& name : names_in(folder)) {
    if (const auto step = step_of_checkpoint(name); step && fs::is_directory(folder / name)) {
      checkpoints.emplace_back(*step, folder / name);
    }
  }
  std::ranges::sort(checkpoints);
  return checkpoints;
}

// Those that a process which is no more, or is at it, has not finished. Only for a message: where
// the folder cannot be read, there are none.
std::vector<std::int64_t> begun_checkpoints(const fs::path& run) {
  std::vector<std::int64_t> steps;
  try {
    if (!has_work_folder(run)) return steps;
    for (const auto& [step, path] : checkpoints_of(work_folder_of(run))) steps.push_back(step);
  } catch (const Error&) {
  }
  return steps;
}

void write_state(const fs::path& path, const TrainerState& state) {
  ReplacingFile file(path);
  file.write(to_json(state));
  file.commit();
}

// Empty: all files are there.
std::string missing_files(const fs::path& checkpoint) {
  std::string missing;
  for (const auto& name : files) {
    if (fs::is_regular_file(checkpoint / name)) continue;
    missing += (missing.empty() ? "" : ", ") + std::string(name);
  }
  return missing;
}

std::vector<NamedParameter> named(const std::vector<AdamW::State>& moments,
                                  Tensor AdamW::State::*moment) {
  std::vector<NamedParameter> result;
  for (const auto& state : moments) {
    result.push_back({state.name, state.*moment, Initial::constant(0)});
  }
  return result;
}

}  // namespace

CheckpointContents contents_of(const Llama& llama, const std::vector<AdamW::State>& moments,
                               std::int64_t updates, TrainerState state) {
  CheckpointContents contents{
      .model = contents_of(llama), .updates = updates, .state = std::move(state)};
  for (const auto& [name, first_moment, second_moment] : moments) {
    contents.moments.emplace_back(fmt::format("{}{}", first_prefix, name), first_moment);
    contents.moments.emplace_back(fmt::format("{}{}", second_prefix, name), second_moment);
  }
  return contents;
}

void save_checkpoint(const WorkFolder& work, const CheckpointContents& checkpoint,
                     std::int64_t limit) {
  const auto& state = checkpoint.state;
  // One of this name, of an earlier attempt, is not whole: a resumed run would be past it.
  work.put_folder(checkpoint_name(state.step), [&](const fs::path& folder) {
    auto complete = state;
    auto files = write_model_files(checkpoint.model, folder);
    files[optimizer_name] = write_safetensors(folder / optimizer_name, checkpoint.moments,
                                              {{"step", std::to_string(checkpoint.updates)}});
    if (complete.ties) complete.ties->files = std::move(files);
    write_state(folder / state_name, complete);
  });
  remove_oldest_checkpoints(work, state.step, limit, kept_checkpoints(state));
}

void remove_oldest_checkpoints(const WorkFolder& work, std::int64_t newest_step, std::int64_t limit,
                               const std::vector<std::int64_t>& kept) {
  auto checkpoints = checkpoints_of(work.parent());
  std::erase_if(checkpoints, [&](const auto& each) { return each.first > newest_step; });
  const auto extra = static_cast<std::int64_t>(checkpoints.size()) - limit;
  for (std::int64_t i = 0; i < extra; ++i) {
    const auto step = checkpoints[static_cast<std::size_t>(i)].first;
    if (std::ranges::find(kept, step) == kept.end()) work.discard(checkpoint_name(step));
  }
}

std::optional<FoundCheckpoint> newest_checkpoint(const fs::path& run) {
  FoundCheckpoint found;
  std::vector<std::pair<std::int64_t, std::string>> unfinished;
  for (const auto& [step, path] : checkpoints_of(run)) {
    if (const auto missing = missing_files(path); missing.empty()) {
      found.path = path;
      found.step = step;
    } else {
      unfinished.emplace_back(step, fmt::format("{} has no {}", path.string(), missing));
    }
  }
  for (const auto step : begun_checkpoints(run)) {
    const auto name = (run / checkpoint_name(step)).string();
    unfinished.emplace_back(step, name + " was being written when the run ended");
  }
  if (found.path.empty()) return std::nullopt;
  for (const auto& [step, what] : unfinished) {
    if (step > found.step) found.skipped.push_back(what);
  }
  return found;
}

TrainerState load_trainer_state(const FoundCheckpoint& checkpoint) {
  const auto path = checkpoint.path / state_name;
  auto state = read_trainer_state(path);
  const Check check{"checkpoint"};
  check(state.step == checkpoint.step, "{}: step is {}: must be {}, as the folder's name says",
        path.string(), state.step, checkpoint.step);
  return state;
}

LlamaConfig load_config(const FoundCheckpoint& checkpoint, const TrainerState& state) {
  const auto path = (checkpoint.path / config_name).string();
  if (state.ties) {
    const auto written =
        parse_llama_config(state.ties->config, (checkpoint.path / state_name).string());
    const auto difference = difference_of_configs(read_llama_config(path), written);
    const Check check{"checkpoint"};
    check(difference.empty(), "{}: {}", path, difference);
  }
  return read_model_config(checkpoint.path);
}

void load_moments(const FoundCheckpoint& checkpoint, const std::vector<AdamW::State>& moments,
                  std::int64_t updates_left_out) {
  const Check check{"checkpoint"};
  const auto file = FolderChecksums(checkpoint.path).open_safetensors(optimizer_name);
  for (const auto& name : file.names()) {
    check(name.starts_with(first_prefix) || name.starts_with(second_prefix),
          "{}: unexpected tensor {}: its name must begin with {} or {}", file.source(),
          in_quotes(name), first_prefix, second_prefix);
  }
  const auto step = file.metadata().find("step");
  const auto updates = checkpoint.step - updates_left_out;
  const auto wanted = std::to_string(updates);
  const auto written = step == file.metadata().end() ? "missing" : in_quotes(step->second);
  check(written == in_quotes(wanted), "{}: the step in its metadata is {}: must be {}",
        file.source(), written, in_quotes(wanted));
  load_parameters(named(moments, &AdamW::State::first_moment), file, std::string(first_prefix));
  load_parameters(named(moments, &AdamW::State::second_moment), file, std::string(second_prefix));
}

}  // namespace lookback
