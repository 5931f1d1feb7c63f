#include "apps/train/free_space.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "apps/cli/size_text.h"
#include "apps/folder/folder_entries.h"
#include "apps/train/run_entries.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

// Headers, config.json and trainer_state.json.
constexpr std::int64_t small_files = std::int64_t{1} << 16;

// Of a run that goes on: each gives way to a new one.
std::int64_t checkpoints_in(const fs::path& folder) {
  return std::ranges::count_if(
      names_in(folder), [](const auto& name) { return step_of_checkpoint(name).has_value(); });
}

}  // namespace

std::optional<std::int64_t> free_bytes(const fs::path& folder) {
  struct statvfs found = {};
  int result = 0;
  do result = statvfs(folder.c_str(), &found);
  while (result != 0 && errno == EINTR);
  if (result != 0 || found.f_blocks == 0) return std::nullopt;
  const auto blocks = geteuid() == 0 ? found.f_bfree : found.f_bavail;
  return static_cast<std::int64_t>(blocks * found.f_frsize);
}

std::int64_t model_bytes(const Llama& llama) {
  std::int64_t bytes = small_files;
  for (const auto& parameter : llama.parameters())
    bytes +=
        parameter.tensor.numel() * static_cast<std::int64_t>(size_of(parameter.tensor.dtype()));
  return bytes;
}

std::int64_t checkpoint_bytes(const Llama& llama) { return 3 * model_bytes(llama); }

std::string check_free_space(const Llama& llama, const TrainOptions& options,
                             std::int64_t steps_left, EarlierFiles earlier) {
  const auto free = free_bytes(options.output_dir);
  if (!free || steps_left == 0) return {};
  const auto checkpoint = checkpoint_bytes(llama), model = model_bytes(llama);
  if (const auto least = model + checkpoint; earlier == EarlierFiles::stay && least > *free) {
    fail("train",
         "{}: the model and one checkpoint need {} of disk, and {} are free there: make room, or "
         "choose another --output-dir",
         options.output_dir, size_text(least), size_text(*free));
  }
  const auto saves = (steps_left + *options.save_steps - 1) / *options.save_steps;
  const auto beside =
      (options.load_best_model_at_end ? 1 : 0) + (options.on_spike == OnSpike::back ? 1 : 0);
  // The first of a larger number than the limit is there until the new one is.
  const auto at_once = std::min(saves, std::min(saves, options.save_total_limit) + beside + 1);
  const auto more = at_once - std::min(at_once - 1, checkpoints_in(options.output_dir));
  const auto most = more * checkpoint + 2 * model;
  if (most <= *free) return {};
  return fmt::format(
      "{}: the model and {} checkpoint{} need {} of disk, and {} are free there: a checkpoint that "
      "does not fit ends the run; --save-total-limit ({}) says how many are kept",
      options.output_dir, more, more == 1 ? "" : "s", size_text(most), size_text(*free),
      options.save_total_limit);
}

void check_room_for_checkpoint(const Llama& llama, const fs::path& run, std::int64_t step) {
  const auto free = free_bytes(run);
  const auto needed = checkpoint_bytes(llama);
  if (!free || needed <= *free) return;
  fail("write", "{} is not begun: it needs {} of disk, and {} are free there",
       (run / checkpoint_name(step)).string(), size_text(needed), size_text(*free));
}

}  // namespace lookback
