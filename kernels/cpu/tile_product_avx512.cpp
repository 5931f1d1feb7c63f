#define LOOKBACK_TILE_ISA avx512
#include "kernels/cpu/tile_product.h"
