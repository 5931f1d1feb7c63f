#include "tests/toolkit/fake_cuda_runtime.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernels/cuda/device/code_report.h"
#include "kernels/cuda/device/plain_product.h"

namespace lookback {

fake_cuda::State& fake_cuda::state() {
  static State state;
  return state;
}

void kernels::report_code(std::int32_t* has_warpgroups) {
  *has_warpgroups = fake_cuda::state().code_has_warpgroups ? 1 : 0;
}

void kernels::plain_product(const Product&) { ++fake_cuda::state().plain_products; }

namespace {

// What the call named `name` answers.
cudaError_t answer(const char* name) {
  auto& now = fake_cuda::state();
  now.calls.emplace_back(name);
  const auto found = now.fails.find(name);
  if (found == now.fails.end()) return cudaSuccess;
  now.last_error = found->second;
  return found->second;
}

// A handle that is none: an address that differs from null.
template <class Handle>
cudaError_t make(const char* name, Handle* handle) {
  static int place;
  const auto status = answer(name);
  if (status == cudaSuccess) *handle = reinterpret_cast<Handle>(&place);
  return status;
}

cudaError_t give_memory(const char* name, void** memory, std::size_t bytes) {
  const auto status = answer(name);
  if (status == cudaSuccess) *memory = std::malloc(bytes);
  return status;
}

}  // namespace
}  // namespace lookback

using lookback::answer;
using lookback::give_memory;
using lookback::make;
using lookback::fake_cuda::state;

extern "C" {

cudaError_t cudaSetDevice(int) { return answer("cudaSetDevice"); }
cudaError_t cudaGetDeviceCount(int* count) {
  *count = state().devices;
  if (state().driver_version < CUDART_VERSION) return cudaErrorInsufficientDriver;
  return state().devices == 0 ? cudaErrorNoDevice : answer("cudaGetDeviceCount");
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = state().driver_version;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor   ? state().major
           : attribute == cudaDevAttrComputeCapabilityMinor ? state().minor
                                                            : 227 << 10;
  return answer("cudaDeviceGetAttribute");
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::snprintf(properties->name, sizeof(properties->name), "A GPU");
  properties->major = state().major;
  properties->minor = state().minor;
  properties->totalGlobalMem = std::size_t{8} << 30;
  return answer("cudaGetDeviceProperties");
}
const char* cudaGetErrorString(cudaError_t status) {
  return status == cudaErrorMemoryAllocation ? "out of memory" : "something else";
}
const char* cudaGetErrorName(cudaError_t status) {
  return status == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorOther";
}
cudaError_t cudaGetLastError() {
  const auto last = state().last_error;
  state().last_error = cudaSuccess;
  return last;
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  state().allocated.push_back(bytes);
  return give_memory("cudaMalloc", memory, bytes);
}
cudaError_t cudaFree(void* memory) {
  ++state().freed;
  std::free(memory);
  return answer("cudaFree");
}
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  return give_memory("cudaHostAlloc", memory, bytes);
}
cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return answer("cudaFreeHost");
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t) {
  std::memset(memory, value, bytes);
  return answer("cudaMemsetAsync");
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t) {
  std::memcpy(to, from, bytes);
  return answer("cudaMemcpyAsync");
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  return make("cudaStreamCreateWithFlags", stream);
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return answer("cudaStreamSynchronize"); }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) {
  return answer("cudaStreamWaitEvent");
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return make("cudaEventCreate", event); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  return make("cudaEventCreateWithFlags", event);
}
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return answer("cudaEventRecord"); }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return answer("cudaEventSynchronize"); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 2;
  return answer("cudaEventElapsedTime");
}
cudaError_t cudaEventDestroy(cudaEvent_t) { return answer("cudaEventDestroy"); }

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  return answer("cudaStreamBeginCapture");
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  return make("cudaStreamEndCapture", graph);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t, unsigned long long) {
  return make("cudaGraphInstantiate", executable);
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return answer("cudaGraphUpload"); }
cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t) { return answer("cudaGraphLaunch"); }
cudaError_t cudaGraphDestroy(cudaGraph_t) { return answer("cudaGraphDestroy"); }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) { return answer("cudaGraphExecDestroy"); }

}  // extern "C"
