// Which keys a token sees depends on the place of its sequence in the batch, as where random blocks
// are drawn for each row: row b leaves out the first b keys.
#include <algorithm>

#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/attention_weights.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

// [B, T] i64: row b begins at position b, and a token always sees itself.
Tensor starts(std::int64_t rows, std::int64_t tokens, const CausalMask& mask,
              const Device& device) {
  const auto result = empty({rows, tokens}, DType::i64, cpu_device);
  auto* to = result.data<std::int64_t>();
  for (std::int64_t b = 0; b < rows; ++b) {
    for (std::int64_t t = 0; t < tokens; ++t) *to++ = std::min(b, mask.offset + t);
  }
  // The proof that nothing looks ahead follows the numbers of a mask as they are.
  return device.backend == Backend::taint ? result : to_device(result, device);
}

class PatternByRow final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "the sequence in row b of a batch does not see its first b tokens";
  }
  Verdict verdict() const override { return Verdict::rows_mixed; }
  Changes changes() const override { return forward_changes(); }
  MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const override {
    const auto& query = pieces.q.front();
    auto by_row = mask;
    by_row.document_start = starts(query.size(0), query.size(1), mask, query.device());
    return {attention_weights(pieces, by_row), by_row};
  }
};

const AddFault<PatternByRow> registered{"pattern_by_row"};

}  // namespace
}  // namespace lookback
