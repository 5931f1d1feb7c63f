// The model gives out probabilities, and the loss takes them for logits.
#include "autograd/ops/softmax.h"
#include "nn/fault/fault.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

class DoubleSoftmaxLogits final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "logits that pass a softmax before the loss, which takes another";
  }
  std::string_view verdict() const override { return "double-softmax"; }
  CrossEntropyResult loss(const Tensor& logits, const Tensor& targets,
                          const CrossEntropyOptions& options) const override {
    return cross_entropy(softmax(logits), targets, options);
  }
};

const Faults::Add registered{"double_softmax_logits",
                             [] { return std::make_unique<DoubleSoftmaxLogits>(); }};
const PresetRegistration preset{"fault-double-softmax-logits",
                                {.description = "logits that pass a softmax before the loss",
                                 .config = R"({"fault": "double_softmax_logits"})"}};

}  // namespace
}  // namespace lookback
