// How messages go over a transport: for one thread, which begins exchanges and polls.
//
// A message is a header of fixed size on one channel and its bytes, in pieces, on another one. The
// receiver asks for the bytes when the header says what it expects. The headers of a rank come in
// the order of its exchanges: those of later ones are read while bytes are still on the way.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/communicator.h"
#include "runtime/communicator/failure.h"
#include "runtime/communicator/transport.h"

namespace lookback {

// One call of Communicator::exchange() on this rank.
class Exchange {
 public:
  // `described`: the name with its context, for errors.
  Exchange(std::int64_t number, const std::string& name, std::string described,
           const std::vector<Send>& sends, const std::vector<Receive>& receives);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const std::string& described() const { return described_; }

 private:
  friend class Transfers;
  struct Message {
    Exchange* exchange;
    int other;  // rank
    bool incoming;
    std::byte* bytes;       // nothing writes to those that go out
    MessageHeader header;   // of what goes out; what is expected of what comes in
    MessageHeader arrived;  // instead
    std::size_t open;       // parts that are not done
  };

  void add(int other, bool incoming, const std::byte* bytes, std::size_t size);

  std::int64_t number_;
  std::string name_, described_;
  std::vector<Message> messages_;
  std::size_t open_ = 0;  // messages that are not done
};

class Transfers {
 public:
  // Since some moment, as far as this process was running.
  using Time = std::chrono::steady_clock::duration;

  Transfers(Transport& transport, std::size_t piece_bytes);

  // In the order in which all ranks begin them.
  void begin(std::shared_ptr<Exchange> exchange);
  // Whether something was done.
  bool poll(Time now);
  // Those that are done since the last call.
  std::vector<std::shared_ptr<Exchange>> take_finished();
  bool idle() const { return active_.empty(); }

  // Fails where somebody waits for `exchange` since `waiting_since`, and a rank has let `timeout`
  // pass since then without getting on with any message.
  void check_answers(const Exchange& exchange, Time waiting_since, Time now, Time timeout);

  // What went wrong: from then on nothing is begun or polled.
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  using Message = Exchange::Message;
  struct Peer {
    std::deque<Message*> expected;  // headers, the first of which the transport has been asked for
    Time last_answer = {};
  };

  void send(Message& message);
  void ask_for_header(Message& message);
  void take_header(Message& message);
  // Begins with `start` of each piece, and counts them.
  template <class Start>
  void in_pieces(Message& message, const Start& start);
  void part_done(Message& message, Time now);
  void transport_failed(const Exchange* exchange);

  Transport& transport_;
  std::size_t piece_bytes_;
  std::vector<Peer> peers_;
  std::deque<std::shared_ptr<Exchange>> active_;
  std::vector<std::shared_ptr<Exchange>> finished_;
  std::optional<Failure> failure_;
};

}  // namespace lookback
