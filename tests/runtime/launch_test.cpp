// Who a process is among the ranks of a run, from what launchers leave in its environment.
#include "runtime/launch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace lookback {
namespace {

using Map = std::map<std::string, std::string>;
using Kind = Launch::Kind;
using Mpi = Launch::Mpi;

Launch read(const Map& variables) {
  return read_launch([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

auto all_of(const Launch& launch) {
  return std::tuple(launch.rank, launch.size, launch.local_rank, launch.local_size, launch.kind,
                    launch.mpi);
}

auto place(int rank, int size, int local_rank, int local_size, Kind kind, Mpi mpi) {
  return std::tuple(rank, size, local_rank, local_size, kind, mpi);
}

const auto alone = place(0, 1, 0, 1, Kind::alone, Mpi::none);

std::string refusal(const Map& variables) {
  try {
    read(variables);
  } catch (const LaunchError& error) {
    return error.what();
  }
  return "not refused";
}

Map open_mpi() {
  return {{"OMPI_COMM_WORLD_RANK", "5"},
          {"OMPI_COMM_WORLD_SIZE", "8"},
          {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
          {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}};
}

Map hydra() {
  return {{"PMI_RANK", "3"}, {"PMI_SIZE", "4"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}};
}

Map torchrun() {
  return {{"RANK", "2"},
          {"WORLD_SIZE", "4"},
          {"LOCAL_RANK", "0"},
          {"LOCAL_WORLD_SIZE", "2"},
          {"MASTER_ADDR", "nodea"},
          {"MASTER_PORT", "29500"}};
}

// The sixth of seven tasks, which stand 2, 2, 2 and 1 on four nodes.
Map srun() {
  return {{"SLURM_JOB_ID", "77"},        {"SLURM_STEP_ID", "0"},
          {"SLURM_STEP_NUM_TASKS", "7"}, {"SLURM_NTASKS", "7"},
          {"SLURM_PROCID", "5"},         {"SLURM_LOCALID", "1"},
          {"SLURM_NODEID", "2"},         {"SLURM_STEP_TASKS_PER_NODE", "2(x3),1"}};
}

Map with(Map map, const Map& more) {
  for (const auto& [name, value] : more) map[name] = value;
  return map;
}

Map without(Map map, const std::string& name) {
  map.erase(name);
  return map;
}

TEST(Launch, WithoutALauncherThereIsOneProcess) {
  EXPECT_EQ(all_of(read({})), alone);
  EXPECT_EQ(all_of(read({{"HOME", "/"}, {"MASTER_ADDR", "nodea"}, {"MASTER_PORT", "29500"}})),
            alone);
}

TEST(Launch, ReadsOpenMpi) {
  EXPECT_EQ(all_of(read(open_mpi())), place(5, 8, 1, 4, Kind::open_mpi, Mpi::open_mpi));
}

TEST(Launch, ReadsHydra) {
  EXPECT_EQ(all_of(read(hydra())), place(3, 4, 1, 2, Kind::pmi, Mpi::mpich));
}

TEST(Launch, ReadsTorchrun) {
  EXPECT_EQ(all_of(read(torchrun())), place(2, 4, 0, 2, Kind::torchrun, Mpi::none));
}

TEST(Launch, ReadsSrun) {
  EXPECT_EQ(all_of(read(srun())), place(5, 7, 1, 2, Kind::slurm, Mpi::none));
  EXPECT_EQ(all_of(read(with(srun(), {{"PMIX_RANK", "5"}}))),
            place(5, 7, 1, 2, Kind::slurm, Mpi::open_mpi));
  EXPECT_EQ(all_of(read(with(srun(), {{"PMI_RANK", "5"}, {"PMI_SIZE", "7"}}))),
            place(5, 7, 1, 2, Kind::slurm, Mpi::mpich));
}

TEST(Launch, CountsTheTasksOfTheOwnNode) {
  const auto local_size = [](const std::string& list, int node) {
    return read(with(srun(), {{"SLURM_STEP_TASKS_PER_NODE", list},
                              {"SLURM_NODEID", std::to_string(node)},
                              {"SLURM_LOCALID", "0"}}))
        .local_size;
  };
  EXPECT_EQ(local_size("2(x3),1", 0), 2);
  EXPECT_EQ(local_size("2(x3),1", 2), 2);
  EXPECT_EQ(local_size("2(x3),1", 3), 1);
  EXPECT_EQ(local_size("3,4", 1), 4);
  EXPECT_EQ(local_size("7", 0), 7);
}

// SLURM_NTASKS is there, but nothing has been started but this one process.
TEST(Launch, ABatchScriptIsOneProcess) {
  const Map script = {{"SLURM_JOB_ID", "77"}, {"SLURM_NTASKS", "8"},
                      {"SLURM_PROCID", "0"},  {"SLURM_LOCALID", "0"},
                      {"SLURM_NODEID", "0"},  {"SLURM_TASKS_PER_NODE", "4(x2)"}};
  EXPECT_EQ(all_of(read(script)), alone);
  EXPECT_EQ(all_of(read(with(script, {{"SLURM_STEP_ID", "batch"}}))), alone);
  // The shell of salloc, as a step that Slurm makes for it, and a batch script's in older ones.
  EXPECT_EQ(all_of(read(with(script, {{"SLURM_STEP_ID", "4294967290"}}))), alone);
  EXPECT_EQ(all_of(read(with(script, {{"SLURM_STEP_ID", "4294967294"}}))), alone);
  EXPECT_EQ(read(with(script, {{"SLURM_STEP_ID", "3"}})).size, 8);
}

// srun -n 2 within a job of seven.
TEST(Launch, AStepMayHaveFewerTasksThanItsJob) {
  const auto launch = read(with(srun(), {{"SLURM_STEP_NUM_TASKS", "2"},
                                         {"SLURM_PROCID", "1"},
                                         {"SLURM_STEP_TASKS_PER_NODE", "2"},
                                         {"SLURM_NODEID", "0"}}));
  EXPECT_EQ(all_of(launch), place(1, 2, 1, 2, Kind::slurm, Mpi::none));
}

TEST(Launch, TheInnermostLauncherCounts) {
  EXPECT_EQ(read(with(open_mpi(), srun())).kind, Kind::open_mpi);
  EXPECT_EQ(read(with(open_mpi(), torchrun())).kind, Kind::open_mpi);
  EXPECT_EQ(all_of(read(with(hydra(), srun()))), place(3, 4, 1, 2, Kind::pmi, Mpi::mpich));
  EXPECT_EQ(read(with(torchrun(), srun())).kind, Kind::slurm);
}

TEST(Launch, OneProcessOfALauncherIsAlone) {
  EXPECT_EQ(all_of(read({{"OMPI_COMM_WORLD_RANK", "0"},
                         {"OMPI_COMM_WORLD_SIZE", "1"},
                         {"OMPI_COMM_WORLD_LOCAL_RANK", "0"},
                         {"OMPI_COMM_WORLD_LOCAL_SIZE", "1"}})),
            alone);
  EXPECT_EQ(all_of(read({{"PMI_RANK", "0"},
                         {"PMI_SIZE", "1"},
                         {"MPI_LOCALRANKID", "0"},
                         {"MPI_LOCALNRANKS", "1"}})),
            alone);
  EXPECT_EQ(
      all_of(read(
          {{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"LOCAL_RANK", "0"}, {"LOCAL_WORLD_SIZE", "1"}})),
      alone);
  EXPECT_EQ(all_of(read({{"SLURM_STEP_ID", "0"}, {"SLURM_NTASKS", "1"}, {"SLURM_PROCID", "0"}})),
            alone);
}

TEST(Launch, HalfASetNamesWhatIsMissing) {
  for (const auto& whole : {open_mpi(), hydra(), torchrun()}) {
    for (const auto& [name, value] : whole) {
      EXPECT_THAT(refusal(without(whole, name)), ::testing::EndsWith("but not " + name));
    }
  }
  for (const char* name : {"SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"}) {
    EXPECT_EQ(refusal(without(srun(), name)),
              std::string("the environment has part of what srun sets, but not ") + name);
  }
  EXPECT_EQ(refusal(without(without(srun(), "SLURM_STEP_NUM_TASKS"), "SLURM_NTASKS")),
            "the environment has part of what srun sets, but not SLURM_NTASKS");
  EXPECT_EQ(refusal({{"WORLD_SIZE", "4"}}),
            "the environment has part of what torchrun sets, but not RANK");
}

TEST(Launch, WhatIsNoNumberIsNamedWithItsValue) {
  for (const auto& whole : {open_mpi(), hydra(), torchrun()}) {
    for (const auto& [name, value] : whole) {
      if (name.starts_with("MASTER")) continue;
      for (const std::string bad : {"two", "1x", " 1", "1.0", "99999999999999999999"}) {
        EXPECT_EQ(refusal(with(whole, {{name, bad}})), name + "=" + bad + ": must be a number");
      }
    }
  }
  EXPECT_EQ(refusal(with(srun(), {{"SLURM_PROCID", "x"}})), "SLURM_PROCID=x: must be a number");
}

TEST(Launch, WhatDoesNotFitIsNamed) {
  EXPECT_EQ(refusal(with(open_mpi(), {{"OMPI_COMM_WORLD_RANK", "8"}})),
            "OMPI_COMM_WORLD_RANK=8: must be at least 0 and less than 8");
  EXPECT_EQ(refusal(with(hydra(), {{"PMI_RANK", "-1"}})),
            "PMI_RANK=-1: must be at least 0 and less than 4");
  EXPECT_EQ(refusal(with(hydra(), {{"MPI_LOCALRANKID", "2"}})),
            "MPI_LOCALRANKID=2: must be at least 0 and less than 2");
  EXPECT_EQ(refusal(with(torchrun(), {{"WORLD_SIZE", "0"}})),
            "WORLD_SIZE=0: must be at least 1 and less than 2147483647");
  EXPECT_EQ(refusal(with(srun(), {{"SLURM_NODEID", "3"}})),
            "SLURM_LOCALID=1: must be less than the 1 tasks of node 3 in \"2(x3),1\"");
}

}  // namespace
}  // namespace lookback
