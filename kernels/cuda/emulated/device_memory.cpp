// The memory of the one emulated GPU: the host's, but host code that reads it fails.
#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "kernels/cuda/device/index_report.h"
#include "kernels/cuda/device/products.h"
#include "kernels/cuda/device/stream.h"
#include "kernels/cuda/emulated/fenced_block.h"
#include "kernels/cuda/emulated/queue.h"
#include "runtime/allocator.h"
#include "runtime/capturable_allocator.h"
#include "runtime/check.h"
#include "runtime/device_runtime.h"
#include "runtime/host_moment.h"

namespace lookback {
namespace {

class FencedAllocator final : public Allocator {
 public:
  std::byte* allocate(std::size_t bytes) override {
    if (device::emulated::is_capturing()) {
      device::emulated::expect_memory_for_capture(device::emulated::CaptureStage::allocation);
    }
    auto* block = device::emulated::fenced_block(bytes);
    const std::lock_guard lock(mutex_);
    books_.live_bytes += bytes;
    books_.peak_bytes = std::max(books_.peak_bytes, books_.live_bytes);
    return block;
  }
  void deallocate(std::byte* block, std::size_t bytes) noexcept override {
    device::emulated::free_fenced_block(block, bytes);
    const std::lock_guard lock(mutex_);
    books_.live_bytes -= bytes;
  }
  void fill_zero(std::byte* block, std::size_t bytes) override {
    if (bytes == 0) return;
    device::emulated::submit([=] {
      const device::emulated::OnDevice on_device;
      std::memset(block, 0, bytes);
    });
  }
  std::size_t block_bytes(std::size_t requested_bytes) const override { return requested_bytes; }
  MemoryStats stats() const override {
    const std::lock_guard lock(mutex_);
    return books_;
  }
  void reset_peak_bytes() override {
    const std::lock_guard lock(mutex_);
    books_.peak_bytes = books_.live_bytes;
  }
  void release_cached() override {}

 private:
  mutable std::mutex mutex_;
  MemoryStats books_;
};

// Owns, beside what it repeats, the memory that is about.
class EmulatedCapture final : public CapturedWork {
 public:
  EmulatedCapture(std::vector<device::emulated::Queued> captured,
                  std::unique_ptr<CapturableAllocator::Blocks> blocks)
      : blocks_(std::move(blocks)), queued_(std::move(captured)) {}
  void launch() override {
    device::emulated::expect_memory_for_capture(device::emulated::CaptureStage::launch);
    for (const auto& work : queued_) device::emulated::run(work);
  }

 private:
  std::unique_ptr<CapturableAllocator::Blocks> blocks_;
  std::vector<device::emulated::Queued> queued_;
};

class EmulatedRuntime final : public DeviceRuntime {
 public:
  int count() const override { return 1; }
  std::string why_none() const override { return {}; }
  std::string why_passed_over() const override { return {}; }
  std::string describe(int) const override { return "a GPU emulated thread by thread"; }
  std::string describe_code(int) const override { return kernels::product_library(); }
  Allocator& allocator(int) override { return memory(); }
  void copy(int index, Transfer, void* to, const void* from, std::size_t bytes) override {
    if (device::emulated::is_capturing()) {
      fail("capture", "{} bytes from or to the host, which a capture cannot repeat", bytes);
    }
    device::emulated::throw_if_lost();
    {
      const device::emulated::OnDevice on_device;
      std::memcpy(to, from, bytes);
    }
    synchronize(index);
  }
  void synchronize(int) override {
    device::emulated::throw_if_lost();
    kernels::throw_reported(reports);
  }
  std::unique_ptr<QueuedMoment> moment(int) override { return std::make_unique<HostMoment>(); }
  std::unique_ptr<CapturedWork> capture(int, const std::function<void()>& work) override {
    std::vector<device::emulated::Queued> queued;
    auto blocks = memory().keep_blocks_of([&] { queued = device::emulated::captured(work); });
    device::emulated::expect_memory_for_capture(device::emulated::CaptureStage::completion);
    return std::make_unique<EmulatedCapture>(std::move(queued), std::move(blocks));
  }

  kernels::IndexReports reports;

 private:
  static CapturableAllocator& memory() {
    // Never destroyed: tensors with static lifetime may still give blocks back at exit.
    static auto& fenced = *new FencedAllocator;
    static auto& capturable = *new CapturableAllocator(fenced);
    return capturable;
  }
};

EmulatedRuntime runtime;
const RegisterDeviceRuntime registered{Backend::cuda, runtime};

}  // namespace

kernels::IndexReports* kernels::index_reports() { return &runtime.reports; }
std::size_t device::shared_bytes_of_block() { return std::size_t{163} << 10; }  // an A100's

}  // namespace lookback
