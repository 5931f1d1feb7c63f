// One GPU that is none: its memory is the host's, but nobody else may read it.
#include <algorithm>
#include <cstring>
#include <mutex>

#include "kernels/cuda/emulated/fenced_block.h"
#include "kernels/cuda/index_report.h"
#include "kernels/cuda/stream.h"
#include "runtime/allocator.h"
#include "runtime/device_runtime.h"

namespace lookback {
namespace {

class FencedAllocator final : public Allocator {
 public:
  std::byte* allocate(std::size_t bytes) override {
    auto* block = device::emulated::fenced_block(bytes);
    const std::lock_guard lock(mutex);
    books.live_bytes += bytes;
    books.peak_bytes = std::max(books.peak_bytes, books.live_bytes);
    return block;
  }
  void deallocate(std::byte* block, std::size_t bytes) noexcept override {
    device::emulated::free_fenced_block(block, bytes);
    const std::lock_guard lock(mutex);
    books.live_bytes -= bytes;
  }
  void fill_zero(std::byte* block, std::size_t bytes) override {
    const device::emulated::OnDevice on_device;
    if (bytes > 0) std::memset(block, 0, bytes);
  }
  MemoryStats stats() const override {
    const std::lock_guard lock(mutex);
    return books;
  }
  void reset_peak_bytes() override {
    const std::lock_guard lock(mutex);
    books.peak_bytes = books.live_bytes;
  }
  void release_cached() override {}

 private:
  mutable std::mutex mutex;
  MemoryStats books;
};

class EmulatedRuntime final : public DeviceRuntime {
 public:
  int count() const override { return 1; }
  std::string why_none() const override { return {}; }
  std::string describe(int) const override { return "a GPU emulated thread by thread"; }
  Allocator& allocator(int) override {
    // Never destroyed: tensors with static lifetime may still give blocks back at exit.
    static auto& memory = *new FencedAllocator;
    return memory;
  }
  void copy(int index, Transfer, void* to, const void* from, std::size_t bytes) override {
    {
      const device::emulated::OnDevice on_device;
      std::memcpy(to, from, bytes);
    }
    synchronise(index);
  }
  void synchronise(int) override { kernels::throw_reported(reports); }

  kernels::IndexReports reports;
};

EmulatedRuntime runtime;
const RegisterDeviceRuntime registered{Backend::cuda, runtime};

}  // namespace

kernels::IndexReports* kernels::index_reports() { return &runtime.reports; }
std::size_t device::shared_bytes_of_block() { return std::size_t{163} << 10; }  // an A100's

}  // namespace lookback
