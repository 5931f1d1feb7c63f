// What goes wrong between ranks, and how it is said.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace lookback {

// The name of messages by which a rank says that it has come to its end.
inline constexpr const char* name_of_last_words = "how this rank has ended";

// Goes before the bytes of every message.
struct MessageHeader {
  std::uint64_t magic;  // of this layout
  std::int64_t exchange;
  std::uint64_t bytes;
  char name[104];  // cut to fit, closed by 0

  MessageHeader() = default;
  MessageHeader(std::int64_t number, std::size_t size, const std::string& full_name);
  bool operator==(const MessageHeader&) const = default;
};
static_assert(sizeof(MessageHeader) == 128);

// The ranks let the time run out.
struct Unanswered {
  std::vector<int> ranks;
  std::chrono::milliseconds timeout;
  std::string exchange;  // described
};

// The transport says so; `rank` is Transport::no_rank where it does not say whose message it was.
struct TransportFailed {
  int rank;
  std::string problem;
  std::string exchange;  // described, or empty
};

struct OtherMessage {
  int from;
  MessageHeader arrived, expected;
  std::string exchange;  // described
};

using Failure = std::variant<Unanswered, TransportFailed, OtherMessage>;

// Throws PeerLost or Error. `hosts`: of each rank, or empty where they are not known yet.
[[noreturn]] void throw_failure(const Failure& failure, int own_rank,
                                const std::vector<std::string>& hosts);

// "120", "0.5"
std::string seconds_text(std::chrono::milliseconds time);

}  // namespace lookback
