// The GPU of this process: one device, one stream of kernels, its memory.
#include <cuda_runtime_api.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>

#include "kernels/cuda/device/capability.h"
#include "kernels/cuda/device/code_images.h"
#include "kernels/cuda/device/code_report.h"
#include "kernels/cuda/device/index_report.h"
#include "kernels/cuda/device/products.h"
#include "kernels/cuda/device/stream.h"
#include "kernels/cuda/toolkit/cuda_check.h"
#include "kernels/cuda/toolkit/cuda_graph.h"
#include "kernels/cuda/toolkit/pinned_ring.h"
#include "runtime/caching_allocator.h"
#include "runtime/capturable_allocator.h"
#include "runtime/check.h"
#include "runtime/device_runtime.h"

namespace lookback {
namespace {

constexpr int min_capability_major = 8;

// The architectures of this build: "80 90a".
constexpr std::string_view built_for = LOOKBACK_BUILT_FOR;

#ifdef LOOKBACK_CUDA_UNOPTIMIZED
constexpr std::string_view effort =
    ", with kernels that are not optimized (built where no GPU was in sight: build the program "
    "anew)";
#else
constexpr std::string_view effort = "";
#endif

device::ComputeCapability capability_of(int index) {
  device::ComputeCapability found;
  check_cuda("cudaDeviceGetAttribute",
             cudaDeviceGetAttribute(&found.major, cudaDevAttrComputeCapabilityMajor, index));
  check_cuda("cudaDeviceGetAttribute",
             cudaDeviceGetAttribute(&found.minor, cudaDevAttrComputeCapabilityMinor, index));
  return found;
}

// Why this program cannot use GPU `index`; empty where it can.
std::string why_unusable(int index) {
  const auto capability = capability_of(index);
  cudaDeviceProp properties{};
  check_cuda("cudaGetDeviceProperties", cudaGetDeviceProperties(&properties, index));
  if (capability.major < min_capability_major) {
    return fmt::format(
        "{}, sm_{}{}, is too old: compute capability {}.0 or newer is needed (A100, RTX 30)",
        properties.name, capability.major, capability.minor, min_capability_major);
  }
  if (!device::code_for(capability, built_for).empty()) return {};
  return fmt::format("{}: {}", properties.name, device::code_advice(capability, built_for));
}

// The device, the stream and the reports, made at their first use and never destroyed: tensors with
// static lifetime may still give blocks back at exit.
struct ActiveDevice {
  int index;
  cudaStream_t stream = nullptr;
  PinnedRing uploads;
  kernels::IndexReports* reports = nullptr;  // pinned: kernels write it, the host reads it
  int shared_bytes_of_block = 0;
  bool is_capturing = false;

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
    if (const auto reason = why_unusable(index); !reason.empty()) fail("cuda", "{}", reason);
    device = new ActiveDevice(index);
  }
  if (device->index != index) {
    fail("cuda", "cuda:{}: this process works on cuda:{}, and one process uses one GPU", index,
         device->index);
  }
  return *device;
}

ActiveDevice& active() { return activate(active_device() == nullptr ? 0 : active_device()->index); }

// compute-sanitizer sees an access that leaves what cudaMalloc gave. Under the variable that is
// what a tensor has, and no more. cudaFree waits for the GPU, so such a run is slow.
BlockReuse block_reuse() {
  constexpr const char* variable = "LOOKBACK_CUDA_EXACT_ALLOCATIONS";
  const char* value = std::getenv(variable);
  const std::string_view chosen = value == nullptr ? "" : value;
  if (chosen.empty() || chosen == "0") return BlockReuse::by_size_class;
  if (chosen == "1") return BlockReuse::never;
  fail("cuda", "{}={}: must be 0 or 1", variable, chosen);
}

class CudaAllocator final : public CachingAllocator {
 public:
  explicit CudaAllocator(int index)
      : CachingAllocator(to_string(Device{Backend::cuda, index}),
                         "A smaller --batch-size (with more --gradient-accumulation-steps), a "
                         "smaller --block-size or --dtype bfloat16 needs less",
                         block_reuse()),
        index_(index) {}
  void fill_zero(std::byte* block, std::size_t bytes) override {
    if (bytes == 0) return;
    check_cuda("cudaMemsetAsync", cudaMemsetAsync(block, 0, bytes, activate(index_).stream));
  }

 private:
  std::byte* fresh(std::size_t bytes) override {
    static_cast<void>(activate(index_));
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
    check_cuda("cudaMemsetAsync", cudaMemsetAsync(block, 0xff, bytes, activate(index_).stream));
  }

  int index_;
};

class EventMoment final : public QueuedMoment {
 public:
  explicit EventMoment(cudaStream_t stream) {
    check_cuda("cudaEventCreate", cudaEventCreate(&event_));
    check_cuda("cudaEventRecord", cudaEventRecord(event_, stream));
  }
  ~EventMoment() override { static_cast<void>(cudaEventDestroy(event_)); }
  double seconds_since(const QueuedMoment& earlier) const override {
    float milliseconds = 0;
    check_cuda("cudaEventElapsedTime",
               cudaEventElapsedTime(&milliseconds, static_cast<const EventMoment&>(earlier).event_,
                                    event_));
    return static_cast<double>(milliseconds) / 1e3;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

class CudaRuntime final : public DeviceRuntime {
 public:
  int count() const override {
    int devices = 0;
    return cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0 && why_unusable(0).empty()
               ? devices
               : 0;
  }

  std::string why_passed_over() const override {
    int devices = 0;
    const auto status = cudaGetDeviceCount(&devices);
    const bool is_there = status != cudaErrorNoDevice && driver_version() != 0;
    return is_there ? why_none() : "";
  }

  std::string why_none() const override {
    int devices = 0, toolkit = 0;
    const int driver = driver_version();
    const auto status = cudaGetDeviceCount(&devices);
    static_cast<void>(cudaRuntimeGetVersion(&toolkit));
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
          version(driver), version(toolkit));
    }
    if (status == cudaErrorNoDevice) {
      return "the NVIDIA driver sees no GPU (CUDA_VISIBLE_DEVICES may hide it)";
    }
    if (status != cudaSuccess) return cudaGetErrorString(status);
    return why_unusable(0);
  }

