// One GPU that is none: its memory is the host's, but nobody else may read it.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "kernels/cuda/index_report.h"
#include "kernels/cuda/stream.h"
#include "runtime/caching_allocator.h"
#include "runtime/device_runtime.h"

namespace lookback {
namespace {

class EmulatedAllocator final : public CachingAllocator {
 public:
  EmulatedAllocator() : CachingAllocator("cuda:0") {}
  void fill_zero(std::byte* block, std::size_t bytes) override {
    if (bytes > 0) std::memset(block, 0, bytes);
  }

 private:
  std::byte* fresh(std::size_t bytes) override {
    constexpr std::size_t alignment = 256;  // cudaMalloc's
    return static_cast<std::byte*>(
        std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment));
  }
  void give_back(std::byte* block) noexcept override { std::free(block); }
  void poison(std::byte* block, std::size_t bytes) override { std::memset(block, 0xff, bytes); }
};

class EmulatedRuntime final : public DeviceRuntime {
 public:
  int count() const override { return 1; }
  std::string why_none() const override { return {}; }
  std::string describe(int) const override { return "a GPU emulated thread by thread"; }
  Allocator& allocator(int) override {
    // Never destroyed: tensors with static lifetime may still give blocks back at exit.
    static auto& memory = *new EmulatedAllocator;
    return memory;
  }
  void copy(int index, Transfer, void* to, const void* from, std::size_t bytes) override {
    std::memcpy(to, from, bytes);
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
