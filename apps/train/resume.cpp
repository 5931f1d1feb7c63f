#include "apps/train/resume.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string_view>

#include "apps/cli/exit_code.h"
#include "apps/cli/session.h"
#include "apps/cli/toml.h"
#include "apps/train/run_options.h"
#include "kernels/cpu/isa.h"
#include "runtime/device_runtime.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr auto options_name = "options.toml";
constexpr std::string_view note_prefix = "# resumed from ";

// What earlier resumes changed, as the comments say that resume_notes() wrote: the last value of
// each flag.
std::map<std::string, std::string> noted_changes(const std::string& options_path) {
  std::map<std::string, std::string> changes;
  std::istringstream lines(read_file(options_path, "resume"));
  for (std::string line; std::getline(lines, line);) {
    const auto start = line.find(": ");
    if (!line.starts_with(note_prefix) || start == line.npos) continue;
    std::istringstream words(line.substr(start + 2));  // name before -> after,
    for (std::string flag, before, arrow, after; words >> flag >> before >> arrow >> after;) {
      if (after.ends_with(',')) after.pop_back();
      changes[flag_of(current_key(flag))] = after;
    }
  }
  return changes;
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
  const auto recorded = read_run_options(directory);
  const bool given_steps = flags.given("max-steps");
  const auto differences =
      flags.complete_from((directory / options_name).string(), {"output-dir", "device"});
  std::string refused;
  for (const auto& difference : differences) {
    const bool says_one_lane = difference.name == "gradient-lanes" && difference.given == "1";
    if (says_one_lane && !difference.recorded) continue;
    if (may_change(difference.name)) {
      run.changes.push_back(difference);
      // An options.toml says how many steps the epochs were.
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
  run.device = recorded->device;
  run.options = recorded->file;
  run.warnings = recorded->warnings;
  run.tokenizer = tokenizer_of(directory, recorded);
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

void check_ties(const ResumedRun& run, const Flags& flags) {
  if (!run.state.ties) return;
  const auto& recorded = run.state.ties->settings;
  const auto checkpoint = run.checkpoint.path.filename().string();
  check_settings(run.options, recorded, checkpoint);
  const auto changes = noted_changes(run.options.path);
  const Check check{"resume"};
  for (const auto& key : run.options.keys) {
    const auto now = run.options.settings.find(key);
    if (now == run.options.settings.end() || flags.given(flag_of(key))) continue;
    const auto then = recorded.find(key);
    const auto noted = changes.find(flag_of(key));
    if (then != recorded.end() && then->second == now->second) continue;
    check(noted != changes.end() && noted->second == now->second,
          "{}: {} is {}, it was {} when {} was written, and no --resume has changed it since: put "
          "it back, or say --{} {} if that is meant",
          run.options.path, key, now->second, then == recorded.end() ? "none" : then->second,
          checkpoint, flag_of(key), now->second);
  }
}

void note_resolved_steps(ResumedRun& run, const Flags& flags) {
  const auto given = [](const auto& change) { return change.name == "max-steps"; };
  if (std::ranges::any_of(run.changes, given)) return;
  const auto before = run.options.settings.find("max_steps");
  const auto now = flags.value("max-steps");
  if (before == run.options.settings.end() || !now || *now == before->second) return;
  run.changes.push_back({"max-steps", *now, before->second});
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
  const auto name = run.checkpoint.path.filename().string();
  if (!run.state.ties) {
    warnings.push_back(fmt::format(
        "{} has no checksums, as an earlier version wrote it: that it is whole, and that settings "
        "and data are those of the run, cannot be checked, and last bits may differ from that "
        "version's; the next checkpoint has them",
        run.checkpoint.path.string()));
  }
  for (const auto& what : run.checkpoint.skipped) {
    warnings.push_back(fmt::format("{}; going on from {}", what, name));
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
  for (const auto& change : run.changes) {
    if (change.name != "attention-storage" && change.name != "tf32") continue;
    warnings.push_back(
        fmt::format("the run had --{} {}, and goes on with {}: the last bits may differ",
                    change.name, change.recorded.value_or("none"), change.given));
  }
  return warnings;
}

}  // namespace lookback
