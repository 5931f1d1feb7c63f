#include "kernels/cuda/toolkit/cuda_graph.h"

#include "kernels/cuda/toolkit/cuda_check.h"

namespace lookback {
namespace {

// Relaxed: while the stream is captured, memory may be asked for (cudaMalloc), which is queued
// nowhere.
cudaGraph_t capture(cudaStream_t stream, const std::function<void()>& work) {
  check_cuda("cudaStreamBeginCapture",
             cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  cudaGraph_t graph = nullptr;
  try {
    work();
  } catch (...) {
    if (cudaStreamEndCapture(stream, &graph) == cudaSuccess) {
      static_cast<void>(cudaGraphDestroy(graph));
    }
    static_cast<void>(cudaGetLastError());  // what ended the capture is said by what is thrown
    throw;
  }
  check_cuda("cudaStreamEndCapture", cudaStreamEndCapture(stream, &graph));
  return graph;
}

}  // namespace

CudaGraph::CudaGraph(cudaStream_t stream, CapturableAllocator& memory,
                     const std::function<void()>& work)
    : stream_(stream) {
  cudaGraph_t graph = nullptr;
  blocks_ = memory.keep_blocks_of([&] { graph = capture(stream_, work); });
  const auto status = cudaGraphInstantiate(&executable_, graph, 0);
  static_cast<void>(cudaGraphDestroy(graph));
  check_cuda("cudaGraphInstantiate", status);
  // What the GPU needs for it is taken now, where a lack of memory has stopped nothing yet.
  const auto uploaded = cudaGraphUpload(executable_, stream_);
  if (uploaded != cudaSuccess) static_cast<void>(cudaGraphExecDestroy(executable_));
  check_cuda("cudaGraphUpload", uploaded);
}

// Its memory may be given to others once it has run for the last time.
CudaGraph::~CudaGraph() {
  static_cast<void>(cudaStreamSynchronize(stream_));
  static_cast<void>(cudaGraphExecDestroy(executable_));
}

void CudaGraph::launch() { check_cuda("cudaGraphLaunch", cudaGraphLaunch(executable_, stream_)); }

}  // namespace lookback
