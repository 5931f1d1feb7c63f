#define LOOKBACK_EIGEN_ISA avx2
#include "kernels/cpu/products/eigen_product.h"
