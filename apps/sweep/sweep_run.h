// `lookback train --sweep`: runs of train as processes of their own, some at once, and a report
// over all of them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/cli/command.h"
#include "apps/sweep/sweep_points.h"
#include "apps/train/output_folder.h"

namespace lookback {

struct Sweep {
  std::string file;
  std::filesystem::path output_dir;  // holds OUTPUT_DIR/NAME and OUTPUT_DIR/NAME.log of each point
  std::vector<SweepPoint> points;
  std::int64_t jobs = 1;  // how many at once; the session's threads are shared out between them
  // refused: no point may have a run yet. resumed: those that ended are kept, others go on from
  // their newest checkpoint, or start anew where they have none.
  ExistingRun existing = ExistingRun::refused;
  std::vector<std::string> resume_arguments = {"--resume"};  // of those that go on
};

// Trains all points; one that fails is named and the others go on. A signal that ends a run of
// train ends all that are going on in the same way, with a checkpoint. Writes
// OUTPUT_DIR/report.html and report.json over the runs that are there. Returns good where all runs
// have ended, the signal's code where one came before that, and else failure. Throws Error where
// the folder is another's, or holds runs that may not be touched.
ExitCode run_sweep(const Sweep& sweep, const Session& session);

}  // namespace lookback
