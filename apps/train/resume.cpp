#include "apps/train/resume.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>

#include "apps/cli/exit_code.h"
#include "apps/cli/session.h"
#include "apps/cli/toml.h"
#include "apps/train/run_record.h"
#include "kernels/cpu/isa.h"
#include "runtime/device_runtime.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr auto options_name = "options.toml";
constexpr std::string_view note_prefix = "# resumed from ";

// How long, how often and on what: nothing that decides what a step computes. (`record` and
// `gradient-checkpointing` trade memory for time; `tf32`, as another device, changes last bits.)
constexpr std::array<std::string_view, 14> free_to_change = {
    "max-steps",     "epochs",        "eval-steps",
    "eval-batches",  "save-steps",    "save-total-limit",
    "logging-steps", "inspect-every", "gradient-checkpointing",
    "record",        "threads",       "no-cuda-graphs",
    "tf32",          "config"};

bool may_change(const Flags::Difference& difference) {
  return std::ranges::find(free_to_change, difference.name) != free_to_change.end();
}

void check_folder(const fs::path& directory) {
  const Check check{"resume"};
  const auto name = directory.filename().string();
  if (name.starts_with("checkpoint-") && !fs::exists(directory / options_name)) {
    fail("resume", "{}: is a checkpoint; --output-dir must be the folder of its run, {}",
         directory.string(), directory.parent_path().string());
  }
  check(fs::exists(directory / options_name),
        "{}: has no {}, which would say how to go on; --overwrite starts anew", directory.string(),
        options_name);
  const auto path = (directory / options_name).string();
  const auto recorded = read_toml(path);
  // The one setting that every run has.
  const bool whole =
      std::ranges::any_of(recorded, [](const auto& option) { return option.first == "data"; });
  check(whole,
        "{}: {}, so how the run was trained is not known: put the file back as it was; or "
        "--init-from {} starts a new run, in another --output-dir, from its weights",
        path, recorded.empty() ? "is empty" : "names no data", directory.string());
}

}  // namespace

ResumedRun settings_of_run(Flags& flags, TrainOptions& options) {
  const fs::path directory = options.output_dir;
  check_folder(directory);
  ResumedRun run;
  const auto record = read_run_record(directory);
  const bool given_steps = flags.given("max-steps");
  const auto differences =
      flags.complete_from((directory / options_name).string(), {"output-dir", "device"});
  std::string refused;
  for (const auto& difference : differences) {
    if (may_change(difference)) {
      run.changes.push_back(difference);
      // Recorded runs know how many steps their epochs were.
      if (difference.name == "epochs" && !given_steps) options.max_steps.reset();
      continue;
    }
    refused += fmt::format("{}--{} {}: the run has {}", refused.empty() ? "" : "; ",
                           difference.name, difference.given, difference.recorded.value_or("none"));
  }
  if (!refused.empty()) {
    usage_error("{}; a resumed run keeps it, and --init-from {} starts a new one from its weights",
                refused, options.output_dir);
  }
  run.device = record->device;
  run.tokenizer = tokenizer_of(directory, record);
  if (!flags.given("device")) {
    try {
      static_cast<void>(parse_device(run.device));
      flags.assign("device", run.device);
    } catch (const UsageError&) {
      // That device is not here: auto, and resume_warnings() tells.
    }
  }
  if (flags.value("tf32") == "true" && !flags.given("tf32") &&
      parse_device(flags.value("device").value_or("auto")).backend == Backend::cpu) {
    flags.assign("tf32", "false");  // a GPU's alone
    run.changes.push_back({"tf32", "false", "true"});
  }
  return run;
}

std::string resume_command(const std::string& output_dir) {
  return "lookback train --resume --output-dir " + shell_word(output_dir);
}

FoundCheckpoint find_checkpoint(const TrainOptions& options) {
  auto found = newest_checkpoint(options.output_dir);
  if (found) return std::move(*found);
  fail("resume",
       "{}: has no whole checkpoint to go on from (--save-steps N writes one every N steps); "
       "--overwrite starts anew",
       options.output_dir);
}

std::string resume_notes(const ResumedRun& run, const std::string& output_dir) {
  std::istringstream recorded(read_file(fs::path(output_dir) / options_name, "resume"));
  std::string notes;
  for (std::string line; std::getline(recorded, line);) {
    if (line.starts_with(note_prefix)) notes += line + "\n";
  }
  std::vector<std::string> changes;
  for (const auto& [name, given, before] : run.changes) {
    changes.push_back(fmt::format("{} {} -> {}", name, before.value_or("none"), given));
  }
  return notes + fmt::format("{}{}{}{}\n", note_prefix, run.checkpoint.path.filename().string(),
                             changes.empty() ? "" : ": ", fmt::join(changes, ", "));
}

std::vector<std::string> resume_warnings(const ResumedRun& run, Device device) {
  std::vector<std::string> warnings;
  for (const auto& what : run.checkpoint.skipped) {
    warnings.push_back(
        fmt::format("{}; going on from {}", what, run.checkpoint.path.filename().string()));
  }
  const auto here = kernels::isa_description();
  if (run.device != to_string(device)) {
    warnings.push_back(fmt::format("the run was on {}, and goes on on {}: the last bits may differ",
                                   run.device, to_string(device)));
  } else if (run.state.instruction_set != here && device.backend == Backend::cpu) {
    warnings.push_back(fmt::format(
        "the run was on a CPU with {}, and goes on on one with {}: the last bits may differ",
        run.state.instruction_set, here));
  }
  return warnings;
}

std::string difference_of_configs(const LlamaConfig& given, const LlamaConfig& recorded) {
  const auto ours = nlohmann::json::parse(to_json(given));
  const auto theirs = nlohmann::json::parse(to_json(recorded));
  auto keys = ours;
  keys.update(theirs);
  for (const auto& [key, value] : keys.items()) {
    const auto text = [&k = key](const nlohmann::json& config) {
      return config.contains(k) ? config.at(k).dump() : "missing";
    };
    if (text(ours) == text(theirs)) continue;
    return fmt::format("{} is {}, the run's is {}", key, text(ours), text(theirs));
  }
  return {};
}

}  // namespace lookback
