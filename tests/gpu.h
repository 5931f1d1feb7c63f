// The GPU that tests run on: a real one, or in lookback_emulated_tests the emulated one.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "autograd/ops/contiguous.h"
#include "runtime/device_runtime.h"
#include "runtime/tensor.h"
#include "runtime/transfer.h"

namespace lookback::testing {

inline Device gpu() { return {.backend = Backend::cuda}; }

// Empty where there is one.
inline std::string why_no_gpu() {
  const auto* runtime = device_runtime(Backend::cuda);
  if (runtime == nullptr) return "built without CUDA";
  return runtime->count() == 0 ? runtime->why_none() : "";
}

// It runs what a test asks for, a hundred thousand times as slowly.
inline bool gpu_is_emulated() {
  return device_runtime(Backend::cuda)->describe(0).find("emulated") != std::string::npos;
}

// The bytes of a tensor's elements, wherever it lies.
inline std::vector<unsigned char> bits_of(const Tensor& x) {
  const auto here = to_device(contiguous(x.detach()), cpu_device);
  std::vector<unsigned char> bytes(static_cast<std::size_t>(x.numel()) * size_of(x.dtype()));
  if (!bytes.empty()) std::memcpy(bytes.data(), here.raw_data(), bytes.size());
  return bytes;
}

}  // namespace lookback::testing
