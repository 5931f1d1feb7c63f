#include "tests/gemm_probe/cublas_calls.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/device/library_search.h"
#include "runtime/check.h"
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

CublasCalls::CublasCalls(const std::vector<Product>& products, cudaStream_t compute_stream)
    : stream(compute_stream), cublas(kernels::Cublas::opened()) {
  open_functions();
  workspace = memory_of(workspace_bytes);
  handle = cublas.make_handle(stream, workspace, workspace_bytes);
  cublas.check(lt_create(&lt));
  cublas.check(lt_prefer(&preference));
  cublas.check(lt_set_preference(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                 &workspace_bytes, sizeof(workspace_bytes)));
  const auto numbers = random_numbers();
  a = random_memory(2 * max_of(products, [](const auto& p) { return p.m * p.k; }), numbers, stream);
  b = random_memory(2 * max_of(products, [](const auto& p) { return p.k * p.n; }), numbers, stream);
  c = memory_of(4 * max_of(products, [](const auto& p) { return p.m * p.n; }));
}

void CublasCalls::open_functions() {
  const auto opened = open_library(kernels::cublas_search(), [](void*) { return std::string(); });
  // cuBLAS brings cublasLt, in whose functions dlsym() looks as well.
  const auto find = [&]<class Function>(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(opened.handle, name));
    if (function == nullptr) fail("cublas", "{} has no {}", opened.path.string(), name);
  };
  find(single, "cublasGemmEx");
  find(lt_create, "cublasLtCreate");
  find(lt_describe, "cublasLtMatmulDescCreate");
  find(lt_forget_description, "cublasLtMatmulDescDestroy");
  find(lt_set, "cublasLtMatmulDescSetAttribute");
  find(lt_lay_out, "cublasLtMatrixLayoutCreate");
  find(lt_forget_layout, "cublasLtMatrixLayoutDestroy");
  find(lt_prefer, "cublasLtMatmulPreferenceCreate");
  find(lt_set_preference, "cublasLtMatmulPreferenceSetAttribute");
  find(lt_choose, "cublasLtMatmulAlgoGetHeuristic");
  find(lt_multiply, "cublasLtMatmul");
}

std::string CublasCalls::multiply(Way way, const Product& p, ResultType result) const {
  const auto type = result == ResultType::f32 ? CUDA_R_32F : CUDA_R_16BF;
  try {
    if (way == Way::batched) {
      cublas.check(cublas.multiply(
          handle, operation_of(p.a), operation_of(p.b), small(p.m), small(p.n), small(p.k), &one, a,
          CUDA_R_16BF, small(p.a_step()), p.m * p.k, b, CUDA_R_16BF, small(p.b_step()), p.k * p.n,
          &nothing, c, type, small(p.m), p.m * p.n, 1, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
    } else if (way == Way::single) {
      cublas.check(single(handle, operation_of(p.a), operation_of(p.b), small(p.m), small(p.n),
                          small(p.k), &one, a, CUDA_R_16BF, small(p.a_step()), b, CUDA_R_16BF,
                          small(p.b_step()), &nothing, c, type, small(p.m), CUBLAS_COMPUTE_32F,
                          CUBLAS_GEMM_DEFAULT));
    } else {
      cublas.check(multiply_lt(p, type));
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
    cublas.check(lt_lay_out(&layout, type, rows(m), rows(n), m));
    return layout;
  };
  cublasLtMatmulDesc_t description = nullptr;
  cublas.check(lt_describe(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  const auto a_operation = operation_of(p.a), b_operation = operation_of(p.b);
  cublas.check(lt_set(description, CUBLASLT_MATMUL_DESC_TRANSA, &a_operation, sizeof(a_operation)));
  cublas.check(lt_set(description, CUBLASLT_MATMUL_DESC_TRANSB, &b_operation, sizeof(b_operation)));
  const auto of_a = lay_out(p.a, p.m, p.k, CUDA_R_16BF), of_b = lay_out(p.b, p.k, p.n, CUDA_R_16BF),
             of_c = lay_out(Operand::as_it_lies, p.m, p.n, result);
  cublasLtMatmulHeuristicResult_t chosen{};
  int found = 0;
  auto status = lt_choose(lt, description, of_a, of_b, of_c, of_c, preference, 1, &chosen, &found);
  if (status == CUBLAS_STATUS_SUCCESS && found == 0) status = CUBLAS_STATUS_NOT_SUPPORTED;
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = lt_multiply(lt, description, &one, a, of_a, b, of_b, &nothing, c, of_c, c, of_c,
                         &chosen.algo, workspace, workspace_bytes, stream);
  }
  for (const auto layout : {of_a, of_b, of_c}) cublas.check(lt_forget_layout(layout));
  cublas.check(lt_forget_description(description));
  return status;
}

}  // namespace lookback::probe