  std::string describe(int index) const override {
    cudaDeviceProp properties{};
    check_cuda("cudaGetDeviceProperties", cudaGetDeviceProperties(&properties, index));
    return fmt::format("{}, sm_{}{}, {:.1f} GiB{}", properties.name, properties.major,
                       properties.minor,
                       static_cast<double>(properties.totalGlobalMem) / double{1 << 30}, effort);
  }

  std::string describe_code(int index) const override {
    const auto code = device::code_for(capability_of(index), built_for);
    return fmt::format("{}, {}; {}", code,
                       device::has_warpgroups() ? "with warpgroups" : "without warpgroups",
                       kernels::product_library());
  }

  Allocator& allocator(int index) override { return memory(index); }

  void copy(int index, Transfer direction, void* to, const void* from, std::size_t bytes) override {
    auto& device = activate(index);
    if (device.is_capturing) {
      fail("capture", "{} bytes from or to the host, which a capture cannot repeat", bytes);
    }
    const bool uploads = direction == Transfer::to_device;
    if (uploads && bytes <= PinnedRing::max_bytes) {
      device.uploads.upload(device.stream, to, from, bytes);
      return;
    }
    const auto kind = uploads ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost;
    check_cuda("cudaMemcpyAsync", cudaMemcpyAsync(to, from, bytes, kind, device.stream));
    synchronize(index);
  }

  void synchronize(int index) override {
    const auto& device = activate(index);
    check_cuda("cudaStreamSynchronize", cudaStreamSynchronize(device.stream));
    kernels::throw_reported(*device.reports);
  }

  std::unique_ptr<QueuedMoment> moment(int index) override {
    return std::make_unique<EventMoment>(activate(index).stream);
  }

  // What the cache holds is given back first: a capture has memory of its own.
  std::unique_ptr<CapturedWork> capture(int index, const std::function<void()>& work) override {
    auto& device = activate(index);
    static_cast<void>(device::has_warpgroups());  // asks the GPU, which a capture could not
    synchronize(index);
    memory(index).release_cached();
    const Capture guard(device);
    return std::make_unique<CudaGraph>(device.stream, memory(index), work);
  }

 private:
  struct Capture {
    explicit Capture(ActiveDevice& active) : device(active) { device.is_capturing = true; }
    ~Capture() { device.is_capturing = false; }
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;
    ActiveDevice& device;
  };

  static CapturableAllocator& memory(int index) {
    static_cast<void>(activate(index));
    static auto& cuda = *new CudaAllocator(index);
    static auto& capturable = *new CapturableAllocator(cuda);
    return capturable;
  }
  static int driver_version() {
    int driver = 0;
    static_cast<void>(cudaDriverGetVersion(&driver));
    return driver;
  }
};

CudaRuntime runtime;
const RegisterDeviceRuntime registered{Backend::cuda, runtime};

}  // namespace

void check_cuda(std::string_view what, cudaError_t status) {
  if (status == cudaSuccess) return;
  const auto text =
      fmt::format("{}: {} ({})", what, cudaGetErrorString(status), cudaGetErrorName(status));
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());  // it is no lasting error
    throw OutOfMemory(fmt::format("[memory] out of memory: {}", text));
  }
  // The driver has loaded nothing: the program has no code for this GPU, or is kept from using it.
  if (status == cudaErrorNoKernelImageForDevice || status == cudaErrorUnsupportedPtxVersion ||
      status == cudaErrorJitCompilationDisabled) {
    const int index = active_device() == nullptr ? 0 : active_device()->index;
    fail("cuda", "{}; {}", text, device::code_advice(capability_of(index), built_for));
  }
  fail("cuda", "{}", text);
}

kernels::IndexReports* kernels::index_reports() { return active().reports; }
void* device::compute_stream() { return active().stream; }
std::size_t device::shared_bytes_of_block() {
  return static_cast<std::size_t>(active().shared_bytes_of_block);
}
bool device::has_warpgroups() {
  static const bool has = [] {
    void* memory = nullptr;
    check_cuda("cudaHostAlloc", cudaHostAlloc(&memory, sizeof(std::int32_t), cudaHostAllocMapped));
    auto* const reported = new (memory) std::int32_t{0};
    kernels::report_code(reported);
    check_cuda("cudaStreamSynchronize", cudaStreamSynchronize(active().stream));
    const bool said = *reported != 0;
    check_cuda("cudaFreeHost", cudaFreeHost(memory));
    return said;
  }();
  return has;
}
void device::check_launch(int status) { check_cuda("launch", static_cast<cudaError_t>(status)); }

}  // namespace lookback
