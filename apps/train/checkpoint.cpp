#include "apps/train/checkpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/model/model_choice.h"
#include "apps/model/model_folder.h"
#include "apps/train/trainer_state.h"
#include "nn/parameter_files.h"
#include "runtime/json.h"
#include "runtime/replacing_file.h"
#include "runtime/safetensors.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "checkpoint-";
constexpr std::string_view first_prefix = "first_moment.", second_prefix = "second_moment.";
constexpr std::string_view partial_suffix = ".partial";
constexpr auto config_name = "config.json";
constexpr auto optimizer_name = "optimizer.safetensors", state_name = "trainer_state.json";
constexpr std::array<std::string_view, 4> files = {config_name, "model.safetensors", optimizer_name,
                                                   state_name};

std::optional<std::int64_t> step_of(const fs::path& folder) {
  const auto name = folder.filename().string();
  if (!name.starts_with(prefix)) return std::nullopt;
  std::int64_t step = 0;
  const auto* end = name.data() + name.size();
  const auto [stop, problem] = std::from_chars(name.data() + prefix.size(), end, step);
  const bool is_step = problem == std::errc{} && stop == end && step >= 0;
  return is_step ? std::optional(step) : std::nullopt;
}

using ByStep = std::vector<std::pair<std::int64_t, fs::path>>;

// In the order of their steps.
ByStep checkpoints_of(const fs::path& run) {
  ByStep checkpoints;
  for (const auto& entry : fs::directory_iterator(run)) {
    if (!entry.is_directory()) continue;
    if (const auto step = step_of(entry.path())) checkpoints.emplace_back(*step, entry.path());
  }
  std::ranges::sort(checkpoints);
  return checkpoints;
}

// Newer ones, which a resumed run could not go on from, do not count.
void remove_oldest(const fs::path& run, std::int64_t newest_step, std::int64_t limit) {
  auto checkpoints = checkpoints_of(run);
  std::erase_if(checkpoints, [&](const auto& each) { return each.first > newest_step; });
  const auto extra = static_cast<std::int64_t>(checkpoints.size()) - limit;
  for (std::int64_t i = 0; i < extra; ++i)
    fs::remove_all(checkpoints[static_cast<std::size_t>(i)].second);
}

SafetensorsChecksums write_optimizer(const fs::path& path, const AdamW& optimizer) {
  NamedTensors tensors;
  for (const auto& [name, first_moment, second_moment] : optimizer.states()) {
    tensors.emplace_back(std::string(first_prefix) + name, first_moment);
    tensors.emplace_back(std::string(second_prefix) + name, second_moment);
  }
  return write_safetensors(path, tensors, {{"step", std::to_string(optimizer.steps_taken())}});
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

// Of a folder that a save had not finished.
std::optional<std::int64_t> step_of_partial(const fs::path& folder) {
  auto name = folder.filename().string();
  if (!name.starts_with('.') || !name.ends_with(partial_suffix)) return std::nullopt;
  return step_of(name.substr(1, name.size() - 1 - partial_suffix.size()));
}

std::vector<NamedParameter> named(const AdamW& optimizer, Tensor AdamW::State::*moment) {
  std::vector<NamedParameter> result;
  for (const auto& state : optimizer.states()) {
    result.push_back({state.name, state.*moment, Initial::constant(0)});
  }
  return result;
}

}  // namespace

void save_checkpoint(const fs::path& run, const Llama& llama, const AdamW& optimizer,
                     const TrainerState& state, std::int64_t limit) {
  const auto name = std::string(prefix) + std::to_string(state.step);
  const auto partial = run / ("." + name + std::string(partial_suffix));
  try {
    fs::remove_all(partial);
    fs::create_directory(partial);
    auto complete = state;
    auto files = write_model_files(llama, partial);
    files[optimizer_name] = write_optimizer(partial / optimizer_name, optimizer);
    if (complete.ties) complete.ties->files = std::move(files);
    write_state(partial / state_name, complete);
    // One of an earlier attempt is not whole: a resumed run would be past it.
    if (fs::is_directory(run / name)) fs::remove_all(run / name);
    fs::rename(partial, run / name);
    remove_oldest(run, state.step, limit);
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(partial, ignored);
    const auto* system = dynamic_cast<const fs::filesystem_error*>(&error);
    if (system == nullptr) throw;
    fail("checkpoint", "{}: cannot be written: {}", (run / name).string(),
         system->code().message());
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
  for (const auto& entry : fs::directory_iterator(run)) {
    if (const auto step = step_of_partial(entry.path())) {
      unfinished.emplace_back(
          *step, fmt::format("{} was being written when the run ended", entry.path().string()));
    }
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

void load_optimizer(const FoundCheckpoint& checkpoint, AdamW& optimizer) {
  const Check check{"checkpoint"};
  const auto file = FolderChecksums(checkpoint.path).open_safetensors(optimizer_name);
  for (const auto& name : file.names()) {
    check(name.starts_with(first_prefix) || name.starts_with(second_prefix),
          "{}: unexpected tensor {}: its name must begin with {} or {}", file.source(),
          in_quotes(name), first_prefix, second_prefix);
  }
  const auto step = file.metadata().find("step");
  const auto wanted = std::to_string(checkpoint.step);
  const auto written = step == file.metadata().end() ? "missing" : in_quotes(step->second);
  check(written == in_quotes(wanted), "{}: the step in its metadata is {}: must be {}",
        file.source(), written, in_quotes(wanted));
  load_parameters(named(optimizer, &AdamW::State::first_moment), file, std::string(first_prefix));
  load_parameters(named(optimizer, &AdamW::State::second_moment), file, std::string(second_prefix));
  optimizer.go_on_after(checkpoint.step);
}

}  // namespace lookback
