// The GPU of this process: one device, one stream of kernels, its memory.
#include <cuda_runtime_api.h>

#include <memory>
#include <mutex>
#include <optional>

#include "kernels/cuda/capability.h"
#include "kernels/cuda/index_report.h"
#include "kernels/cuda/stream.h"
#include "kernels/cuda/toolkit/cuda_check.h"
#include "kernels/cuda/toolkit/cuda_graph.h"
#include "kernels/cuda/toolkit/pinned_ring.h"
#include "runtime/caching_allocator.h"
#include "runtime/check.h"
#include "runtime/device_runtime.h"
#include "runtime/recordable_allocator.h"

namespace lookback {
namespace {

constexpr int least_capability_major = 8;

// The device, the stream and the reports, made at their first use and never destroyed: tensors with
// static lifetime may still give blocks back at exit.
struct ActiveDevice {
  int index;
  cudaStream_t stream = nullptr;
  PinnedRing uploads;
  kernels::IndexReports* reports = nullptr;  // pinned: kernels write it, the host reads it
  int shared_bytes_of_block = 0;
  int capability_major = 0, capability_minor = 0;
  bool is_recording = false;

  explicit ActiveDevice(int device_index) : index(device_index) {
    check_cuda("cudaSetDevice", cudaSetDevice(index));
    check_cuda("cudaStreamCreate", cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    void* memory = nullptr;
    check_cuda("cudaHostAlloc",
               cudaHostAlloc(&memory, sizeof(kernels::IndexReports), cudaHostAllocMapped));
    reports = new (memory) kernels::IndexReports;
    check_cuda("cudaDeviceGetAttribute",
               cudaDeviceGetAttribute(&shared_bytes_of_block,
                                      cudaDevAttrMaxSharedMemoryPerBlockOptin, index));
    check_cuda("cudaDeviceGetAttribute",
               cudaDeviceGetAttribute(&capability_major, cudaDevAttrComputeCapabilityMajor, index));
    check_cuda("cudaDeviceGetAttribute",
               cudaDeviceGetAttribute(&capability_minor, cudaDevAttrComputeCapabilityMinor, index));
  }
};

ActiveDevice*& active_device() {
  static ActiveDevice* device = nullptr;
  return device;
}

ActiveDevice& activate(int index) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  auto*& device = active_device();
  if (device == nullptr) {
    check_device({.backend = Backend::cuda, .index = index});
    device = new ActiveDevice(index);
  }
  if (device->index != index) {
    fail("cuda", "cuda:{}: this process works on cuda:{}, and one process uses one GPU", index,
         device->index);
  }
  return *device;
}

ActiveDevice& active() { return activate(active_device() == nullptr ? 0 : active_device()->index); }

class CudaAllocator final : public CachingAllocator {
 public:
  explicit CudaAllocator(int device_index)
      : CachingAllocator(to_string(Device{Backend::cuda, device_index}),
                         "A smaller --batch-size (with more --gradient-accumulation-steps), a "
                         "smaller --block-size or --dtype bfloat16 needs less"),
        index(device_index) {}
  void fill_zero(std::byte* block, std::size_t bytes) override {
    if (bytes == 0) return;
    check_cuda("cudaMemsetAsync", cudaMemsetAsync(block, 0, bytes, activate(index).stream));
  }

 private:
  std::byte* fresh(std::size_t bytes) override {
    static_cast<void>(activate(index));
    void* block = nullptr;
    const auto status = cudaMalloc(&block, bytes);
    if (status == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());  // it is no lasting error
      return nullptr;
    }
    check_cuda("cudaMalloc", status);
    return static_cast<std::byte*>(block);
  }
  void give_back(std::byte* block) noexcept override { static_cast<void>(cudaFree(block)); }
  void poison(std::byte* block, std::size_t bytes) override {
    check_cuda("cudaMemsetAsync", cudaMemsetAsync(block, 0xff, bytes, activate(index).stream));
  }

  int index;
};

class CudaRuntime final : public DeviceRuntime {
 public:
  int count() const override {
    int devices = 0;
    return cudaGetDeviceCount(&devices) == cudaSuccess && capable(devices) ? devices : 0;
  }

