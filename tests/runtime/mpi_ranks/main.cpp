// One rank of the runs that tests/runtime/mpi_test.cpp starts: lookback_mpi_ranks SCENARIO.
// Exit status 0, and one line on stdout, where all is as it should be.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "runtime/communicator.h"

namespace lookback {
namespace {

using Bytes = std::vector<std::byte>;

void require(bool holds, const std::string& what) {
  if (!holds) throw Error("wrong: " + what);
}

void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

std::byte value_at(std::size_t index, int seed) {
  return static_cast<std::byte>(index * 7 + index / 251 + static_cast<std::size_t>(seed) * 31);
}

Bytes content(std::size_t size, int seed) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = value_at(i, seed);
  return bytes;
}

bool holds(const Bytes& bytes, int seed) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != value_at(i, seed)) return false;
  }
  return true;
}

void gather(Communicator& ranks) {
  const int size = ranks.size();
  for (const std::size_t bytes : {0U, 1U, 3U, 1000U, 100003U}) {
    Bytes all(bytes * static_cast<std::size_t>(size));
    ranks.all_gather(content(bytes, ranks.rank()), all, "parts");
    for (int rank = 0; rank < size; ++rank) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(bytes) * rank;
      require(holds({begin, begin + static_cast<std::ptrdiff_t>(bytes)}, rank), "all_gather");
    }
  }
  const auto texts = ranks.all_gather_texts(
      std::string(static_cast<std::size_t>(ranks.rank()) * 1000, 't'), "builds");
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    require(texts[rank] == std::string(rank * 1000, 't'), "all_gather_texts");
    require(!ranks.host_of(static_cast<int>(rank)).empty(), "host_of");
  }
}

void broadcast(Communicator& ranks) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, (std::size_t{64} << 20) + 3}) {
    const int from = size == 1 ? ranks.size() - 1 : 0;
    auto bytes = ranks.rank() == from ? content(size, 5) : Bytes(size);
    ranks.broadcast(bytes, from, "weights");
    require(holds(bytes, 5), "broadcast of " + std::to_string(size));
  }
  const std::string text(12345, 'o');
  require(ranks.broadcast_text(ranks.rank() == 0 ? text : "", 0, "options") == text, "text");
}

// Every rank to every other one, sizes odd and different, two rounds under way at a time.
void pairs(Communicator& ranks) {
  struct Round {
    std::vector<Bytes> out, in;
    Communicator::Ticket ticket = 0;
  };
  const auto size_of = [](int from, int to, int round) {
    return static_cast<std::size_t>(2 * ((from * 131 + to * 37 + round * 53) % 5000) + 1);
  };
  const auto seed_of = [](int from, int to, int round) { return from * 64 + to * 8 + round; };
  const int rank = ranks.rank(), size = ranks.size();
  const auto begin = [&](int number) {
    Round round;
    std::vector<Send> sends;
    std::vector<Receive> receives;
    for (int other = 0; other < size; ++other) {
      round.out.push_back(content(size_of(rank, other, number), seed_of(rank, other, number)));
      round.in.emplace_back(size_of(other, rank, number));
    }
    for (int other = 0; other < size; ++other) {
      const auto index = static_cast<std::size_t>(other);
      if (other == rank) continue;
      sends.push_back({other, round.out[index]});
      receives.push_back({other, round.in[index]});
    }
    round.ticket = ranks.exchange(sends, receives, "round " + std::to_string(number));
    return round;
  };
  const auto end = [&](const Round& round, int number) {
    ranks.wait(round.ticket);
    for (int other = 0; other < size; ++other) {
      if (other == rank) continue;
      require(holds(round.in[static_cast<std::size_t>(other)], seed_of(other, rank, number)),
              "round " + std::to_string(number) + " from " + std::to_string(other));
    }
  };
  constexpr int rounds = 200;
  auto under_way = begin(0);
  for (int number = 1; number < rounds; ++number) {
    auto next = begin(number);
    end(under_way, number - 1);
    under_way = std::move(next);
  }
  end(under_way, rounds - 1);
}

void other_names(Communicator& ranks) {
  ranks.set_context("step 17");
  ranks.barrier(ranks.rank() == 0 ? "gradients of bucket 4" : "the norm");
}

void other_sizes(Communicator& ranks) {
  const std::size_t size = ranks.rank() == 0 ? 16 : 24;
  Bytes all(size * static_cast<std::size_t>(ranks.size()));
  ranks.all_gather(content(size, 0), all, "squares");
}

