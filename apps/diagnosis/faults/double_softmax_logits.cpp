// The model gives out probabilities, and the loss takes them for logits.
#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/softmax.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

class DoubleSoftmaxLogits final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "logits that pass a softmax before the loss, which takes another";
  }
  Verdict verdict() const override { return Verdict::double_softmax; }
  Changes changes() const override { return {Change::loss, Change::step, Change::gradient}; }
  CrossEntropyResult loss_of_logits(const Tensor& logits, const Tensor& targets,
                                    const CrossEntropyOptions& options) const override {
    return cross_entropy(softmax(logits), targets, options);
  }
};

const AddFault<DoubleSoftmaxLogits> registered{"double_softmax_logits"};
const RegisteredPresets::Add preset{"fault-double-softmax-logits",
                                    {.description = "logits that pass a softmax before the loss",
                                     .config = R"({"fault": "double_softmax_logits"})"}};

}  // namespace
}  // namespace lookback
