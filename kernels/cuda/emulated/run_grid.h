// A grid of blocks, run on the host, thread by thread.
//
// The blocks run one after the other, each in shared memory of exactly the size asked for, fenced
// (fenced_block.h) and filled with NaN. The threads of a block are fibers: one runs until it waits
// for its block or its warp, then the next of its warp, and a warp until all of it waits for the
// block. So a kernel that needs a barrier it does not have gives other numbers when the threads run
// in another order: tests run it in all of them. A barrier that one thread of a block (or lane of a
// warp) leaves out is an Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "kernels/cuda/device/grid.h"
#include "runtime/scoped_value.h"

namespace lookback::device::emulated {

// In what order threads, and blocks, take their turns.
enum class Order { forwards, backwards, shuffled };

// For its own lifetime; without one: forwards.
class RunInOrder {
 public:
  explicit RunInOrder(Order order);

 private:
  ScopedValue<Order> order_;
};

struct Launch {
  Grid grid;
  int threads;  // a block has; the last warp may be a part
};

// Calls `thread` once for each thread of each block. Throws Error on a barrier that not all reach,
// and whatever `thread` throws.
void run_grid(const Launch& launch, const std::function<void()>& thread);

// Where the code that calls this stands.
struct ThisThread {
  int index;
  std::int64_t block, blocks;
  std::byte* shared;
};
const ThisThread& this_thread();

// Throws Error: an access that wants a multiple of so many bytes.
[[noreturn]] void refuse_misaligned(std::size_t bytes);

void wait_for_block();

// Gives `value` to the other lanes of this warp and waits for theirs. What comes back holds lane
// l's at l * exchange_bytes, until this thread's exchange after the next.
inline constexpr std::size_t exchange_bytes = 32;
const std::byte* exchange(const void* value, std::size_t bytes);

// Copies that are under way until the thread waits for them; what is where they go is NaN.
void copy_later(void* to, const void* from, std::size_t bytes);
void cp_async_commit();
void cp_async_wait(int newest);

// Says that this thread has written into shared memory.
void wrote(const void* to, std::size_t bytes);
// Of its block.
class BlockProducts;
BlockProducts& products_of_block();

}  // namespace lookback::device::emulated
