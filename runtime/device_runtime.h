// What a kind of device brings along besides kernels: memory, copies, and an end to wait for. The
// file that implements it (kernels/cuda/toolkit/) registers it before main; a build without CUDA
// has none for Backend::cuda. Kernels of a GPU are queued: they have run when synchronize()
// returns.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "runtime/allocator.h"
#include "runtime/captured_work.h"
#include "runtime/device.h"

namespace lookback {

enum class Transfer { to_device, to_host };

// A moment in what is queued on a device, which has come when synchronize() returns.
class QueuedMoment {
 public:
  virtual ~QueuedMoment() = default;
  // Since `earlier`, of the same device. Both have come.
  virtual double seconds_since(const QueuedMoment& earlier) const = 0;
};

class DeviceRuntime {
 public:
  virtual ~DeviceRuntime() = default;
  // How many devices of this kind can be used here.
  virtual int count() const = 0;
  // One line: why there is none, and what would help. Empty where there is one.
  virtual std::string why_none() const = 0;
  // One line: why a GPU that is here is not used. Empty where there is none, or where one is.
  virtual std::string why_passed_over() const = 0;
  // "NVIDIA H100 80GB HBM3, sm_90, 79.1 GiB"
  virtual std::string describe(int index) const = 0;
  // What runs there: "machine code of sm_90a, with warpgroups; cuBLAS 13.1.0 (/usr/lib/...)".
  virtual std::string describe_code(int index) const = 0;
  virtual Allocator& allocator(int index) = 0;
  // Bytes between the memory of the host and of device `index`, after all that is queued there.
  // Returns when `from` may be changed: to_host has then arrived. Throws, of to_host, what a queued
  // kernel reported (an id out of range).
  virtual void copy(int index, Transfer direction, void* to, const void* from,
                    std::size_t bytes) = 0;
  // Waits for all that is queued on device `index`, and throws what a kernel reported.
  virtual void synchronize(int index) = 0;
  // Behind all that is queued so far.
  virtual std::unique_ptr<QueuedMoment> moment(int index) = 0;
  // As runtime/captured_work.h has it.
  virtual std::unique_ptr<CapturedWork> capture(int index, const std::function<void()>& work) = 0;
};

// The one of the backend; null where this build has none (the CPU needs none).
DeviceRuntime* device_runtime(Backend backend);

// A file-level object of this type registers one before main.
struct RegisterDeviceRuntime {
  RegisterDeviceRuntime(Backend backend, DeviceRuntime& runtime);
};

// Throws Error, saying why, where there is no such device here.
void check_device(Device device);

// Waits for all that is queued on the device; on the CPU nothing ever is.
void synchronize(Device device);

// Of a device whose kernels are not queued, the CPU: now.
std::unique_ptr<QueuedMoment> queued_moment(Device device);

// Whether the host can read the device's memory.
constexpr bool is_host_memory(Backend backend) { return backend != Backend::cuda; }

// "cpu", "cuda:0", "taint"
std::string to_string(Device device);

}  // namespace lookback
