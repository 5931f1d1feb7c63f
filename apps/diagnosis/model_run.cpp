#include "apps/diagnosis/model_run.h"

#include <optional>

#include "autograd/grad_mode.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/slice.h"

namespace lookback {
namespace {

Tensor decode(const Llama& llama, const Tensor& ids, ForwardOptions options) {
  const auto tokens = ids.size(1);
  KeyValueCache cache(ids.size(0), tokens, llama.precision.storage);
  options.cache = &cache;
  const auto half = tokens / 2;
  std::vector<Tensor> parts;
  for (const auto& [begin, end] : {std::pair{std::int64_t{0}, half}, std::pair{half, tokens}}) {
    if (begin == end) continue;
    parts.push_back(llama.logits(contiguous(slice(ids, 1, begin, end)), options));
  }
  return cat(parts, 1);
}

}  // namespace

Tensor run_along(const Llama& llama, const RunPath& path, const Tensor& ids) {
  ForwardOptions options;
  options.attention = path.attention;
  std::optional<NoGrad> no_grad;
  if (path.mode != RunPath::Mode::training) no_grad.emplace();
  if (path.mode == RunPath::Mode::decoding) return decode(llama, ids, options);
  return llama.logits(ids, options);
}

}  // namespace lookback
