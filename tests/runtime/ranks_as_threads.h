// Ranks as threads, each with a communicator over a transport through memory.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "runtime/communicator.h"
#include "runtime/communicator/communicator_over.h"
#include "runtime/host_name.h"
#include "tests/runtime/mailbox_transport.h"

namespace lookback::tests {

using Bytes = std::vector<std::byte>;

// Different for every sender, receiver and round.
inline Bytes content(std::size_t size, int seed) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(i * 7 + i / 251 + static_cast<std::size_t>(seed) * 31);
  }
  return bytes;
}

class CommunicatorTest : public ::testing::Test {
 protected:
  CarrierOptions options = {.timeout = std::chrono::milliseconds(20000),
                            .grace = std::chrono::milliseconds(5000),
                            .piece_bytes = 10};
  std::shared_ptr<Mailboxes> mailboxes = std::make_shared<Mailboxes>();
  std::vector<std::shared_ptr<MailboxTransport>> transports;

  void make_transports(int ranks) {
    for (int rank = 0; rank < ranks; ++rank) {
      transports.push_back(std::make_shared<MailboxTransport>(mailboxes, rank, ranks));
    }
  }

  std::unique_ptr<Communicator> join(int rank) const {
    const auto index = static_cast<std::size_t>(rank);
    return communicator_over(
        transports.at(index),
        {.rank = rank, .size = static_cast<int>(transports.size()), .local_size = 1}, options);
  }

  // What each rank's errors say: empty where it came to the end.
  std::vector<std::string> run(int ranks, const std::function<void(Communicator&)>& body) {
    if (transports.empty()) make_transports(ranks);
    std::vector<std::string> errors(transports.size());
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
      threads.emplace_back([&, rank] {
        try {
          const auto communicator = join(rank);
          body(*communicator);
          communicator->finish();
        } catch (const Error& error) {
          errors[static_cast<std::size_t>(rank)] = error.what();
        }
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_FALSE(mailboxes->wrong_sizes);
    return errors;
  }

  // "rank 1 on nodeb"
  static std::string named(int rank) {
    return "rank " + std::to_string(rank) + " on " + host_name();
  }
};

}  // namespace lookback::tests
