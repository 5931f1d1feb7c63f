// What ranks say to each other, over a transport through memory; mpi_test.cpp has it over MPI, and
// communicator_failure_test.cpp what goes wrong.
#include "runtime/communicator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "runtime/communicator/communicator_over.h"
#include "runtime/host_name.h"
#include "tests/runtime/ranks_as_threads.h"

namespace lookback {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tests::Bytes;
using tests::CommunicatorTest;
using tests::content;

TEST_F(CommunicatorTest, KnowsItsPlaceAndTheHosts) {
  const auto errors = run(3, [&](Communicator& communicator) {
    EXPECT_EQ(communicator.size(), 3);
    EXPECT_EQ(communicator.host_of(communicator.rank()), host_name());
    EXPECT_THROW(communicator.host_of(3), Error);
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
  for (const auto& transport : transports) EXPECT_TRUE(transport->is_finished);
}

TEST_F(CommunicatorTest, AllGatherPutsRanksInOrder) {
  for (const std::size_t size : {0U, 1U, 10U, 37U}) {
    const auto errors = run(4, [&](Communicator& communicator) {
      const auto mine = content(size, communicator.rank());
      Bytes all(4 * size);
      communicator.all_gather(mine, all, "parts");
      for (int rank = 0; rank < 4; ++rank) {
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(size) * rank;
        EXPECT_EQ(Bytes(begin, begin + static_cast<std::ptrdiff_t>(size)), content(size, rank));
      }
    });
    EXPECT_THAT(errors, Each(IsEmpty()));
    transports.clear();
  }
}

TEST_F(CommunicatorTest, BroadcastsFromEveryRank) {
  for (const int ranks : {1, 2, 3, 5, 8}) {
    const auto errors = run(ranks, [&](Communicator& communicator) {
      for (int from = 0; from < ranks; ++from) {
        for (const std::size_t size : {0U, 1U, 23U}) {
          auto bytes = communicator.rank() == from ? content(size, from) : Bytes(size);
          communicator.broadcast(bytes, from, "weights");
          EXPECT_EQ(bytes, content(size, from));
        }
        const auto text = "from " + std::string(static_cast<std::size_t>(from), 'x');
        EXPECT_EQ(communicator.broadcast_text(communicator.rank() == from ? text : "other", from,
                                              "options"),
                  text);
      }
    });
    EXPECT_THAT(errors, Each(IsEmpty()));
    transports.clear();
  }
}

TEST_F(CommunicatorTest, GathersTextsOfDifferentLength) {
  const auto errors = run(3, [&](Communicator& communicator) {
    const auto rank = static_cast<std::size_t>(communicator.rank());
    EXPECT_THAT(communicator.all_gather_texts(std::string(rank * 11, 'a'), "builds"),
                ::testing::ElementsAre("", std::string(11, 'a'), std::string(22, 'a')));
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

// Three exchanges under way at once, each with two messages for every other rank, waited for in
// another order; pieces of 10 bytes.
TEST_F(CommunicatorTest, MessagesUnderWayDoNotMix) {
  constexpr int ranks = 4, count = 3;
  const auto size_of = [](int from, int to, int index) {
    return static_cast<std::size_t>((from * 13 + to * 29 + index * 17) % 47);
  };
  const auto seed_of = [](int from, int to, int index) { return from * 100 + to * 10 + index; };
  const auto errors = run(ranks, [&](Communicator& communicator) {
    const int rank = communicator.rank();
    std::vector<Bytes> out, in;
    out.reserve(100);
    in.reserve(100);
    std::vector<Communicator::Ticket> tickets;
    for (int call = 0; call < count; ++call) {
      std::vector<Send> sends;
      std::vector<Receive> receives;
      for (int other = 0; other < ranks; ++other) {
        if (other == rank) continue;
        for (int index = 2 * call; index < 2 * call + 2; ++index) {
          out.push_back(content(size_of(rank, other, index), seed_of(rank, other, index)));
          in.emplace_back(size_of(other, rank, index));
          sends.push_back({other, out.back()});
          receives.push_back({other, in.back()});
        }
      }
      tickets.push_back(communicator.exchange(sends, receives, "round " + std::to_string(call)));
    }
    for (const int call : {1, 2, 0}) communicator.wait(tickets[static_cast<std::size_t>(call)]);
    auto received = in.begin();
    for (int call = 0; call < count; ++call) {
      for (int other = 0; other < ranks; ++other) {
        if (other == rank) continue;
        for (int index = 2 * call; index < 2 * call + 2; ++index) {
          EXPECT_EQ(*received++, content(size_of(other, rank, index), seed_of(other, rank, index)));
        }
      }
    }
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
  for (const auto& transport : transports) EXPECT_EQ(transport->largest_sent, 10U);
}

TEST_F(CommunicatorTest, WrongCallsAreRefused) {
  const auto errors = run(2, [&](Communicator& communicator) {
    const auto refusal = [&](const std::function<void()>& call) -> std::string {
      try {
        call();
      } catch (const Error& error) {
        return error.what();
      }
      return "not refused";
    };
    Bytes bytes(3);
    const int rank = communicator.rank();
    const auto self = std::to_string(rank);
    EXPECT_EQ(refusal([&] {
                communicator.exchange({{rank, bytes}}, {}, "x");
              }),
              "[communicator] \"x\": rank " + self + " of 2 cannot exchange with rank " + self);
    EXPECT_EQ(refusal([&] {
                communicator.exchange({}, {{rank, bytes}}, "x");
              }),
              "[communicator] \"x\": rank " + self + " of 2 cannot exchange with rank " + self);
    EXPECT_EQ(refusal([&] {
                communicator.exchange({{2, bytes}}, {}, "x");
              }),
              "[communicator] \"x\": rank " + self + " of 2 cannot exchange with rank 2");
    EXPECT_EQ(refusal([&] { communicator.wait(99); }),
              "[communicator] there is no exchange 99 to wait for");
    EXPECT_EQ(refusal([&] { communicator.broadcast(bytes, 2, "x"); }),
              "[communicator] broadcast \"x\" from rank 2 of 2");
    EXPECT_EQ(refusal([&] { communicator.all_gather(bytes, bytes, "x"); }),
              "[communicator] all_gather \"x\": 3 bytes from each of 2 ranks into 3");
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

TEST_F(CommunicatorTest, AnotherPlaceThanTheLaunchersIsRefused) {
  make_transports(2);
  try {
    communicator_over(transports[0], {.rank = 0, .size = 4}, options);
    ADD_FAILURE() << "not refused";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("rank 0 of 2, its launcher rank 0 of 4"));
  }
}

TEST(SingleProcess, ExchangesNothing) {
  const auto one = single_process();
  EXPECT_EQ(one->rank(), 0);
  EXPECT_EQ(one->size(), 1);
  EXPECT_EQ(one->host_of(0), host_name());
  one->wait(one->exchange({}, {}, "nothing"));
  one->barrier("together");
  Bytes bytes = content(9, 3), all(9);
  one->all_gather(bytes, all, "parts");
  EXPECT_EQ(all, bytes);
  one->broadcast(bytes, 0, "weights");
  EXPECT_EQ(bytes, content(9, 3));
  EXPECT_EQ(one->broadcast_text("as it is", 0, "options"), "as it is");
  EXPECT_THAT(one->all_gather_texts("mine", "builds"), ::testing::ElementsAre("mine"));
  EXPECT_THROW(one->exchange({{1, bytes}}, {}, "x"), Error);
  EXPECT_THROW(one->wait(99), Error);
  one->finish();
  EXPECT_EXIT(single_process()->abort(7), ::testing::ExitedWithCode(7), "");
}

TEST(Connect, OneProcessNeedsNothing) {
  EXPECT_EQ(connect({}, std::chrono::seconds(1))->size(), 1);
}

std::string refusal(const Launch& launch) {
  try {
    connect(launch, std::chrono::seconds(1));
  } catch (const Error& error) {
    return error.what();
  }
  return "not refused";
}

TEST(Connect, SaysWhatWouldWork) {
  EXPECT_EQ(refusal({.rank = 1, .size = 4, .kind = Launch::Kind::torchrun}),
            "torchrun has started 4 processes, which Lookback cannot connect: mpirun -n 4 does");
  EXPECT_EQ(refusal({.rank = 1, .size = 4, .kind = Launch::Kind::slurm}),
            "srun has started 4 tasks with no MPI between them: srun --mpi=pmix (Open MPI), srun "
            "--mpi=pmi2 (MPICH) or mpirun connects them");
}

TEST(Connect, WithoutTheModuleSaysWhichPackageToInstall) {
  setenv("LOOKBACK_MPI_MODULE", "/nowhere/module.so", 1);
  const Launch launch{.size = 2, .kind = Launch::Kind::open_mpi, .mpi = Launch::Mpi::open_mpi};
  EXPECT_THAT(refusal(launch),
              HasSubstr("[communicator] no lookback_mpi_openmpi.so that can be used; tried "
                        "/nowhere/module.so"));
  EXPECT_THAT(refusal(launch), HasSubstr("This run was started for Open MPI: install "
                                         "libopenmpi-dev and build Lookback again"));
  const Launch other{.size = 2, .kind = Launch::Kind::pmi, .mpi = Launch::Mpi::mpich};
  EXPECT_THAT(refusal(other), HasSubstr("install libmpich-dev and build"));
  unsetenv("LOOKBACK_MPI_MODULE");
}

}  // namespace
}  // namespace lookback
