#include "nn/embedding.h"

#include "autograd/ops/embedding.h"

namespace lookback {

Embedding::Embedding(ChildOf place, std::int64_t num_embeddings, std::int64_t dimension,
                     Precision precision)
    : Module(std::move(place)) {
  weight = register_parameter("weight", empty({num_embeddings, dimension}, precision.storage),
                              Initial::normal());
}

Tensor Embedding::forward(const Tensor& ids) const {
  const auto scope = enter();
  return embedding(ids, weight);
}

}  // namespace lookback
