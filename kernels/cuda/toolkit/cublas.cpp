#include "kernels/cuda/toolkit/cublas.h"

#include <dlfcn.h>

#include "kernels/cuda/device/cuda_library_folders.h"
#include "runtime/check.h"

namespace lookback::kernels {

LibrarySearch cublas_search() {
  return {
      .operation = "cublas",
      .file = fmt::format("libcublas.so.{}", CUBLAS_VER_MAJOR),
      .variable = "LOOKBACK_CUBLAS",
      .folders = cuda_library_folders(CUBLAS_VER_MAJOR),
      .advice = fmt::format("Install the libraries of CUDA {} (pip install 'nvidia-cublas=={}.*')",
                            CUBLAS_VER_MAJOR, CUBLAS_VER_MAJOR)};
}

Cublas::Cublas() {
  const auto found = open_library(cublas_search(), [this](void* handle) { return take(handle); });
  described_ = fmt::format("cuBLAS {} ({})", version_, found.path.string());
}

const Cublas& Cublas::opened() {
  static const Cublas library;
  return library;
}

std::string Cublas::take(void* handle) {
  std::string missing;
  const auto find = [&]<class Function>(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(handle, name));
    if (function == nullptr) missing += (missing.empty() ? "has no " : ", ") + std::string(name);
  };
  decltype(&cublasGetProperty) get_property = nullptr;
  find(get_property, "cublasGetProperty");
  find(create_, "cublasCreate_v2");
  find(set_stream_, "cublasSetStream_v2");
  find(set_workspace_, "cublasSetWorkspace_v2");
  find(set_math_mode_, "cublasSetMathMode");
  find(multiply, "cublasGemmStridedBatchedEx");
  find(status_text_, "cublasGetStatusString");
  if (!missing.empty()) return missing;
  int major = 0, minor = 0, patch = 0;
  check(get_property(MAJOR_VERSION, &major));
  check(get_property(MINOR_VERSION, &minor));
  check(get_property(PATCH_LEVEL, &patch));
  version_ = fmt::format("{}.{}.{}", major, minor, patch);
  if (major == CUBLAS_VER_MAJOR) return {};
  return fmt::format("is cuBLAS {}, must be {}", version_, CUBLAS_VER_MAJOR);
}

cublasHandle_t Cublas::make_handle(cudaStream_t stream, void* workspace,
                                   std::size_t workspace_bytes) const {
  cublasHandle_t handle = nullptr;
  check(create_(&handle));
  check(set_stream_(handle, stream));  // which resets the workspace
  check(set_workspace_(handle, workspace, workspace_bytes));
  // Otherwise a product whose result is bf16 may join the parts of its sums in bf16.
  check(set_math_mode_(
      handle, static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH |
                                        CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)));
  return handle;
}

void Cublas::check(cublasStatus_t status) const {
  if (status != CUBLAS_STATUS_SUCCESS) fail("cublas", "{}", status_text_(status));
}

}  // namespace lookback::kernels
