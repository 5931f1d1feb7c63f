// A recording of the stream: a CUDA graph, and the memory that it works on.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <memory>

#include "runtime/recordable_allocator.h"
#include "runtime/recorded_work.h"

namespace lookback {

class CudaGraph final : public RecordedWork {
 public:
  // Records what work() queues on `stream`; what it allocates comes from `memory`.
  CudaGraph(cudaStream_t stream, RecordableAllocator& memory, const std::function<void()>& work);
  ~CudaGraph() override;
  void replay() override;

 private:
  cudaStream_t stream;
  std::unique_ptr<RecordableAllocator::Blocks> blocks;
  cudaGraphExec_t executable = nullptr;
};

}  // namespace lookback
