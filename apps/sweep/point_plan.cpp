#include "apps/sweep/point_plan.h"

#include <algorithm>

#include "apps/cli/exit_code.h"
#include "apps/compare/run_record.h"
#include "apps/sweep/train_flags.h"
#include "apps/train/checkpoint.h"
#include "runtime/check.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

// --data FOLDER, of which the run has recorded FOLDER/train.bin.
bool is_file_in_given_folder(const Flags::Difference& difference) {
  const bool data = difference.name == "data" || difference.name == "validation-data";
  return data && difference.recorded && difference.recorded->starts_with(difference.given + "/");
}

// What the run in a folder was told otherwise than the point says. `arguments` keeps only what it
// need be told again.
std::vector<Flags::Difference> differences_of(const fs::path& folder, const SweepPoint& point,
                                              std::vector<std::string>& arguments) {
  TrainFlags train(point.arguments);
  const auto options = (folder / "options.toml").string();
  auto differences = train.flags.complete_from(options, {"output-dir", "threads", "device"});
  std::erase_if(differences, [&](const auto& difference) {
    if (!is_file_in_given_folder(difference)) return false;
    std::erase(arguments, "--" + difference.name + "=" + difference.given);
    return true;
  });
  return differences;
}

}  // namespace

PointPlan plan_point(const Sweep& sweep, const SweepPoint& point) {
  const auto folder = sweep.output_dir / point.name;
  PointPlan plan{.arguments = point.arguments};
  // (Where another run has come into it since, train refuses.)
  if (sweep.existing == ExistingRun::refused || !holds_run(folder)) return plan;
  plan.start = PointPlan::Start::replaced;
  if (sweep.existing == ExistingRun::replaced) return plan;
  plan.start = PointPlan::Start::resumed;
  try {
    if (!differences_of(folder, point, plan.arguments).empty()) return plan;
  } catch (const Error&) {
    return plan;  // its options cannot be read: train --resume says why
  }
  const auto state = read_run_record(folder).state;
  if (state == RunState::ended) {
    plan.start = PointPlan::Start::kept;
  } else if (state != RunState::running && !newest_checkpoint(folder)) {
    plan.start = PointPlan::Start::replaced;
    plan.why = "as it had no checkpoint yet";
    plan.arguments = point.arguments;
  }
  return plan;
}

std::vector<PointPlan> plan_points(const Sweep& sweep) {
  std::vector<PointPlan> plans;
  for (const auto& point : sweep.points) {
    const auto folder = sweep.output_dir / point.name;
    if (sweep.existing == ExistingRun::refused && holds_run(folder)) {
      fail("sweep",
           "{}: holds a run already; --resume keeps the runs that have ended and goes on with the "
           "others, --overwrite replaces them",
           folder.string());
    }
    plans.push_back(plan_point(sweep, point));
  }
  return plans;
}

}  // namespace lookback