  std::string why_none() const override {
    int devices = 0, driver = 0, built_for = 0;
    const auto status = cudaGetDeviceCount(&devices);
    static_cast<void>(cudaDriverGetVersion(&driver));
    static_cast<void>(cudaRuntimeGetVersion(&built_for));
    const auto version = [](int number) {
      return fmt::format("{}.{}", number / 1000, number % 1000 / 10);
    };
    if (driver == 0) {
      return "there is no NVIDIA driver here (nvidia-smi would list the GPUs): install one, or use "
             "--device cpu";
    }
    if (status == cudaErrorInsufficientDriver) {
      return fmt::format(
          "the NVIDIA driver knows CUDA {}, this program needs {}: install a newer driver",
          version(driver), version(built_for));
    }
    if (status == cudaErrorNoDevice) {
      return "the NVIDIA driver sees no GPU (CUDA_VISIBLE_DEVICES may hide it)";
    }
    if (status != cudaSuccess) return cudaGetErrorString(status);
    if (capable(devices)) return {};
    return fmt::format("{} is too old: compute capability {}.0 or newer is needed (A100, RTX 30)",
                       describe(0), least_capability_major);
  }

  std::string describe(int index) const override {
    cudaDeviceProp properties{};
    check_cuda("cudaGetDeviceProperties", cudaGetDeviceProperties(&properties, index));
    return fmt::format("{}, sm_{}{}, {:.1f} GiB", properties.name, properties.major,
                       properties.minor,
                       static_cast<double>(properties.totalGlobalMem) / double{1 << 30});
  }

  Allocator& allocator(int index) override { return memory(index); }

  void copy(int index, Transfer direction, void* to, const void* from, std::size_t bytes) override {
    auto& device = activate(index);
    if (device.is_recording) {
      fail("record", "{} bytes from or to the host, which a recording cannot repeat", bytes);
    }
    const bool uploads = direction == Transfer::to_device;
    if (uploads && bytes <= PinnedRing::most_bytes) {
      device.uploads.upload(device.stream, to, from, bytes);
      return;
    }
    const auto kind = uploads ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost;
    check_cuda("cudaMemcpyAsync", cudaMemcpyAsync(to, from, bytes, kind, device.stream));
    synchronise(index);
  }

  void synchronise(int index) override {
    const auto& device = activate(index);
    check_cuda("cudaStreamSynchronize", cudaStreamSynchronize(device.stream));
    kernels::throw_reported(*device.reports);
  }

  // What the cache holds is given back first: a recording has memory of its own.
  std::unique_ptr<RecordedWork> record(int index, const std::function<void()>& work) override {
    auto& device = activate(index);
    synchronise(index);
    memory(index).release_cached();
    const Recording recording(device);
    return std::make_unique<CudaGraph>(device.stream, memory(index), work);
  }

 private:
  struct Recording {
    explicit Recording(ActiveDevice& active) : device(active) { device.is_recording = true; }
    ~Recording() { device.is_recording = false; }
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;
    ActiveDevice& device;
  };

  static RecordableAllocator& memory(int index) {
    static_cast<void>(activate(index));
    static auto& cuda = *new CudaAllocator(index);
    static auto& recordable = *new RecordableAllocator(cuda);
    return recordable;
  }
  static bool capable(int devices) {
    int major = 0;
    return devices > 0 &&
           cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0) == cudaSuccess &&
           major >= least_capability_major;
  }
};

CudaRuntime runtime;
const RegisterDeviceRuntime registered{Backend::cuda, runtime};

}  // namespace

void check_cuda(std::string_view what, cudaError_t status) {
  if (status == cudaSuccess) return;
  fail("cuda", "{}: {} ({})", what, cudaGetErrorString(status), cudaGetErrorName(status));
}

kernels::IndexReports* kernels::index_reports() { return active().reports; }
void* device::compute_stream() { return active().stream; }
std::size_t device::shared_bytes_of_block() {
  return static_cast<std::size_t>(active().shared_bytes_of_block);
}
bool device::has_warpgroups() {
  return active().capability_major == 9 && active().capability_minor == 0;
}
void device::check_launch(int status) { check_cuda("launch", static_cast<cudaError_t>(status)); }

}  // namespace lookback
