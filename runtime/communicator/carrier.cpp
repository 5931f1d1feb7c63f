#include "runtime/communicator/carrier.h"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <algorithm>
#include <utility>

#include "runtime/signals_held_back.h"

namespace lookback {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Time that this process has been running: one that was stopped (Ctrl-Z, or all ranks together by a
// batch system) has no right to say that the others have not answered.
class RunningTime {
 public:
  Transfers::Time now() {
    const auto read = steady_clock::now();
    passed_ += std::min<Transfers::Time>(read - last_, std::chrono::seconds(1));
    last_ = read;
    return passed_;
  }

 private:
  steady_clock::time_point last_ = steady_clock::now();
  Transfers::Time passed_ = {};
};

// How long to let the processor do other work when nothing has come. Between processes on one
// machine an answer is there within microseconds; where the cores are busy, asking all the time
// takes them from those who would answer.
class Pauses {
 public:
  void something_came() { quiet_rounds_ = 0; }
  // Zero: ask again at once.
  microseconds next(bool nothing_is_open, Transfers::Time now) {
    if (quiet_rounds_++ == 0) {
      quiet_since_ = now;
      pause_ = shortest;
    }
    const auto quiet = now - quiet_since_;
    if (quiet < asking) return microseconds(0);
    if (quiet < giving_way) {
      std::this_thread::yield();
      return microseconds(0);
    }
    const auto pause = pause_;
    pause_ = std::min(pause_ * 2, nothing_is_open ? longest_when_idle : longest);
    return pause;
  }

 private:
  static constexpr microseconds asking{20}, giving_way{60}, shortest{20}, longest{50};
  // What has left for the caller may still be here, and goes when it is asked for.
  static constexpr microseconds longest_when_idle{5000};

  std::int64_t quiet_rounds_ = 0;
  Transfers::Time quiet_since_ = {};
  microseconds pause_ = shortest;
};

}  // namespace

// What the thread does between start() and its end.
class Carrier::Rounds {
 public:
  explicit Rounds(Shared& shared)
      : shared_(shared), transfers_(*shared.transport, shared.options.piece_bytes) {}

  // Until it is to end, or something has failed.
  void run() {
    std::unique_lock lock(shared_.mutex);
    // A failure here is the caller's, who had given this thread up and goes on without it.
    while (!shared_.leave && shared_.abort_status == 0 && !shared_.failure) {
      if (shared_.finish && shared_.begun.empty() && transfers_.idle()) return;
      const auto begun = std::exchange(shared_.begun, {});
      const auto awaited = shared_.awaited;
      const auto timeout = shared_.options.timeout;
      lock.unlock();
      const auto now = time_.now();
      for (const auto& exchange : begun) transfers_.begin(exchange);
      const bool came = (!transfers_.failure() && transfers_.poll(now)) || !begun.empty();
      if (!transfers_.failure()) watch(awaited, now, timeout);
      lock.lock();
      ++shared_.rounds;
      if (!tell()) return;
      if (came) {
        pauses_.something_came();
        continue;
      }
      const auto pause = pauses_.next(transfers_.idle(), now);
      if (pause > microseconds(0)) {
        shared_.wake_carrier.wait_for(lock, pause, [&] { return shared_.has_orders(); });
      }
    }
  }

 private:
  void watch(const std::shared_ptr<Exchange>& awaited, Transfers::Time now,
             Transfers::Time timeout) {
    if (awaited != awaited_) {
      awaited_ = awaited;
      awaited_since_ = now;
    }
    if (awaited_) transfers_.check_answers(*awaited_, awaited_since_, now, timeout);
  }

  // What is new to the caller; false where that is a failure.
  bool tell() {
    auto finished = transfers_.take_finished();
    if (!finished.empty()) {
      std::ranges::move(finished, std::back_inserter(shared_.done));
      shared_.wake_caller.notify_all();
    }
    if (!transfers_.failure()) return true;
    shared_.failure = transfers_.failure();
    return false;
  }

