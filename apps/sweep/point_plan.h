// How each point of a sweep begins, by what lies in its folder.
#pragma once

#include <string>
#include <vector>

#include "apps/sweep/sweep_run.h"

namespace lookback {

struct PointPlan {
  enum class Start { fresh, resumed, replaced, kept };
  Start start = Start::fresh;
  std::string why = {};                     // of one that is replaced without having been asked for
  std::vector<std::string> arguments = {};  // of train, but for --resume and --overwrite
};

// kept: it has ended with just these flags. replaced: as it was asked for, or, of a resumed sweep,
// where a run with these flags has no whole checkpoint to go on from. Throws Error for a folder
// that cannot be read.
PointPlan plan_point(const Sweep& sweep, const SweepPoint& point);

// Of all points. Throws Error where a point's folder holds a run that is neither to be resumed nor
// replaced.
std::vector<PointPlan> plan_points(const Sweep& sweep);

}  // namespace lookback
