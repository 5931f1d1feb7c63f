// How many cores a process may use: of its affinity, and of what its control groups give it.
#include "runtime/usable_cores.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <fstream>
#include <string>
#include <thread>

#include "tests/paths.h"

namespace lookback::tests {
namespace {

class UsableCores : public ::testing::Test {
 protected:
  // A file below the root of a machine.
  void write(const std::string& path, const std::string& text) const {
    const auto file = root_.path() / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  int cores() const { return usable_cores(root_.path()); }

 private:
  const TemporaryDirectory root_;
};

int cores_of_this_thread() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  return CPU_COUNT(&set);
}

TEST_F(UsableCores, AreThoseOfTheAffinity) {
  EXPECT_EQ(cores(), cores_of_this_thread());
  std::thread([this] {
    cpu_set_t all, first;
    sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&first);
    for (std::size_t core = 0; core < CPU_SETSIZE && CPU_COUNT(&first) == 0; ++core)
      if (CPU_ISSET(core, &all)) CPU_SET(core, &first);
    ASSERT_EQ(sched_setaffinity(0, sizeof first, &first), 0);
    EXPECT_EQ(cores(), 1);
  }).join();
}

TEST_F(UsableCores, AreNoMoreThanAControlGroupsTime) {
  const int all = cores_of_this_thread();
  if (all < 2) GTEST_SKIP() << "this machine has one core";
  write("proc/self/cgroup", "0::/jobs/one\n");
  write("sys/fs/cgroup/jobs/one/cpu.max", "max 100000\n");
  EXPECT_EQ(cores(), all);
  write("sys/fs/cgroup/jobs/cpu.max", "100000 100000\n");  // the one around it
  EXPECT_EQ(cores(), 1);
  write("sys/fs/cgroup/jobs/cpu.max", "100001 100000\n");
  EXPECT_EQ(cores(), 2) << "what is left of a core counts as one";
  write("sys/fs/cgroup/jobs/cpu.max", "900000000 100000\n");
  EXPECT_EQ(cores(), all) << "never more than there are";
  write("sys/fs/cgroup/jobs/one/cpu.max", "20000 100000\n");
  EXPECT_EQ(cores(), 1) << "never less than one";
}

TEST_F(UsableCores, OfTheFirstVersionsGroups) {
  const int all = cores_of_this_thread();
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cores(), all) << "no limit";
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
  EXPECT_EQ(cores(), 1);
}

TEST_F(UsableCores, WhatCannotBeReadLimitsNothing) {
  write("proc/self/cgroup", "0::/\n");
  for (const auto* text : {"", "x y", "0 0", "-5 100000", "100000"}) {
    write("sys/fs/cgroup/cpu.max", text);
    EXPECT_EQ(cores(), cores_of_this_thread()) << text;
  }
}

TEST(ThreadsSaidBy, OmpNumThreads) {
  EXPECT_EQ(threads_said_by("3"), 3);
  EXPECT_EQ(threads_said_by("4,2"), 4);
  EXPECT_EQ(threads_said_by(" 5"), 5);
  for (const auto* none : {"", "0", "-2", "two", "3x", "3 ", "99999999999999999999", ",2"})
    EXPECT_EQ(threads_said_by(none), 0) << none;
  EXPECT_EQ(threads_said_by(nullptr), 0);
}

}  // namespace
}  // namespace lookback::tests
