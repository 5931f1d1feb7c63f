#define LOOKBACK_TILE_ISA avx2
#include "kernels/cpu/tile_product.h"
