// What an MPI implementation does for a communicator. Its module (mpi/) is a shared library of its
// own, so that the program needs no MPI where nobody uses one, and takes the one that the launcher
// belongs to: nothing but plain types and no exception passes between the two.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lookback {

// Of one thread, which makes all calls.
class Transport {
 public:
  // Messages between two ranks arrive in the order in which they were sent, for each channel.
  enum class Channel : std::uint8_t { headers, payloads };
  static constexpr int no_rank = -1;

  // Who has left by himself is not waited for: there is no end in the destructor.
  virtual ~Transport() = default;

  // The calls that may fail give false (poll(): -1), and problem() then says why.
  virtual bool start() noexcept = 0;
  virtual int rank() const noexcept = 0;
  virtual int size() const noexcept = 0;

  // Begin; poll() gives the token back when it is done. At most 2^31 - 1 bytes.
  virtual bool send(int to, Channel channel, const std::byte* bytes, std::size_t count,
                    void* token) noexcept = 0;
  virtual bool receive(int from, Channel channel, std::byte* bytes, std::size_t count,
                       void* token) noexcept = 0;

  // Goes on with everything that has begun, also where that is nothing: messages that have left
  // from the caller's point of view may still be here. How many are done, and in `tokens` which;
  // they stand there until the next call.
  virtual int poll(void* const*& tokens) noexcept = 0;

  // The normal end, once everything is done.
  virtual bool finish() noexcept = 0;
  // Ends all ranks and this process.
  virtual void abort(int exit_status) noexcept = 0;

  virtual const char* problem() const noexcept = 0;
  // Whose message could not get on, where that is known: no_rank where not.
  virtual int lost_rank() const noexcept = 0;
};

// Increased with every change of what stands above: a program takes no module of another build.
constexpr int transport_version = 1;

// What a module exports, by these names.
constexpr const char* transport_version_symbol = "lookback_transport_version";
constexpr const char* make_transport_symbol = "lookback_make_transport";
using TransportVersion = int();
using MakeTransport = Transport*();  // one for as long as the process lives

}  // namespace lookback
