#include "apps/train/run_options.h"

#include <algorithm>

#include "apps/cli/console.h"
#include "apps/cli/session.h"
#include "apps/cli/toml.h"
#include "apps/data/tokenizer_config.h"
#include "apps/data/tokenizer_file.h"
#include "apps/folder/replacement.h"
#include "apps/model/folder_checksums.h"
#include "apps/train/checkpoint.h"
#include "apps/train/trainer_state.h"
#include "runtime/checksum.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view seal = "# checksum ";

// Whether it is as sealed_options() wrote it.
bool is_as_written(const std::string& text) {
  const auto start = text.rfind(seal);
  return start != text.npos && sealed_options(text.substr(0, start)) == text;
}

OptionsFile options_file(const fs::path& path, const Flags& flags) {
  OptionsFile file{.path = path.string(), .settings = settings_of(flags)};
  for (auto [key, value] : read_toml(path.string())) {
    std::ranges::replace(key, '-', '_');
    file.keys.insert(current_key(key));
  }
  return file;
}

// A state that cannot be read ties nothing: a resumed run refuses it by itself, and a command that
// only reads the model needs none. (A run that is still at work removes its old checkpoints.)
std::optional<TrainerState> state_beside(const fs::path& checkpoint) {
  try {
    return read_trainer_state(checkpoint / "trainer_state.json");
  } catch (const Error&) {
    return std::nullopt;
  }
}

void check_against_checkpoint(RunOptions& run, const fs::path& directory) {
  const auto& options = run.file;
  auto checkpoint = directory;
  if (fs::path(options.path).parent_path() == directory) {
    const auto newest = newest_checkpoint(directory);
    if (!newest) return;
    checkpoint = newest->path;
  }
  const auto state = state_beside(checkpoint);
  if (!state || !state->ties) return;
  check_settings(options, state->ties->settings,
                 fs::absolute(checkpoint / "").parent_path().filename().string());
  if (!is_as_written(read_file(options.path, "run"))) {
    run.warnings.push_back(options.path +
                           ": was edited, or is damaged, since the run wrote it; what it says "
                           "of where things lie is taken as it stands");
  }
}

std::optional<RunOptions> options_in(const fs::path& directory) {
  auto path = directory / "options.toml";
  const auto folder = fs::absolute(directory / "").parent_path();
  if (!exists(path) && folder.filename().string().starts_with("checkpoint-")) {
    path = folder.parent_path() / "options.toml";
  }
  if (!exists(path)) return std::nullopt;
  RunOptions run;
  SessionFlags session;
  Flags flags;
  run.options.declare(flags);
  session.declare(flags);
  flags.read_toml(path.string());
  run.seed = static_cast<std::uint64_t>(session.seed);
  run.device = session.device;
  run.file = options_file(path, flags);
  check_against_checkpoint(run, directory);
  return run;
}

}  // namespace

std::string sealed_options(const std::string& text) {
  const auto checksum = to_string(checksum_of(text));
  return fmt::format("{}{}{}\n", text, seal, checksum);
}

std::optional<RunOptions> read_run_options(const fs::path& directory) {
  for (;;) {
    refuse_half_replaced(directory);
    try {
      auto run = options_in(directory);
      if (!is_half_replaced(directory)) return run;
    } catch (const Error&) {
      if (!is_half_replaced(directory)) throw;
    }
  }
}

std::optional<RunOptions> run_options_for_reading(const fs::path& directory) {
  auto run = read_run_options(directory);
  if (run) std::ranges::for_each(run->warnings, print_warning);
  return run;
}

std::string tokenizer_file_of(const fs::path& directory, const std::optional<RunOptions>& run) {
  if (run && !is_tokenizer_file(run->options.tokenizer)) return {};
  auto own = tokenizer_in(directory);
  if (const fs::path file = own; !own.empty()) {
    const FolderChecksums checksums(file.parent_path());
    checksums.check_file(file.filename().string());
    for (const auto& name : tokenizer_config_files()) {
      if (exists(file.parent_path() / name)) checksums.check_file(name);
    }
  }
  return own.empty() && run ? run->options.tokenizer : own;
}

AddBos add_bos_of(AddBos asked, const std::optional<RunOptions>& run) {
  if (asked != AddBos::automatic || !run || !is_tokenizer_file(run->options.tokenizer))
    return asked;
  return run->options.data_flags.add_bos == AddBos::yes ? AddBos::yes : AddBos::no;
}

std::string folder_without_tokenizer(const fs::path& directory,
                                     const std::optional<RunOptions>& run) {
  const bool known = (run && !run->options.tokenizer.empty()) || !tokenizer_in(directory).empty();
  return known ? std::string() : directory.string();
}

std::string tokenizer_of(const fs::path& directory, const std::optional<RunOptions>& run) {
  if (auto file = tokenizer_file_of(directory, run); !file.empty()) return file;
  return run && !run->options.tokenizer.empty() ? run->options.tokenizer : "bytes";
}

}  // namespace lookback
