// The thread that calls the transport, for the one that computes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/communicator/failure.h"
#include "runtime/communicator/transfers.h"
#include "runtime/communicator/transport.h"

namespace lookback {

struct CarrierOptions {
  std::chrono::milliseconds timeout;  // how long a rank may leave another one waiting
  // How much longer than that a single call of the transport may take, and how long an end may.
  std::chrono::milliseconds grace = std::chrono::seconds(5);
  std::size_t piece_bytes = Communicator::largest_piece_bytes;
};

// A transport's calls return soon, but for start(), finish() and what is broken: where it does not
// come back the thread is left alone, with what it uses.
class Carrier {
 public:
  // Starts the transport. Throws PeerLost or Error where it does not start.
  Carrier(std::shared_ptr<Transport> transport, const CarrierOptions& options);
  // Without finish() the transport is left as it is.
  ~Carrier();
  Carrier(const Carrier&) = delete;
  Carrier& operator=(const Carrier&) = delete;

  int rank() const { return shared_->transport->rank(); }
  int size() const { return shared_->transport->size(); }

  // These two throw nothing of what has failed, and say it.
  std::optional<Failure> begin(std::shared_ptr<Exchange> exchange);
  std::optional<Failure> wait(const std::shared_ptr<Exchange>& exchange);

  void set_timeout(std::chrono::milliseconds timeout);

  // Once every exchange is done.
  std::optional<Failure> finish();

  // Asks for the end of all ranks, and gives it some time.
  void abort(int exit_status);

 private:
  enum class Stage { starting, carrying, finished, left };

  // What both threads see, under the mutex but for the transport.
  struct Shared {
    Shared(std::shared_ptr<Transport> given, const CarrierOptions& given_options)
        : transport(std::move(given)), options(given_options) {}

    std::shared_ptr<Transport> transport;
    CarrierOptions options;
    std::mutex mutex;
    std::condition_variable wake_carrier, wake_caller;
    // For the carrier.
    std::vector<std::shared_ptr<Exchange>> begun;
    std::shared_ptr<Exchange> awaited;
    bool finish = false, leave = false;
    int abort_status = 0;
    // Of the carrier.
    Stage stage = Stage::starting;
    std::vector<std::shared_ptr<Exchange>> done;
    std::optional<Failure> failure;
    std::uint64_t rounds =
        0;  // by which a carrier that has come back is told from one that has not

    bool has_orders() const { return !begun.empty() || finish || leave || abort_status != 0; }
  };

  class Rounds;
  static void carry(Shared& shared);
  void leave();
  // Until `ready`, or the carrier has failed; false where it does not come back.
  bool wait_until(std::unique_lock<std::mutex>& lock, const std::function<bool()>& ready);
  TransportFailed not_back(const std::string& during) const;

  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace lookback
