// Products in f32 whose operands several tiles read: packed once, on all threads, for all of them.
#pragma once

#include "kernels/cpu/gemm_arguments.h"

namespace lookback::kernels {

// False, and nothing is done, where that would not pay.
template <class T, class Result>
bool multiply_sharing(const Gemm<T, Result>& product);

}  // namespace lookback::kernels
