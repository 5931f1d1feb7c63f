#include "apps/train/non_finite.h"

#include <cmath>
#include <optional>

#include "apps/train/token_tensors.h"
#include "autograd/gradient.h"
#include "kernels/slot.h"
#include "nn/adamw.h"

namespace lookback {
namespace {

std::string name_of(double value) { return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf"; }

// The first element of a view that is not finite.
std::optional<std::string> non_finite_element(const TensorView& view) {
  if (view.data == nullptr || !is_floating(view.dtype) || view.sizes.numel() == 0)
    return std::nullopt;
  return visit_floating(view.dtype, [&]<class T>(TypeTag<T>) -> std::optional<std::string> {
    const auto rank = view.sizes.rank();
    std::vector<std::int64_t> index(static_cast<std::size_t>(rank), 0);
    const auto* element = static_cast<const T*>(view.data);
    while (true) {
      if (const auto value = static_cast<double>(*element); !std::isfinite(value))
        return name_of(value);
      int dim = rank - 1;
      for (; dim >= 0; --dim) {
        auto& i = index[static_cast<std::size_t>(dim)];
        element += view.strides[dim];
        if (++i < view.sizes[dim]) break;
        element -= i * view.strides[dim];
        i = 0;
      }
      if (dim < 0) return std::nullopt;
    }
  });
}

// "rms_norm" of the slot rms_norm_forward.
std::string_view operation_of(const kernels::SlotBase& slot) {
  const auto last = slot.name.rfind('_');
  const auto ending = last == slot.name.npos ? std::string_view() : slot.name.substr(last);
  return ending == "_forward" || ending == "_backward" ? slot.name.substr(0, last) : slot.name;
}

// What was seen first, in words.
class Search {
 public:
  explicit Search(std::vector<NamedParameter> of_model) : parameters(std::move(of_model)) {}

  // Watches while `run` does its work.
  template <class Run>
  void during(const Run& run) {
    const kernels::ObserveKernels observe(
        [this](const auto& slot, const auto& inputs, const auto& outputs) {
          look(slot, inputs, outputs);
        });
    run();
  }

  std::string verdict() const {
    return found.empty() ? "no operation wrote it when it ran again" : found;
  }

  std::string_view pass = "forward";

 private:
  void look(const kernels::SlotBase& slot, const std::vector<kernels::In>& inputs,
            const std::vector<kernels::Out>& outputs) {
    for (std::size_t i = 0; found.empty() && i < outputs.size(); ++i) {
      const auto value = non_finite_element(outputs[i]);
      if (!value) continue;
      const auto& scope = *Scope::current();
      found = fmt::format("{} of {} in the {} pass wrote {} first", operation_of(slot),
                          scope.empty() ? "the whole model" : scope, pass, *value);
      for (const auto& input : inputs) found += fault_of_parameter(input);
    }
  }

  std::string fault_of_parameter(const kernels::In& input) const {
    for (const auto& parameter : parameters) {
      if (parameter.tensor.raw_data() != input.data) continue;
      if (const auto held = non_finite_element(input)) {
        return fmt::format(" ({} held {})", parameter.name, *held);
      }
    }
    return "";
  }

  std::vector<NamedParameter> parameters;
  std::string found;
};

}  // namespace

std::string first_non_finite(const Llama& llama, const std::vector<TokenBatch>& micro_batches) {
  const auto parameters = llama.parameters();
  clear_gradients(parameters);
  Search search(parameters);
  search.during([&] {
    for (const auto& batch : micro_batches) {
      const auto [ids, targets] = token_tensors(batch);
      search.pass = "forward";
      const auto loss = llama.loss(ids, targets);
      search.pass = "backward";
      backward(loss.loss_sum);
    }
    gradient_norm(parameters);
  });
  clear_gradients(parameters);
  return search.verdict();
}

std::string first_non_finite(const Llama& llama, const TokenSource& source,
                             const EvaluationPlan& plan) {
  Search search(llama.parameters());
  search.during([&] { evaluate(llama, source, plan); });
  return search.verdict();
}

}  // namespace lookback
