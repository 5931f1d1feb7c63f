#define LOOKBACK_TILE_ISA baseline
#include "kernels/cpu/tile_product.h"
