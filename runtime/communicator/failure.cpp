#include "runtime/communicator/failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "runtime/check.h"
#include "runtime/communicator.h"
#include "runtime/communicator/transport.h"

namespace lookback {
namespace {

constexpr std::uint64_t layout_magic = 0x31'6b'63'61'62'6b'6f'6c;

class Thrower {
 public:
  Thrower(int own_rank, const std::vector<std::string>& hosts)
      : own_rank_(own_rank), hosts_(hosts) {}

  void operator()(const Unanswered& failure) const {
    const auto first = failure.ranks.front();
    auto who = named(first);
    if (failure.ranks.size() == 2) who += " and " + named(failure.ranks.back());
    if (failure.ranks.size() > 2) who += fmt::format(" and {} others", failure.ranks.size() - 1);
    throw PeerLost(first, fmt::format("{} {} not answered for {} s ({})", who,
                                      failure.ranks.size() == 1 ? "has" : "have",
                                      seconds_text(failure.timeout), failure.exchange));
  }

  void operator()(const TransportFailed& failure) const {
    const auto during = failure.exchange.empty() ? "" : " (" + failure.exchange + ")";
    if (failure.rank == Transport::no_rank) fail("communicator", "{}{}", failure.problem, during);
    throw PeerLost(failure.rank, fmt::format("{} cannot be reached any more: {}{}",
                                             named(failure.rank), failure.problem, during));
  }

  void operator()(const OtherMessage& failure) const {
    const auto& arrived = failure.arrived;
    if (arrived.magic != layout_magic) {
      fail("communicator", "{} sends messages of another build of Lookback than {}",
           named(failure.from), named(own_rank_));
    }
    if (name_in(arrived) == name_of_last_words)
      throw PeerEnded(fmt::format("{} has ended ({})", named(failure.from), failure.exchange));
    fail("communicator",
         "{} and {} are not about to do the same ({}): rank {} sends {}, rank {} expects {}",
         named(failure.from), named(own_rank_), failure.exchange, failure.from, content(arrived),
         own_rank_, content(failure.expected));
  }

 private:
  std::string named(int rank) const {
    const auto index = static_cast<std::size_t>(rank);
    if (index >= hosts_.size()) return fmt::format("rank {}", rank);
    return fmt::format("rank {} on {}", rank, hosts_[index]);
  }

  // What has arrived may be anything: its name need not be closed.
  static std::string name_in(const MessageHeader& header) {
    return {header.name, strnlen(header.name, sizeof(header.name))};
  }
  static std::string content(const MessageHeader& header) {
    return fmt::format("message {} \"{}\" of {} bytes", header.exchange, name_in(header),
                       header.bytes);
  }

  int own_rank_;
  const std::vector<std::string>& hosts_;
};

}  // namespace

MessageHeader::MessageHeader(std::int64_t number, std::size_t size, const std::string& full_name)
    : magic(layout_magic), exchange(number), bytes(size), name{} {
  std::copy_n(full_name.data(), std::min(full_name.size(), sizeof(name) - 1), name);
}

void throw_failure(const Failure& failure, int own_rank, const std::vector<std::string>& hosts) {
  std::visit(Thrower(own_rank, hosts), failure);
  fail("communicator", "failed");
}

std::string seconds_text(std::chrono::milliseconds time) {
  const auto count = time.count();
  if (count % 1000 == 0) return fmt::format("{}", count / 1000);
  return fmt::format("{:.1f}", static_cast<double>(count) / 1000);
}

}  // namespace lookback
