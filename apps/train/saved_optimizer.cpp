#include "apps/train/saved_optimizer.h"

#include <charconv>
#include <optional>

#include "apps/folder/folder_entries.h"
#include "apps/model/folder_checksums.h"
#include "apps/train/run_entries.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr auto optimizer_name = "optimizer.safetensors";

// The folder that holds the newest optimizer.safetensors; none: there is none.
std::optional<fs::path> newest_optimizer(const fs::path& directory) {
  if (fs::exists(directory / optimizer_name)) return directory;
  std::optional<fs::path> newest;
  std::int64_t newest_step = -1;
  for (const auto& name : names_in(directory, "inspect")) {
    const auto step = step_of_checkpoint(name);
    if (!step || *step < newest_step || !fs::exists(directory / name / optimizer_name)) continue;
    newest = directory / name;
    newest_step = *step;
  }
  return newest;
}

std::int64_t step_of(const SafetensorsFile& file) {
  const Check check{"inspect"};
  const auto found = file.metadata().find("step");
  check(found != file.metadata().end(), "{}: does not say after which step it was written",
        file.source());
  std::int64_t step = 0;
  const auto& text = found->second;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), step);
  check(problem == std::errc{} && end == text.data() + text.size() && step >= 1,
        "{}: \"{}\" is no number of steps", file.source(), text);
  return step;
}

}  // namespace

OptimizerView optimizer_of(const fs::path& directory, const TrainOptions& options) {
  OptimizerView result{.moments = {},
                       .options = adamw_options(options),
                       .learning_rate = options.learning_rate,
                       .origin =
                           "a first step of AdamW, on this prompt: each weight moves by the "
                           "learning rate, whatever its gradient"};
  const auto folder = newest_optimizer(directory);
  if (!folder) return result;
  const auto file = FolderChecksums(*folder).open_safetensors(optimizer_name);
  result.steps_taken = step_of(file);
  constexpr std::string_view first = "first_moment.", second = "second_moment.";
  for (const auto& name : file.names()) {
    if (name.starts_with(first)) {
      result.moments[name.substr(first.size())].first = file.load(name);
    } else if (name.starts_with(second)) {
      result.moments[name.substr(second.size())].second = file.load(name);
    }
  }
  result.origin = fmt::format("the optimizer as it stood after step {}", result.steps_taken);
  return result;
}

}  // namespace lookback
