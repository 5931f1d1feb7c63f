// A capture of the stream: a CUDA graph, and the memory that it works on.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <memory>

#include "runtime/capturable_allocator.h"
#include "runtime/captured_work.h"

namespace lookback {

class CudaGraph final : public CapturedWork {
 public:
  // Captures what work() queues on `stream`; what it allocates comes from `memory`.
  CudaGraph(cudaStream_t stream, CapturableAllocator& memory, const std::function<void()>& work);
  ~CudaGraph() override;
  void launch() override;

 private:
  cudaStream_t stream_;
  std::unique_ptr<CapturableAllocator::Blocks> blocks_;
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace lookback
