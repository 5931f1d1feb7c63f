// What is said where ranks do not go the same way, do not answer or cannot be reached.
#include "runtime/communicator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "runtime/communicator/communicator_over.h"
#include "runtime/host_name.h"
#include "tests/runtime/ranks_as_threads.h"

namespace lookback {
namespace {

using std::chrono::milliseconds;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tests::Bytes;
using tests::CommunicatorTest;
using tests::content;
using tests::Mailboxes;

TEST_F(CommunicatorTest, DifferentNamesAreNamed) {
  options.timeout = milliseconds(500);
  const auto errors = run(2, [&](Communicator& communicator) {
    communicator.set_context("step 17");
    Bytes all(6);
    communicator.all_gather(content(3, 0), all, communicator.rank() == 0 ? "gradients" : "weights");
  });
  EXPECT_EQ(errors[0], "[communicator] " + named(1) + " and " + named(0) +
                           " are not about to do the same (step 17, gradients): rank 1 sends "
                           "message 2 \"weights\" of 3 bytes, rank 0 expects message 2 "
                           "\"gradients\" of 3 bytes");
  EXPECT_EQ(errors[1], "[communicator] " + named(0) + " and " + named(1) +
                           " are not about to do the same (step 17, weights): rank 0 sends "
                           "message 2 \"gradients\" of 3 bytes, rank 1 expects message 2 "
                           "\"weights\" of 3 bytes");
}

TEST_F(CommunicatorTest, DifferentSizesAreNamed) {
  options.timeout = milliseconds(500);
  const auto errors = run(2, [&](Communicator& communicator) {
    const auto size = communicator.rank() == 0 ? 3U : 4U;
    Bytes all(2 * size);
    communicator.all_gather(content(size, 0), all, "parts");
  });
  EXPECT_THAT(errors[0], HasSubstr("rank 1 sends message 2 \"parts\" of 4 bytes, rank 0 expects "
                                   "message 2 \"parts\" of 3 bytes"));
  EXPECT_THAT(errors[1], HasSubstr("rank 0 sends message 2 \"parts\" of 3 bytes, rank 1 expects "
                                   "message 2 \"parts\" of 4 bytes"));
}

// One rank has made a call more.
TEST_F(CommunicatorTest, AnotherNumberOfCallsIsNamed) {
  options.timeout = milliseconds(500);
  const auto errors = run(2, [&](Communicator& communicator) {
    if (communicator.rank() == 1) communicator.wait(communicator.exchange({}, {}, "nothing"));
    communicator.barrier("together");
  });
  EXPECT_THAT(errors[0], HasSubstr("rank 1 sends message 3 \"together\" of 0 bytes, rank 0 expects "
                                   "message 2 \"together\" of 0 bytes"));
}

TEST_F(CommunicatorTest, LongNamesAreCutToFit) {
  const auto errors = run(2, [&](Communicator& communicator) {
    communicator.barrier(std::string(500, 'n') + std::to_string(communicator.rank()));
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

TEST_F(CommunicatorTest, OneThatDoesNotAnswerIsNamed) {
  options.timeout = milliseconds(300);
  const auto errors = run(3, [&](Communicator& communicator) {
    communicator.set_context("step 17");
    if (communicator.rank() == 2) {
      std::this_thread::sleep_for(milliseconds(1500));
      return;
    }
    Communicator::Ticket ticket = 0;
    Bytes in(3);
    const auto out = content(3, 0);
    const int other = 1 - communicator.rank();
    ticket = communicator.exchange({{other, out}, {2, out}}, {{2, in}}, "bucket 4");
    communicator.set_context("step 18");
    EXPECT_THROW(
        {
          try {
            communicator.wait(ticket);
          } catch (const PeerLost& lost) {
            EXPECT_EQ(lost.rank(), 2);
            throw;
          }
        },
        PeerLost);
    communicator.barrier("the next one");  // throws the same
  });
  const auto expected = named(2) + " has not answered for 0.3 s (step 17, bucket 4)";
  EXPECT_EQ(errors[0], expected);
  EXPECT_EQ(errors[1], expected);
}

TEST_F(CommunicatorTest, SeveralThatDoNotAnswerAreCounted) {
  options.timeout = milliseconds(300);
  for (const int ranks : {3, 4}) {
    transports.clear();
    mailboxes = std::make_shared<Mailboxes>();
    const auto errors = run(ranks, [&](Communicator& communicator) {
      if (communicator.rank() > 0) {
        std::this_thread::sleep_for(milliseconds(1000));
        return;
      }
      communicator.barrier("together");
    });
    EXPECT_EQ(errors[0],
              ranks == 3 ? named(1) + " and " + named(2) + " have not answered for 0.3 s (together)"
                         : named(1) +
                               " and 2 others have not answered for 0.3 s "
                               "(together)");
  }
}

// A rank may take its time as long as nobody waits, and messages that get on count.
TEST_F(CommunicatorTest, OnlyTimeWithoutAnyMessageCounts) {
  options.timeout = milliseconds(600);
  const auto errors = run(2, [&](Communicator& communicator) {
    Bytes in(3);
    const auto out = content(3, 0);
    const int other = 1 - communicator.rank();
    const auto exchange = [&](const std::string& name) {
      return communicator.exchange({{other, out}}, {{other, in}}, name);
    };
    if (communicator.rank() == 0) {
      const std::vector tickets = {exchange("a"), exchange("b"), exchange("c"), exchange("d")};
      std::this_thread::sleep_for(milliseconds(900));  // nobody waits here
      communicator.wait(tickets[3]);
      for (const int index : {0, 1, 2}) communicator.wait(tickets[static_cast<std::size_t>(index)]);
    } else {
      std::this_thread::sleep_for(milliseconds(1100));
      for (const char* name : {"a", "b", "c", "d"}) {
        communicator.wait(exchange(name));
        std::this_thread::sleep_for(milliseconds(300));  // all together longer than the timeout
      }
    }
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

// The header is there in time; the bytes come when nobody waits for them any more.
TEST_F(CommunicatorTest, MemoryIsNotTouchedAfterAnError) {
  options.timeout = milliseconds(300);
  const auto errors = run(2, [&](Communicator& communicator) {
    if (communicator.rank() == 1) {
      const MessageHeader header(2, 5, "late");
      const auto out = content(5, 1);
      mailboxes->put(1, 0, Transport::Channel::headers, reinterpret_cast<const std::byte*>(&header),
                     sizeof(header));
      std::this_thread::sleep_for(milliseconds(800));
      mailboxes->put(1, 0, Transport::Channel::payloads, out.data(), out.size());
      std::this_thread::sleep_for(milliseconds(300));
      return;
    }
    Bytes in(5, std::byte{42});
    EXPECT_THROW(communicator.wait(communicator.exchange({}, {{1, in}}, "late")), PeerLost);
    std::this_thread::sleep_for(milliseconds(1000));
    EXPECT_EQ(in, Bytes(5, std::byte{42}));
  });
}

TEST_F(CommunicatorTest, WhatTheTransportSaysIsSaid) {
  options.timeout = milliseconds(300);
  const auto errors = run(2, [&](Communicator& communicator) {
    if (communicator.rank() == 0) transports[0]->unreachable = 1;
    communicator.barrier("together");
  });
  EXPECT_EQ(errors[0], named(1) + " cannot be reached any more: the wire is cut (together)");
}

TEST_F(CommunicatorTest, AStartThatDoesNotComeBackIsAnError) {
  options.timeout = milliseconds(200);
  options.grace = milliseconds(100);
  make_transports(2);
  transports[0]->hangs_in_start = true;
  transports[1]->does_not_start = true;
  const auto errors = run(2, [](Communicator&) {});
  EXPECT_EQ(errors[0],
            "[communicator] a call of MPI has not come back for 0.3 s (the start of MPI)");
  EXPECT_EQ(errors[1], "[communicator] the wire is cut");
  transports[0]->hangs_in_start = false;
}

TEST_F(CommunicatorTest, ACallThatDoesNotComeBackIsAnError) {
  options.timeout = milliseconds(200);
  options.grace = milliseconds(100);
  const auto errors = run(2, [&](Communicator& communicator) {
    const auto out = content(5, 1);
    Bytes in(5, std::byte{42});
    if (communicator.rank() == 1) {
      communicator.wait(communicator.exchange({{0, out}}, {}, "to one that hangs"));
      std::this_thread::sleep_for(milliseconds(700));
      return;
    }
    transports[0]->hangs_in_poll = true;
    const auto ticket = communicator.exchange({}, {{1, in}}, "to one that hangs");
    EXPECT_THROW(communicator.wait(ticket), Error);
    // It comes back later, and touches nothing any more.
    transports[0]->hangs_in_poll = false;
    std::this_thread::sleep_for(milliseconds(100));
    EXPECT_EQ(in, Bytes(5, std::byte{42}));
    communicator.barrier("the next one");  // throws the same
  });
  EXPECT_EQ(errors[0],
            "[communicator] a call of MPI has not come back for 0.3 s (to one that hangs)");
}

TEST_F(CommunicatorTest, AnEndThatDoesNotComeBackIsAnError) {
  options.timeout = milliseconds(200);
  options.grace = milliseconds(100);
  make_transports(2);
  transports[0]->hangs_in_finish = true;
  const auto errors = run(2, [](Communicator&) {});
  EXPECT_EQ(errors[0], "[communicator] a call of MPI has not come back for 0.3 s (the end of MPI)");
  EXPECT_EQ(errors[1], "");
  transports[0]->hangs_in_finish = false;
}

TEST_F(CommunicatorTest, TheDestructorFinishesWhereNothingWentWrong) {
  make_transports(2);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank) threads.emplace_back([&, rank] { join(rank); });
  for (auto& thread : threads) thread.join();
  for (const auto& transport : transports) EXPECT_TRUE(transport->is_finished);

  transports.clear();
  const auto errors = run(2, [](Communicator&) { throw Error("out of memory"); });
  EXPECT_THAT(errors, Each("out of memory"));
  for (const auto& transport : transports) EXPECT_FALSE(transport->is_finished);
}

}  // namespace
}  // namespace lookback
