// The same call, made twice: the same bits, in training with its gradients and in evaluation. What
// is not repeatable cannot be held against anything, so this is asked before all else.
#include <algorithm>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/train/accumulate_gradients.h"
#include "apps/train/token_tensors.h"
#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/scope.h"
#include "kernels/core/slot.h"
#include "runtime/checksum.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

constexpr std::int64_t rows = 2, most_tokens = 66;  // on either side of a tile of 64

Checksum checksum_of(const Tensor& x) {
  const auto here = on_host(x);
  const auto* first = static_cast<const std::byte*>(here.view().data);
  return lookback::checksum_of(
      std::span(first, static_cast<std::size_t>(here.numel()) * size_of(here.dtype())));
}

// What one call has left behind, in the order in which it was made.
struct Written {
  std::string what;
  Checksum bits;
};

class SameTwice final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::not_deterministic; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const auto llama = subject.model();
    compare(
        "the same step of training twice", [&] { return step(subject, *llama); }, diagnosis);
    compare(
        "the same evaluation twice", [&] { return evaluation(subject, *llama); }, diagnosis);
  }

 private:
  using Call = std::function<std::vector<Written>()>;

  // Only where results differ does it matter which kernel wrote other bits first.
  static void compare(const std::string& name, const Call& call, Diagnosis& diagnosis) {
    const auto first = call(), second = call();
    const auto different = std::ranges::mismatch(first, second, {}, &Written::bits, &Written::bits);
    if (different.in1 == first.end()) {
      return diagnosis.compared(Verdict::not_deterministic, name, "the first time", 0, 0,
                                fmt::format("{} results are equal to the bit", first.size()));
    }
    diagnosis.failed(Verdict::not_deterministic, name, 1, 0,
                     fmt::format("{}: {} differs between two equal calls", first_operation(call),
                                 different.in1->what));
  }

  static std::vector<Written> step(const Subject& subject, const Llama& llama) {
    const auto parameters = llama.parameters();
    clear_gradients(parameters);
    auto batch = subject.batch();
    const auto results = queue_gradients(llama, {batch}, {token_tensors(batch)}, subject.forward());
    std::vector<Written> all{{"the loss", checksum_of(results.numbers)}};
    for (const auto& parameter : parameters) {
      const auto found = gradient(parameter.tensor);
      if (found.defined()) all.push_back({"the gradient of " + parameter.name, checksum_of(found)});
    }
    clear_gradients(parameters);
    return all;
  }

  static std::vector<Written> evaluation(const Subject& subject, const Llama& llama) {
    const NoGrad no_grad;
    const auto tokens = std::min(most_tokens, subject.config.max_position_embeddings);
    std::vector<Written> all;
    for (const auto path : {AttentionPath::streaming, AttentionPath::explicit_weights}) {
      const auto logits = llama.logits(subject.random_ids(rows, tokens, 50), {.attention = path});
      all.push_back({"a row of logits", checksum_of(logits)});
    }
    return all;
  }

  // The first kernel that writes other bits.
  static std::string first_operation(const Call& call) {
    const auto first = kernels_of(call), second = kernels_of(call);
    const auto different = std::ranges::mismatch(first, second, {}, &Written::bits, &Written::bits);
    return different.in1 == first.end() ? "no kernel" : different.in1->what;
  }

  static std::vector<Written> kernels_of(const Call& call) {
    std::vector<Written> all;
    const kernels::ObserveKernels observe(
        [&](const auto& slot, const auto&, const std::vector<kernels::Out>& outputs) {
          RunningChecksum sum;
          for (const auto& output : outputs) {
            if (output.backend != Backend::cpu) continue;
            sum.add(std::span(static_cast<const std::byte*>(output.data),
                              static_cast<std::size_t>(output.numel()) * size_of(output.dtype)));
          }
          const auto& module = *Scope::current();
          all.push_back({fmt::format("{} in {}", slot.name, module.empty() ? "the model" : module),
                         sum.value()});
        });
    call();
    return all;
  }
};

const DiagnosisChecks::Add registered{"same_twice", [] { return std::make_unique<SameTwice>(); }};

}  // namespace
}  // namespace lookback