// The last rank is gone, in one way or the other, between two messages.
void last_one(Communicator& ranks, const std::function<void()>& goes) {
  ranks.set_context("step 17");
  ranks.barrier("before");
  if (ranks.rank() == ranks.size() - 1) goes();
  ranks.barrier("gradients of bucket 4");
}

// abort() runs nothing of the end of a process: its threads may be using what that would destroy.
struct SaysItsEnd {
  bool armed = false;
  ~SaysItsEnd() {
    if (armed) say("destroyed");
  }
};
SaysItsEnd says_its_end;

void aborts_at_last(Communicator& ranks) {
  says_its_end.armed = true;
  ranks.abort(7);
}

void throws_at_last() { throw Error("out of memory"); }

volatile sig_atomic_t caught = 0;

void handler(int signal) { caught = signal; }

void set_handler(int signal) {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigaction(signal, &action, nullptr);
}

// Handlers that were there before MPI still are, and later ones work; MPI has set none.
constexpr int set_before[] = {SIGINT, SIGBUS, SIGSEGV, SIGUSR1};
constexpr int set_by_nobody[] = {SIGABRT, SIGFPE, SIGILL};

auto handler_of(int signal) {
  struct sigaction found = {};
  sigaction(signal, nullptr, &found);
  return found.sa_handler;
}

std::map<int, decltype(handler_of(0))> handlers_before;

void set_handlers_before_mpi() {
  for (const int signal : set_before) set_handler(signal);
  for (const int signal : set_by_nobody) handlers_before[signal] = handler_of(signal);
}

void signals(Communicator& ranks) {
  set_handler(SIGTERM);
  set_handler(SIGUSR2);
  for (const int signal : {SIGINT, SIGBUS, SIGSEGV, SIGUSR1, SIGTERM, SIGUSR2}) {
    caught = 0;
    kill(getpid(), signal);
    for (int i = 0; i < 1000 && caught != signal; ++i) usleep(1000);
    require(caught == signal, "signal " + std::to_string(signal));
    ranks.barrier("after a signal");
  }
  for (const int signal : set_by_nobody) {
    require(handler_of(signal) == handlers_before.at(signal),
            "handler of signal " + std::to_string(signal));
  }
}

// More than 2^31 bytes, by hand: what is received is checked where it lies.
void large(Communicator& ranks) {
  const std::size_t size = (std::size_t{1} << 31) + 12345;
  if (ranks.rank() == 0) {
    const auto out = content(size, 3);
    ranks.wait(ranks.exchange({{1, out}}, {}, "large"));
  } else {
    Bytes in(size);
    ranks.wait(ranks.exchange({}, {{0, in}}, "large"));
    require(holds(in, 3), "large");
  }
}

int run(const std::string& scenario, std::chrono::seconds timeout) {
  if (scenario == "signals") set_handlers_before_mpi();
  const auto ranks = connect(read_launch(), timeout);
  const auto raise_it = [](int signal) { return [signal] { kill(getpid(), signal); }; };
  const std::map<std::string, std::function<void(Communicator&)>> scenarios = {
      {"gather", gather},
      {"broadcast", broadcast},
      {"pairs", pairs},
      {"other-names", other_names},
      {"other-sizes", other_sizes},
      {"killed", [&](Communicator& all) { last_one(all, raise_it(SIGKILL)); }},
      {"stopped", [&](Communicator& all) { last_one(all, raise_it(SIGSTOP)); }},
      {"aborts", [&](Communicator& all) { last_one(all, [&] { aborts_at_last(all); }); }},
      {"throws", [](Communicator& all) { last_one(all, throws_at_last); }},
      {"signals", signals},
      {"large", large}};
  const std::string who = "rank " + std::to_string(ranks->rank()) + " of ";
  try {
    scenarios.at(scenario)(*ranks);
    ranks->finish();
    say(who + std::to_string(ranks->size()) + ": fine");
    return 0;
  } catch (const Error& error) {
    say(who + std::to_string(ranks->size()) + ": " + error.what());
    // What was thrown here ends this process alone, and by that the run; the others end all.
    if (scenario == "throws" && ranks->rank() == ranks->size() - 1) throw;
    ranks->abort(5);
  }
}

}  // namespace
}  // namespace lookback

int main(int count, char** arguments) {
  if (count < 3) return 2;
  try {
    return lookback::run(arguments[1], std::chrono::seconds(std::atoi(arguments[2])));
  } catch (const std::exception& error) {
    std::fputs((std::string(error.what()) + "\n").c_str(), stderr);
    return 3;
  }
}
