#define LOOKBACK_EIGEN_ISA baseline
#include "kernels/cpu/products/eigen_product.h"
