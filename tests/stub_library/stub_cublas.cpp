// A libcublas of as much as a test wants of it. STUB_MAJOR: the version it gives;
// STUB_LACKS_MULTIPLY: it has no product. What it was asked is in the environment of the process,
// which a test reads: a library that is opened shares no variables with who opens it.
#include <cstdlib>
#include <string>

namespace {

int noted(const char* name, long long value) {
  setenv(name, std::to_string(value).c_str(), 1);
  return 0;
}

}  // namespace

extern "C" {

int cublasGetProperty(int which, int* value) {
  *value = which == 0 ? STUB_MAJOR : which + 1;  // MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL
  return 0;
}
int cublasCreate_v2(void** handle) {
  static int place;
  *handle = &place;
  return 0;
}
int cublasSetStream_v2(void*, void*) { return noted("STUB_WORKSPACE_BYTES", 0); }  // as cuBLAS does
int cublasSetWorkspace_v2(void*, void*, std::size_t bytes) {
  return noted("STUB_WORKSPACE_BYTES", static_cast<long long>(bytes));
}
int cublasSetMathMode(void*, int mode) { return noted("STUB_MATH_MODE", mode); }
const char* cublasGetStatusString(int) { return "a status of the stub"; }
#ifndef STUB_LACKS_MULTIPLY
int cublasGemmStridedBatchedEx(void*, int, int, int m, int, int, const void*, const void*, int, int,
                               long long, const void*, int, int, long long, const void*, void*, int,
                               int, long long, int, int, int) {
  return noted("STUB_MULTIPLIED", m);
}
#endif

// What tests/gemm_probe asks for as well. Of cublasLt nothing is a pointer to anything.
int cublasGemmEx(void*, int, int, int m, int, int, const void*, const void*, int, int, const void*,
                 int, int, const void*, void*, int, int, int, int) {
  return noted("STUB_MULTIPLIED", m);
}
int cublasLtCreate(void**) { return 0; }
int cublasLtMatmulDescCreate(void**, int, int) { return 0; }
int cublasLtMatmulDescDestroy(void*) { return 0; }
int cublasLtMatmulDescSetAttribute(void*, int, const void*, std::size_t) { return 0; }
int cublasLtMatrixLayoutCreate(void**, int, unsigned long long, unsigned long long, long long) {
  return 0;
}
int cublasLtMatrixLayoutDestroy(void*) { return 0; }
int cublasLtMatmulPreferenceCreate(void**) { return 0; }
int cublasLtMatmulPreferenceSetAttribute(void*, int, const void*, std::size_t) { return 0; }
int cublasLtMatmulAlgoGetHeuristic(void*, void*, void*, void*, void*, void*, void*, int, void*,
                                   int* found) {
  *found = std::getenv("STUB_LT_HAS_NOTHING") == nullptr ? 1 : 0;
  return 0;
}
int cublasLtMatmul(void*, void*, const void*, const void*, void*, const void*, void*, const void*,
                   const void*, void*, void*, void*, const void*, void*, std::size_t, void*) {
  return 0;
}

}  // extern "C"
