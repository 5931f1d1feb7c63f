#include "apps/train/step_profile.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "apps/cli/exit_code.h"
#include "apps/profile/profile.h"

namespace lookback {
namespace {

constexpr std::size_t rows_told = 12;

}  // namespace

StepRange read_step_range(const std::string& text) {
  if (text.empty()) return {};
  StepRange range;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, range.first);
  const bool goes_on = first.ec == std::errc() && first.ptr != end && *first.ptr == ':';
  const auto last = goes_on ? std::from_chars(first.ptr + 1, end, range.last) : first;
  const bool is_range = goes_on && last.ec == std::errc() && last.ptr == end;
  if (!is_range || range.first < 1 || range.last < range.first) {
    usage_error(
        "--profile-steps {}: must be the first and the last step to time, from 1 on, as in 10:12",
        text);
  }
  return range;
}

void StepProfile::run(std::int64_t step, const std::function<void()>& take) {
  if (!times(step)) return take();
  KernelTimes kernels(llama_.model.norm.weight.device());
  kernels.begin_step();
  take();
  steps_.push_back(kernels.end_step());
}

std::string StepProfile::write(const std::filesystem::path& folder) {
  const auto limits = machine_limits(llama_);
  const auto rows = profile_rows(steps_);
  ReplacingFile table(folder / "profile.json"), trace(folder / "trace.json");
  table.write(profile_json(rows, limits).dump(2) + "\n");
  table.commit();
  write_trace(trace, steps_);
  double all = 0;
  for (const auto& row : rows) all += row.seconds;
  auto text = fmt::format("profile of {} steps, {:.1f} ms each: {}, {}", steps_.size(), 1e3 * all,
                          (folder / "profile.json").string(), (folder / "trace.json").string());
  for (std::size_t i = 0; i < std::min(rows.size(), rows_told); ++i) {
    text += fmt::format("\n  {:5.1f} % {:9.2f} ms {:.2f} of the limit  {}  {}",
                        100 * rows[i].seconds / all, 1e3 * rows[i].seconds,
                        of_limit(rows[i], limits), rows[i].name, rows[i].scope);
  }
  steps_.clear();
  return text;
}

}  // namespace lookback