  Shared& shared_;
  Transfers transfers_;
  RunningTime time_;
  Pauses pauses_;
  std::shared_ptr<Exchange> awaited_;
  Transfers::Time awaited_since_ = {};
};

void Carrier::carry(Shared& shared) {
  auto& transport = *shared.transport;
  // Sleeps of 20 us would become 70 with the usual slack of timers.
  constexpr unsigned long slack_nanoseconds = 1000;
  prctl(PR_SET_TIMERSLACK, slack_nanoseconds);

  const auto fails = [&] {
    return TransportFailed{
        .rank = transport.lost_rank(), .problem = transport.problem(), .exchange = ""};
  };
  const bool started = transport.start();
  std::unique_lock lock(shared.mutex);
  if (started) {
    shared.stage = Stage::carrying;
    shared.wake_caller.notify_all();
    lock.unlock();
    Rounds(shared).run();
    lock.lock();
  } else {
    shared.failure = fails();
  }
  if (shared.finish && !shared.failure && !shared.leave && shared.abort_status == 0) {
    lock.unlock();
    const bool finished = transport.finish();
    lock.lock();
    if (finished) {
      shared.stage = Stage::finished;
    } else {
      shared.failure = fails();
    }
  }
  shared.wake_caller.notify_all();
  shared.wake_carrier.wait(lock, [&] { return shared.leave || shared.abort_status != 0; });
  if (const int status = shared.abort_status; status != 0) {
    lock.unlock();
    // What has been written is on its way to the launcher, and MPICH's ends without reading it.
    std::this_thread::sleep_for(milliseconds(200));
    transport.abort(status);
    return;
  }
  shared.stage = Stage::left;
  shared.wake_caller.notify_all();
}

Carrier::Carrier(std::shared_ptr<Transport> transport, const CarrierOptions& options)
    : shared_(std::make_shared<Shared>(std::move(transport), options)) {
  {
    // MPI's own threads then get no signals either.
    const SignalsHeldBack held_back;
    thread_ = std::thread([shared = shared_] { carry(*shared); });
  }
  std::optional<Failure> failure;
  {
    std::unique_lock lock(shared_->mutex);
    const bool back = wait_until(lock, [&] { return shared_->stage == Stage::carrying; });
    failure = back ? shared_->failure : not_back("the start of MPI");
  }
  if (!failure) return;
  leave();
  throw_failure(*failure, Transport::no_rank, {});
}

Carrier::~Carrier() { leave(); }

void Carrier::leave() {
  {
    std::unique_lock lock(shared_->mutex);
    shared_->leave = true;
    shared_->wake_carrier.notify_all();
    shared_->wake_caller.wait_for(lock, shared_->options.grace,
                                  [&] { return shared_->stage == Stage::left; });
    if (shared_->stage != Stage::left) return thread_.detach();
  }
  thread_.join();
}

std::optional<Failure> Carrier::begin(std::shared_ptr<Exchange> exchange) {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->failure) return shared_->failure;
  shared_->begun.push_back(std::move(exchange));
  shared_->wake_carrier.notify_all();
  return std::nullopt;
}

std::optional<Failure> Carrier::wait(const std::shared_ptr<Exchange>& exchange) {
  std::unique_lock lock(shared_->mutex);
  shared_->awaited = exchange;
  const bool back = wait_until(lock, [&] { return std::erase(shared_->done, exchange) > 0; });
  shared_->awaited = nullptr;
  if (!back) shared_->failure = not_back(exchange->described());
  return shared_->failure;
}

void Carrier::set_timeout(std::chrono::milliseconds timeout) {
  const std::lock_guard lock(shared_->mutex);
  shared_->options.timeout = timeout;
}

std::optional<Failure> Carrier::finish() {
  std::unique_lock lock(shared_->mutex);
  shared_->finish = true;
  shared_->wake_carrier.notify_all();
  const bool back = wait_until(lock, [&] { return shared_->stage == Stage::finished; });
  if (!back) shared_->failure = not_back("the end of MPI");
  return shared_->failure;
}

void Carrier::abort(int exit_status) {
  std::unique_lock lock(shared_->mutex);
  shared_->abort_status = exit_status;
  shared_->wake_carrier.notify_all();
  shared_->wake_caller.wait_for(lock, shared_->options.grace, [] { return false; });
}

// Counted in parts, so that time in which this process was stopped does not count.
bool Carrier::wait_until(std::unique_lock<std::mutex>& lock, const std::function<bool()>& ready) {
  constexpr int parts = 50;
  const auto part = (shared_->options.timeout + shared_->options.grace) / parts + milliseconds(1);
  auto rounds = shared_->rounds;
  bool is_ready = false;
  const auto ended = [&] { return (is_ready = is_ready || ready()) || shared_->failure; };
  for (int quiet = 0; quiet < parts; ++quiet) {
    if (shared_->wake_caller.wait_for(lock, part, ended)) return true;
    if (shared_->rounds != rounds) quiet = 0;
    rounds = shared_->rounds;
  }
  return false;
}

TransportFailed Carrier::not_back(const std::string& during) const {
  const auto& options = shared_->options;
  return {.rank = Transport::no_rank,
          .problem = fmt::format("a call of MPI has not come back for {} s",
                                 seconds_text(options.timeout + options.grace)),
          .exchange = during};
}

}  // namespace lookback
