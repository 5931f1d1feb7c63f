// What a model keeps of the tokens it has seen, when it generates.
#pragma once

#include <cstddef>

#include "nn/llama/llama.h"

namespace lookback {

struct CacheSizes {
  std::size_t per_token = 0;        // bytes over all layers, of one sequence
  std::size_t per_sequence = 0;     // what rings and states take of them and beside them, at most
  std::size_t plain_per_token = 0;  // of a plain Llama of these sizes and this number format
};

// Found by running one token.
CacheSizes measure_cache(const Llama& llama, std::int64_t token);

}  // namespace lookback
