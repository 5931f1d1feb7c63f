#define LOOKBACK_EIGEN_ISA avx512
#include "kernels/cpu/products/eigen_product.h"
