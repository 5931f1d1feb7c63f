// Three ways to ask cuBLAS for one product: what the program calls (cublasGemmStridedBatchedEx with
// one matrix), cublasGemmEx, and cublasLtMatmul with the first algorithm of its heuristic.
#pragma once

#include <cublasLt.h>
#include <cublas_v2.h>

#include <cstddef>
#include <string>
#include <vector>

#include "kernels/cuda/toolkit/cublas.h"
#include "tests/gemm_probe/products.h"

namespace lookback::probe {

enum class Way { batched, single, lt };
enum class ResultType { f32, bf16 };

class CublasCalls {
 public:
  // With operands and results of random numbers for the largest of `products`: zeros would leave
  // the GPU cooler, and its clock higher, than it is in training.
  CublasCalls(const std::vector<Product>& products, cudaStream_t stream);

  // Queues it. Gives what cuBLAS has against it; empty: nothing.
  std::string multiply(Way way, const Product& product, ResultType result) const;

 private:
  // cublasGemmEx, of which the header has a second one for C++.
  using Single = cublasStatus_t (*)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int,
                                    int, const void*, const void*, cudaDataType, int, const void*,
                                    cudaDataType, int, const void*, void*, cudaDataType, int,
                                    cublasComputeType_t, cublasGemmAlgo_t);

  void open_functions();
  cublasStatus_t multiply_lt(const Product& product, cudaDataType result) const;

  cudaStream_t stream_;
  void *workspace_ = nullptr, *a_ = nullptr, *b_ = nullptr, *c_ = nullptr;
  const kernels::Cublas& cublas_;
  cublasHandle_t handle_ = nullptr;
  Single single_ = nullptr;
  decltype(&cublasLtCreate) lt_create_ = nullptr;
  decltype(&cublasLtMatmulDescCreate) lt_describe_ = nullptr;
  decltype(&cublasLtMatmulDescDestroy) lt_forget_description_ = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) lt_set_ = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) lt_lay_out_ = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) lt_forget_layout_ = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) lt_prefer_ = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) lt_set_preference_ = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) lt_choose_ = nullptr;
  decltype(&cublasLtMatmul) lt_multiply_ = nullptr;
  cublasLtHandle_t lt_ = nullptr;
  cublasLtMatmulPreference_t preference_ = nullptr;
};

}  // namespace lookback::probe
