// cuBLAS, opened when the first product needs it: half a gigabyte of a library that a program on a
// machine without a GPU neither has nor waits for.
#pragma once

#include <cublas_v2.h>

#include <cstddef>
#include <string>

#include "runtime/library_search.h"

namespace lookback::kernels {

// Of the major version that this program was compiled for: LOOKBACK_CUBLAS names the file or its
// folder; else where cuda_library_folders() says.
LibrarySearch cublas_search();

class Cublas {
 public:
  // cublasGemmStridedBatchedEx, of which the header has a second one for C++.
  using Multiply = cublasStatus_t (*)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int,
                                      int, int, const void*, const void*, cudaDataType, int,
                                      long long, const void*, cudaDataType, int, long long,
                                      const void*, void*, cudaDataType, int, long long, int,
                                      cublasComputeType_t, cublasGemmAlgo_t);

  // Throws Error where there is none that can be used.
  Cublas();

  // Of this process.
  static const Cublas& opened();

  // A handle whose results repeat: a workspace of its own on one stream; and whose sums are never
  // added up in less than f32, however a product is cut into parts.
  cublasHandle_t make_handle(cudaStream_t stream, void* workspace,
                             std::size_t workspace_bytes) const;

  // Throws Error where `status` is not success.
  void check(cublasStatus_t status) const;

  // "cuBLAS 13.1.0 (/usr/local/cuda/lib64/libcublas.so.13)"
  const std::string& description() const { return described_; }

  Multiply multiply = nullptr;

 private:
  // Of the library behind `handle`: its functions, or what is wrong with it.
  std::string take(void* handle);

  decltype(&cublasCreate_v2) create_ = nullptr;
  decltype(&cublasSetStream_v2) set_stream_ = nullptr;
  decltype(&cublasSetWorkspace_v2) set_workspace_ = nullptr;
  decltype(&cublasSetMathMode) set_math_mode_ = nullptr;
  decltype(&cublasGetStatusString) status_text_ = nullptr;
  std::string version_, described_;
};

}  // namespace lookback::kernels
