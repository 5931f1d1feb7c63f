// Memory that work needs beside its arguments, handed from one piece of work to the next.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace lookback {

// As many as there ever were pieces of work at once.
template <class Memory>
class MemoryPool {
 public:
  // One for as long as this lives, as the last one who had it left it.
  class Lease {
   public:
    explicit Lease(MemoryPool& from) : from_(from), lent_(from.take()) {}
    ~Lease() { from_.give_back(std::move(lent_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Memory& memory() { return *lent_; }

   private:
    MemoryPool& from_;
    std::unique_ptr<Memory> lent_;
  };

 private:
  std::unique_ptr<Memory> take() {
    const std::scoped_lock lock(mutex_);
    if (free_.empty()) return std::make_unique<Memory>();
    auto taken = std::move(free_.back());
    free_.pop_back();
    return taken;
  }
  void give_back(std::unique_ptr<Memory> memory) {
    const std::scoped_lock lock(mutex_);
    free_.push_back(std::move(memory));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Memory>> free_;
};

}  // namespace lookback
