// Runs that were cut off and go on.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/apps/small_run.h"

namespace lookback::tests {

class CutRun : public testing::Test {
 protected:
  // `train --resume` of a folder of this name, without the flags of SmallRun::train.
  static ProgramResult resume(const std::filesystem::path& folder,
                              std::vector<std::string> more = {});
  std::filesystem::path folder(const std::string& name) const { return small_.path() / name; }

  // A whole run, "whole", and "cut": the same as if it had been killed after `step`, having got
  // further than its newest checkpoint.
  void train_and_cut(int step, std::vector<std::string> more = {}) const;

  std::filesystem::path options() const { return folder("cut") / "options.toml"; }
  std::filesystem::path checkpoint() const { return folder("cut") / "checkpoint-4"; }

  // "cut" does not go on, with this in the line that says so, and nothing in the folder changes.
  void expect_refused(const std::string& text, const std::vector<std::string>& more = {}) const;
  // It goes on to what "whole" is, with nothing on stderr.
  void expect_whole() const;

  SmallRun small_;
};

// The text with `what`, which it must hold, replaced once.
std::string replaced(std::string text, const std::string& what, const std::string& with);

// A trainer_state.json whose text was changed, with the checksum that goes with it.
void reseal(const std::filesystem::path& trainer_state);
// As a version wrote it that knew no checksums.
void unseal(const std::filesystem::path& trainer_state);

void flip_bit(const std::filesystem::path& file, std::size_t byte, int bit);

}  // namespace lookback::tests
