#include "tests/gemm_probe/cublas_calls.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdint>

#include "runtime/check.h"
#include "runtime/library_search.h"
#include "tests/gemm_probe/probe_check.h"

namespace lookback::probe {
namespace {

constexpr std::size_t workspace_bytes = std::size_t{32} << 20;  // as the program has it
const float one = 1, nothing = 0;

void* memory_of(std::size_t bytes) {
  void* block = nullptr;
  check(cudaMalloc(&block, bytes));
  return block;
}

// bf16 numbers between -1 and 1, the same every time.
std::vector<std::uint16_t> random_numbers() {
  std::vector<std::uint16_t> numbers(std::size_t{1} << 22);
  std::uint32_t state = 1;
  for (auto& number : numbers) {
    state = state * 1664525 + 1013904223;
    const std::uint32_t sign_and_fraction = (state >> 16) & 0x807f, below_one = 126 - (state >> 30);
    number = static_cast<std::uint16_t>(sign_and_fraction | below_one << 7);
  }
  return numbers;
}

void* random_memory(std::size_t bytes, const std::vector<std::uint16_t>& numbers,
                    cudaStream_t stream) {
  auto* const block = static_cast<std::byte*>(memory_of(bytes));
  const std::size_t most = numbers.size() * sizeof(std::uint16_t);
  for (std::size_t at = 0; at < bytes; at += most) {
    check(cudaMemcpyAsync(block + at, numbers.data(), std::min(most, bytes - at),
                          cudaMemcpyHostToDevice, stream));
  }
  check(cudaStreamSynchronize(stream));
  return block;
}

std::size_t max_of(const std::vector<Product>& products, const auto& count) {
  std::int64_t most = 0;
  for (const auto& product : products) most = std::max(most, count(product));
  return static_cast<std::size_t>(most);
}

cublasOperation_t operation_of(Operand operand) {
  return operand == Operand::as_it_lies ? CUBLAS_OP_N : CUBLAS_OP_T;
}

int small(std::int64_t number) { return static_cast<int>(number); }

}  // namespace

CublasCalls::CublasCalls(const std::vector<Product>& products, cudaStream_t stream)
    : stream_(stream), cublas_(kernels::Cublas::opened()) {
  open_functions();
  workspace_ = memory_of(workspace_bytes);
  handle_ = cublas_.make_handle(stream_, workspace_, workspace_bytes);
  cublas_.check(lt_create_(&lt_));
  cublas_.check(lt_prefer_(&preference_));
  cublas_.check(lt_set_preference_(preference_, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                   &workspace_bytes, sizeof(workspace_bytes)));
  const auto numbers = random_numbers();
  a_ = random_memory(2 * max_of(products, [](const auto& p) { return p.m * p.k; }), numbers,
                     stream_);
  b_ = random_memory(2 * max_of(products, [](const auto& p) { return p.k * p.n; }), numbers,
                     stream_);
  c_ = memory_of(4 * max_of(products, [](const auto& p) { return p.m * p.n; }));
}

void CublasCalls::open_functions() {
  const auto opened = open_library(kernels::cublas_search(), [](void*) { return std::string(); });
  // cuBLAS brings cublasLt, in whose functions dlsym() looks as well.
  const auto find = [&]<class Function>(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(opened.handle, name));
    if (function == nullptr) fail("cublas", "{} has no {}", opened.path.string(), name);
  };
  find(single_, "cublasGemmEx");
  find(lt_create_, "cublasLtCreate");
  find(lt_describe_, "cublasLtMatmulDescCreate");
  find(lt_forget_description_, "cublasLtMatmulDescDestroy");
  find(lt_set_, "cublasLtMatmulDescSetAttribute");
  find(lt_lay_out_, "cublasLtMatrixLayoutCreate");
  find(lt_forget_layout_, "cublasLtMatrixLayoutDestroy");
  find(lt_prefer_, "cublasLtMatmulPreferenceCreate");
  find(lt_set_preference_, "cublasLtMatmulPreferenceSetAttribute");
  find(lt_choose_, "cublasLtMatmulAlgoGetHeuristic");
  find(lt_multiply_, "cublasLtMatmul");
}

std::string CublasCalls::multiply(Way way, const Product& p, ResultType result) const {
  const auto type = result == ResultType::f32 ? CUDA_R_32F : CUDA_R_16BF;
  try {
    if (way == Way::batched) {
      cublas_.check(cublas_.multiply(handle_, operation_of(p.a), operation_of(p.b), small(p.m),
                                     small(p.n), small(p.k), &one, a_, CUDA_R_16BF,
                                     small(p.a_step()), p.m * p.k, b_, CUDA_R_16BF,
                                     small(p.b_step()), p.k * p.n, &nothing, c_, type, small(p.m),
                                     p.m * p.n, 1, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
    } else if (way == Way::single) {
      cublas_.check(single_(handle_, operation_of(p.a), operation_of(p.b), small(p.m), small(p.n),
                            small(p.k), &one, a_, CUDA_R_16BF, small(p.a_step()), b_, CUDA_R_16BF,
                            small(p.b_step()), &nothing, c_, type, small(p.m), CUBLAS_COMPUTE_32F,
                            CUBLAS_GEMM_DEFAULT));
    } else {
      cublas_.check(multiply_lt(p, type));
    }
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

cublasStatus_t CublasCalls::multiply_lt(const Product& p, cudaDataType result) const {
  const auto rows = [](std::int64_t number) { return static_cast<std::uint64_t>(number); };
  const auto lay_out = [&](Operand operand, std::int64_t m, std::int64_t n, cudaDataType type) {
    if (operand == Operand::transposed) std::swap(m, n);
    cublasLtMatrixLayout_t layout = nullptr;
    cublas_.check(lt_lay_out_(&layout, type, rows(m), rows(n), m));
    return layout;
  };
  cublasLtMatmulDesc_t description = nullptr;
  cublas_.check(lt_describe_(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  const auto a_operation = operation_of(p.a), b_operation = operation_of(p.b);
  cublas_.check(
      lt_set_(description, CUBLASLT_MATMUL_DESC_TRANSA, &a_operation, sizeof(a_operation)));
  cublas_.check(
      lt_set_(description, CUBLASLT_MATMUL_DESC_TRANSB, &b_operation, sizeof(b_operation)));
  const auto of_a = lay_out(p.a, p.m, p.k, CUDA_R_16BF), of_b = lay_out(p.b, p.k, p.n, CUDA_R_16BF),
             of_c = lay_out(Operand::as_it_lies, p.m, p.n, result);
  cublasLtMatmulHeuristicResult_t chosen{};
  int found = 0;
  auto status =
      lt_choose_(lt_, description, of_a, of_b, of_c, of_c, preference_, 1, &chosen, &found);
  if (status == CUBLAS_STATUS_SUCCESS && found == 0) status = CUBLAS_STATUS_NOT_SUPPORTED;
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = lt_multiply_(lt_, description, &one, a_, of_a, b_, of_b, &nothing, c_, of_c, c_, of_c,
                          &chosen.algo, workspace_, workspace_bytes, stream_);
  }
  for (const auto layout : {of_a, of_b, of_c}) cublas_.check(lt_forget_layout_(layout));
  cublas_.check(lt_forget_description_(description));
  return status;
}

}  // namespace lookback::probe
