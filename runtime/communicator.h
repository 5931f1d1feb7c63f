// What the ranks of a run say to each other: messages of bytes. No sums: whoever adds up what has
// arrived knows the order in which that must be done.
//
// Every rank makes the same calls in the same order. A message carries the number of its call, a
// name and its size, which the receiver compares with its own before it takes the rest: ranks that
// are about to do different things get an Error that names both, in place of a hang or wrong bytes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/error.h"
#include "runtime/launch.h"

namespace lookback {

struct Send {
  int to;
  std::span<const std::byte> bytes;
};

struct Receive {
  int from;
  std::span<std::byte> bytes;
};

// "rank 3 on nodeb has not answered for 120 s (step 17, gradients of bucket 4)"
class PeerLost : public Error {
 public:
  PeerLost(int rank, const std::string& what) : Error(what), rank_(rank) {}
  int rank() const { return rank_; }

 private:
  int rank_;
};

// A rank is at its last_words(), which it has for the others and this one does not listen to.
class PeerEnded : public Error {
 public:
  using Error::Error;
};

// Of one thread, but for abort(), which any thread may call.
//
// An Error or PeerLost from waiting says that the ranks no longer go the same way. The memory of
// calls that were under way is not touched any more, every later call throws the same, and what is
// left to do is to say so and to abort().
class Communicator {
 public:
  using Ticket = std::int64_t;

  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual const std::string& host_of(int rank) const = 0;

  // Begins to send and to receive; goes on while the caller computes. A rank with nothing to do in
  // it calls it with empty lists. No message may be for, or from, this rank itself. Several for one
  // rank go in the order of the list. The memory is the callers' again after wait().
  virtual Ticket exchange(std::vector<Send> sends, std::vector<Receive> receives,
                          std::string name) = 0;
  // Once for each ticket, in any order. Throws PeerLost when a rank that something is sent to or
  // received from lets the time run out: none of its messages has got on for so long.
  virtual void wait(Ticket ticket) = 0;

  // How long another rank may leave this one waiting, from here on.
  virtual void set_timeout(std::chrono::seconds timeout) = 0;

  // The normal end: all ranks have come here. Throws PeerLost where one has not. The destructor
  // calls it, and lets no exception out, where nobody has and no exception is in flight. A process
  // that ends in another way has failed, for the launcher, which ends the others.
  virtual void finish() = 0;

  // Ends all ranks, and this process with this status (1 to 255). Nothing of this process's own end
  // runs: flush before. Does not hang, whatever the others do.
  [[noreturn]] void abort(int exit_status);

  // What follows here is made of exchange() and wait(), and waits for its end.

  // all[r * mine.size() ..] is what rank r gave: as many bytes on every rank.
  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all, std::string name);
  // The same for texts of any length: one of each rank.
  std::vector<std::string> all_gather_texts(const std::string& mine, const std::string& name);
  // What rank `from` holds, on all. Large ones go in pieces of `largest_piece_bytes`.
  void broadcast(std::span<std::byte> bytes, int from, const std::string& name);
  std::string broadcast_text(std::string text, int from, const std::string& name);
  // All ranks have come here.
  void barrier(std::string name);

  // Of a rank that something went wrong for: gives the others the reason. What all say, where all
  // have come here within a few seconds; none where some go on, or do not answer: they get
  // PeerEnded where they wait for this one.
  std::optional<std::vector<std::string>> last_words(const std::string& own);

  // Stands before the name of a call in messages of errors: "step 17".
  void set_context(std::string context) { context_ = std::move(context); }

  static constexpr std::size_t largest_piece_bytes = std::size_t{64} << 20;

 protected:
  Communicator() = default;
  // Ends the other ranks. May end this process as well.
  virtual void end_all_ranks(int exit_status) = 0;
  // "step 17, gradients of bucket 4"
  std::string in_context(const std::string& name) const;

 private:
  std::string context_;
};

// Rank 0 of 1: exchanges of nothing.
std::unique_ptr<Communicator> single_process();

// The run that this process was launched into; single_process() where it is alone. `timeout` is how
// long a rank may leave another one waiting, from the start on.
//
// Throws LaunchError where nothing here can carry messages for that launcher, Error where MPI's
// module is missing or MPI does not start, PeerLost where a rank does not come.
std::unique_ptr<Communicator> connect(const Launch& launch, std::chrono::seconds timeout);

}  // namespace lookback
