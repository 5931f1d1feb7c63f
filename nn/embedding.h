#pragma once

#include "nn/module.h"
#include "nn/precision.h"

namespace lookback {

// Rows of a table. weight: [num_embeddings, dimension].
class Embedding final : public Module {
 public:
  Embedding(ChildOf place, std::int64_t num_embeddings, std::int64_t dimension,
            Precision precision);
  // ids i64 [..] -> [.., dimension]
  Tensor forward(const Tensor& ids) const;

  Tensor weight;
};

}  // namespace lookback
