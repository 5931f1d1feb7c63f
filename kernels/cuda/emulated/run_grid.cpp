#include "kernels/cuda/emulated/run_grid.h"

#include <algorithm>
#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <boost/context/preallocated.hpp>
#include <cstring>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "kernels/cuda/emulated/block_products.h"
#include "kernels/cuda/emulated/fenced_block.h"
#include "kernels/cuda/emulated/stack_switch.h"
#include "runtime/check.h"

namespace lookback::device::emulated {
namespace {

using boost::context::fiber;

#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t stack_bytes = std::size_t{512} << 10;  // its frames are larger
#else
constexpr std::size_t stack_bytes = std::size_t{128} << 10;
#endif

Order current_order = Order::forwards;

enum class State { ready, at_block_barrier, at_warp_barrier, done };

struct PendingCopy {
  void* to;
  const void* from;
  std::size_t bytes;
};

struct Thread {
  ThisThread place{};
  State state = State::ready;
  fiber code;                  // where to go on
  fiber* scheduler = nullptr;  // where to go when it waits
  Stack stack, schedulers_stack;
  void* frames = nullptr;  // on its stack, while it waits
  std::size_t exchanges = 0;
  std::vector<std::vector<PendingCopy>> groups{1};  // of copies; the last one is still open
  std::exception_ptr failure;
};

struct Warp {
  alignas(16) std::byte values[2][warp_threads * exchange_bytes];
};

// Fenced, so that an access beyond it stops the program; NaN at the begin of each block.
class SharedMemory {
 public:
  explicit SharedMemory(std::size_t bytes) : bytes_(bytes), memory_(fenced_block(bytes)) {}
  ~SharedMemory() { free_fenced_block(memory_, bytes_); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  std::byte* fresh() const {
    std::memset(memory_, 0xff, bytes_);
    return memory_;
  }

 private:
  std::size_t bytes_;
  std::byte* memory_;
};

thread_local Thread* running = nullptr;
thread_local Warp* running_warps = nullptr;
thread_local BlockProducts* running_products = nullptr;

std::vector<std::int64_t> in_order(std::int64_t count) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  if (current_order == Order::backwards) std::ranges::reverse(order);
  if (current_order == Order::shuffled) std::ranges::shuffle(order, std::mt19937_64{7});
  return order;
}

void wait_in(State state) {
  auto* self = running;
  self->state = state;
  leave_stack(&self->frames, self->schedulers_stack);
  // Comes back with an exception where the block is given up.
  const struct Return {
    ~Return() { enter_stack(thread->frames, &thread->schedulers_stack); }
    Thread* thread;
  } on_return{self};
  *self->scheduler = std::move(*self->scheduler).resume();
}

class Block {
 public:
  Block(const Launch& launch, std::int64_t index, const std::function<void()>& code,
        std::byte* shared, boost::context::pooled_fixedsize_stack& stacks)
      : threads_(static_cast<std::size_t>(launch.threads)),
        warps_((threads_.size() + warp_threads - 1) / warp_threads),
        products_(shared, launch.grid.shared_bytes, launch.threads) {
    for (std::size_t i = 0; i < threads_.size(); ++i) {
      auto* self = &threads_[i];
      self->place = {static_cast<int>(i), index, launch.grid.blocks, shared};
      const auto context = stacks.allocate();
      self->stack = {static_cast<std::byte*>(context.sp) - context.size, context.size};
      const boost::context::preallocated room(context.sp, context.size, context);
      self->code = fiber(std::allocator_arg, room, stacks, [self, &code](fiber&& scheduler) {
        enter_stack(nullptr, &self->schedulers_stack);
        const struct End {
          ~End() { leave_stack(nullptr, thread->schedulers_stack); }
          Thread* thread;
        } at_the_end{self};
        self->scheduler = &scheduler;
        try {
          code();
        } catch (const std::exception&) {
          self->failure = std::current_exception();
        }
        self->state = State::done;
        return std::move(scheduler);
      });
    }
  }

