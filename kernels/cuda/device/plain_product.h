// Matrix products for what cuBLAS cannot read (rows that overlap, or all lie in one place) or count
// (sizes and steps of 2^31 and more): one thread per element, without haste.
#pragma once

#include "kernels/cuda/device/products.h"

namespace lookback::kernels {

void plain_product(const Product& product);

}  // namespace lookback::kernels
