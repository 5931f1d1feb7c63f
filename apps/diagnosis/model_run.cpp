#include "apps/diagnosis/model_run.h"

#include <algorithm>
#include <optional>

#include "autograd/grad_mode.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/slice.h"
#include "nn/layer/attention_dtype.h"

namespace lookback {
Tensor run_along(const Llama& llama, const RunPath& path, const Tensor& ids) {
  ForwardOptions options;
  options.attention = path.attention;
  std::optional<NoGrad> no_grad;
  if (path.mode != RunPath::Mode::training) no_grad.emplace();
  if (path.mode == RunPath::Mode::decoding) {
    const auto half = ids.size(1) / 2;
    return decoded(llama, ids, {.prompt = half, .behind = ids.size(1) - half}, options);
  }
  return llama.logits(ids, options);
}

Tensor decoded(const Llama& llama, const Tensor& ids, Pieces pieces, ForwardOptions options,
               const CachePolicy& policy) {
  const auto tokens = ids.size(1);
  KeyValueCache cache(ids.size(0), tokens, attention_dtype(llama.precision, options, ids.device()),
                      policy);
  options.cache = &cache;
  std::vector<Tensor> parts;
  for (std::int64_t begin = 0; begin < tokens;) {
    const auto length = std::max<std::int64_t>(1, begin == 0 ? pieces.prompt : pieces.behind);
    const auto end = std::min(tokens, begin + length);
    parts.push_back(llama.logits(contiguous(slice(ids, 1, begin, end)), options));
    begin = end;
  }
  return cat(parts, 1);
}

}  // namespace lookback
