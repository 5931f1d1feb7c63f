#include "runtime/device_runtime.h"

#include <array>

#include "runtime/check.h"
#include "runtime/host_moment.h"

namespace lookback {
namespace {

DeviceRuntime*& slot_of(Backend backend) {
  static std::array<DeviceRuntime*, backend_count> runtimes{};
  return runtimes[static_cast<std::size_t>(backend)];
}

}  // namespace

DeviceRuntime* device_runtime(Backend backend) { return slot_of(backend); }

RegisterDeviceRuntime::RegisterDeviceRuntime(Backend backend, DeviceRuntime& runtime) {
  slot_of(backend) = &runtime;
}

void check_device(Device device) {
  if (device.backend != Backend::cuda) return;
  const Check check{"device"};
  const auto* runtime = device_runtime(device.backend);
  check(runtime != nullptr,
        "{}: this program was built without CUDA. Build it again with the CUDA toolkit and "
        "-DLOOKBACK_CUDA=ON, or use --device cpu",
        to_string(device));
  const auto count = runtime->count();
  check(count > 0, "{}: {}", to_string(device), runtime->why_none());
  check(device.index >= 0 && device.index < count, "{}: there {} here, cuda:0{}", to_string(device),
        count == 1 ? "is one GPU" : fmt::format("are {} GPUs", count),
        count == 1 ? "" : fmt::format(" to cuda:{}", count - 1));
}

void synchronize(Device device) {
  if (auto* runtime = device_runtime(device.backend)) runtime->synchronize(device.index);
}

std::unique_ptr<QueuedMoment> queued_moment(Device device) {
  auto* runtime = device_runtime(device.backend);
  if (runtime == nullptr) return std::make_unique<HostMoment>();
  return runtime->moment(device.index);
}

std::unique_ptr<CapturedWork> capture(Device device, const std::function<void()>& work) {
  auto* runtime = device_runtime(device.backend);
  return runtime == nullptr ? nullptr : runtime->capture(device.index, work);
}

std::string to_string(Device device) {
  switch (device.backend) {
    case Backend::cpu: return "cpu";
    case Backend::cuda: return fmt::format("cuda:{}", device.index);
    case Backend::taint: return "taint";
  }
  return "unknown";
}

}  // namespace lookback
