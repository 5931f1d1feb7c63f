// Runs of several processes under Open MPI's mpirun and under MPICH's: lookback_mpi_ranks
// (mpi_ranks/main.cpp) has what each rank does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "runtime/host_name.h"
#include "tests/runtime/mpi_run.h"

namespace lookback::tests {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int patience = 60;  // seconds that a rank may leave another one waiting
constexpr double soon = 20;   // mpirun is over in one or two seconds, on cores that are free

class OnMpi : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (const auto missing = launcher.missing(); !missing.empty()) GTEST_SKIP() << missing;
  }

  void expect_fine(int ranks, const std::string& scenario) const {
    const auto run = launcher.run(ranks, scenario, patience);
    EXPECT_EQ(run.code, 0) << run.text;
    for (int rank = 0; rank < ranks; ++rank) {
      EXPECT_THAT(run.text, HasSubstr("rank " + std::to_string(rank) + " of " +
                                      std::to_string(ranks) + ": fine\n"));
    }
    // Nothing of MPI's own: no signals, and an end as it wants it.
    std::size_t lines = 0;
    for (const char c : run.text) lines += c == '\n' ? 1 : 0;
    EXPECT_EQ(lines, static_cast<std::size_t>(ranks)) << run.text;
    EXPECT_THAT(run.left, IsEmpty());
  }

  // All ends, soon, with an exit status that is none of success.
  MpiRun expect_end(int ranks, const std::string& scenario, int timeout = patience,
                    double limit = soon) const {
    const auto run = launcher.run(ranks, scenario, timeout);
    EXPECT_NE(run.code, 0) << run.text;
    EXPECT_LT(run.seconds, limit) << run.text;
    EXPECT_THAT(run.left, IsEmpty());
    EXPECT_THAT(run.text, Not(HasSubstr("fine")));
    return run;
  }

  static std::string named(int rank) {
    return "rank " + std::to_string(rank) + " on " + host_name();
  }

  const MpiLauncher launcher{GetParam()};
};

TEST_P(OnMpi, AllGather) {
  for (const int ranks : {1, 2, 4, 8}) expect_fine(ranks, "gather");
}

TEST_P(OnMpi, Broadcast) {
  for (const int ranks : {1, 2, 4, 8}) expect_fine(ranks, "broadcast");
}

TEST_P(OnMpi, ExchangesOfAllPairs) {
  for (const int ranks : {1, 2, 4, 8}) expect_fine(ranks, "pairs");
}

TEST_P(OnMpi, SignalsStayTheProgramsOwn) { expect_fine(2, "signals"); }

TEST_P(OnMpi, RanksThatDoDifferentThingsAreNamed) {
  const auto names = expect_end(2, "other-names");
  EXPECT_EQ(names.code, 5);
  // Whichever of the two is first ends the other one.
  EXPECT_THAT(
      names.text,
      ::testing::AnyOf(
          HasSubstr(named(1) + " and " + named(0) +
                    " are not about to do the same (step 17, gradients of bucket 4): rank 1 sends "
                    "message 2 \"the norm\" of 0 bytes, rank 0 expects message 2 \"gradients of "
                    "bucket 4\" of 0 bytes"),
          HasSubstr(named(0) + " and " + named(1) +
                    " are not about to do the same (step 17, the norm): rank 0 sends message 2 "
                    "\"gradients of bucket 4\" of 0 bytes, rank 1 expects message 2 \"the norm\" "
                    "of 0 bytes")));
  const auto sizes = expect_end(2, "other-sizes");
  EXPECT_EQ(sizes.code, 5);
  EXPECT_THAT(sizes.text, ContainsRegex("rank [01] sends message 2 .squares. of (16|24) bytes, "
                                        "rank [01] expects message 2 .squares. of (16|24) bytes"));
}

TEST_P(OnMpi, AKilledRankEndsTheRun) {
  for (const int ranks : {2, 4}) expect_end(ranks, "killed");
}

TEST_P(OnMpi, AStoppedRankIsNamedAndKilled) {
  constexpr int timeout = 3;
  for (const int ranks : {2, 4}) {
    const auto run = expect_end(ranks, "stopped", timeout, timeout + 5);
    EXPECT_GT(run.seconds, timeout);
    EXPECT_EQ(run.code, 5) << run.text;
    EXPECT_THAT(run.text, HasSubstr(named(ranks - 1) + " has not answered for 3 s (step 17, "
                                                       "gradients of bucket 4)"));
  }
}

TEST_P(OnMpi, AnAbortEndsAllWithItsStatus) {
  for (const int ranks : {2, 8}) {
    const auto run = expect_end(ranks, "aborts");
    EXPECT_EQ(run.code, 7) << run.text;
    EXPECT_THAT(run.text, Not(HasSubstr("destroyed")));
  }
}

TEST_P(OnMpi, AnExceptionEndsTheRun) {
  const auto run = expect_end(4, "throws");
  EXPECT_THAT(run.text, HasSubstr("rank 3 of 4: out of memory"));
}

INSTANTIATE_TEST_SUITE_P(By, OnMpi, ::testing::Values("openmpi", "mpich"),
                         [](const auto& mpi) { return std::string(mpi.param); });

}  // namespace
}  // namespace lookback::tests