  // Threads that have not ended are given up.
  ~Block() {
    for (auto& thread : threads_) {
      if (!thread.code) continue;
      go_to(thread, [&] { thread.code = {}; });
    }
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  // A warp goes on until all its threads wait for the block, or have ended, before the next one has
  // its turn: warps that no barrier holds together are as far apart as they can be.
  void run() {
    const auto warps_in_turn = in_order(static_cast<std::int64_t>(warps_.size()));
    const auto lanes = in_order(warp_threads);
    for (;;) {
      for (const auto warp : warps_in_turn) run_warp(static_cast<std::size_t>(warp), lanes);
      if (std::ranges::all_of(threads_, [](const Thread& t) { return t.state == State::done; })) {
        return;
      }
      if (!release(0, threads_.size(), State::at_block_barrier)) stuck();
    }
  }

 private:
  // `jump` goes on on the thread's stack, and comes back.
  template <class Jump>
  static void go_to(const Thread& thread, const Jump& jump) {
    void* frames = nullptr;
    leave_stack(&frames, thread.stack);
    jump();
    enter_stack(frames, nullptr);
  }

  void resume(Thread& thread) {
    if (thread.state != State::ready) return;
    running = &thread;
    running_warps = warps_.data();
    running_products = &products_;
    go_to(thread, [&] { thread.code = std::move(thread.code).resume(); });
    running = nullptr;
    if (thread.failure) std::rethrow_exception(thread.failure);
  }

  void run_warp(std::size_t warp, const std::vector<std::int64_t>& lanes) {
    const auto first = warp * warp_threads;
    const auto count = std::min<std::size_t>(warp_threads, threads_.size() - first);
    do {
      for (const auto lane : lanes) {
        if (static_cast<std::size_t>(lane) >= count) continue;
        resume(threads_[first + static_cast<std::size_t>(lane)]);
      }
    } while (release(first, count, State::at_warp_barrier));
  }

  // Lets these go on if all of them wait for this barrier.
  bool release(std::size_t first, std::size_t count, State barrier) {
    const auto begin = threads_.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = begin + static_cast<std::ptrdiff_t>(count);
    if (!std::all_of(begin, end, [&](const Thread& t) { return t.state == barrier; })) return false;
    if (begin == end) return false;
    std::for_each(begin, end, [](Thread& t) { t.state = State::ready; });
    return true;
  }

  [[noreturn]] void stuck() const {
    const auto count = [&](State state) {
      return std::ranges::count(threads_, state, &Thread::state);
    };
    fail("kernel",
         "block {} is stuck: of {} threads {} wait for the block, {} for their warp, {} have ended",
         threads_[0].place.block, threads_.size(), count(State::at_block_barrier),
         count(State::at_warp_barrier), count(State::done));
  }

  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  BlockProducts products_;
};

}  // namespace

RunInOrder::RunInOrder(Order order) : order_(current_order, order) {}

void run_grid(const Launch& launch, const std::function<void()>& thread) {
  static thread_local boost::context::pooled_fixedsize_stack stacks(stack_bytes);
  const OnDevice on_device;
  const SharedMemory shared(launch.grid.shared_bytes);
  for (const auto block : in_order(launch.grid.blocks)) {
    Block(launch, block, thread, shared.fresh(), stacks).run();
  }
}

const ThisThread& this_thread() { return running->place; }

void refuse_misaligned(std::size_t bytes) {
  const auto& place = this_thread();
  fail("kernel", "block {}, thread {}: the address of an access is no multiple of {} bytes",
       place.block, place.index, bytes);
}

void wait_for_block() { wait_in(State::at_block_barrier); }

const std::byte* exchange(const void* value, std::size_t bytes) {
  auto* self = running;
  const auto index = static_cast<std::size_t>(self->place.index);
  // Two turns' values are kept: a lane may be at its next exchange while others read the last.
  auto* values = running_warps[index / warp_threads].values[self->exchanges++ % 2];
  std::memcpy(values + index % warp_threads * exchange_bytes, value, bytes);
  wait_in(State::at_warp_barrier);
  return values;
}

void copy_later(void* to, const void* from, std::size_t bytes) {
  running->groups.back().push_back({to, from, bytes});
  std::memset(to, 0xff, bytes);
  wrote(to, bytes);
}

void cp_async_commit() { running->groups.emplace_back(); }

void cp_async_wait(int newest) {
  auto& groups = running->groups;
  const auto open = static_cast<std::size_t>(newest) + 1;
  const auto finished = groups.size() > open ? groups.size() - open : 0;
  for (std::size_t i = 0; i < finished; ++i) {
    for (const auto& copy : groups[i]) std::memcpy(copy.to, copy.from, copy.bytes);
  }
  groups.erase(groups.begin(), groups.begin() + static_cast<std::ptrdiff_t>(finished));
}

void wrote(const void* to, std::size_t bytes) {
  running_products->wrote(running->place.index, to, bytes);
}
BlockProducts& products_of_block() { return *running_products; }

}  // namespace lookback::device::emulated
