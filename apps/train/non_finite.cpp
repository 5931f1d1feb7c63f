#include "apps/train/non_finite.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/train/token_tensors.h"
#include "autograd/gradient.h"
#include "kernels/core/slot.h"
#include "nn/adamw.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

std::string name_of(double value) { return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf"; }

bool is_numbers(const TensorView& view) {
  return view.data != nullptr && is_floating(view.dtype) && view.sizes.numel() > 0;
}

// look(value) for every element of a floating view, until it returns false.
template <class Look>
void for_each_number(const TensorView& anywhere, const Look& look) {
  const HostView here(anywhere);
  const auto& view = here.view();
  visit_floating(view.dtype, [&]<class T>(TypeTag<T>) {
    const auto rank = view.sizes.rank();
    std::vector<std::int64_t> index(static_cast<std::size_t>(rank), 0);
    const auto* element = static_cast<const T*>(view.data);
    while (look(static_cast<double>(*element))) {
      int dim = rank - 1;
      for (; dim >= 0; --dim) {
        auto& i = index[static_cast<std::size_t>(dim)];
        element += view.strides[dim];
        if (++i < view.sizes[dim]) break;
        element -= i * view.strides[dim];
        i = 0;
      }
      if (dim < 0) return;
    }
  });
}

// The first element of a view that is not finite.
std::optional<std::string> non_finite_element(const TensorView& view) {
  std::optional<std::string> found;
  if (!is_numbers(view)) return found;
  for_each_number(view, [&](double value) {
    if (!std::isfinite(value)) found = name_of(value);
    return !found;
  });
  return found;
}

// "[-0.5, 2]", of what is finite.
std::string range_of(const TensorView& view) {
  double least = std::numeric_limits<double>::infinity(), most = -least;
  for_each_number(view, [&](double value) {
    if (std::isfinite(value)) {
      least = std::min(least, value);
      most = std::max(most, value);
    }
    return true;
  });
  return least > most ? "[]" : fmt::format("[{:.4g}, {:.4g}]", least, most);
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
  explicit Search(std::vector<NamedParameter> parameters) : parameters_(std::move(parameters)) {}

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
    return found_.empty() ? "no operation wrote it when it ran again" : found_;
  }
  // With the ranges of the operation's inputs.
  std::optional<std::string> in_full() const {
    if (found_.empty()) return std::nullopt;
    return ranges_.empty() ? found_ : fmt::format("{}; its inputs lie in {}", found_, ranges_);
  }

  std::string_view pass = "forward";

 private:
  void look(const kernels::SlotBase& slot, const std::vector<kernels::In>& inputs,
            const std::vector<kernels::Out>& outputs) {
    for (std::size_t i = 0; found_.empty() && i < outputs.size(); ++i) {
      const auto value = non_finite_element(outputs[i]);
      const bool hidden = operation_of(slot) == "mask_scores" && value == "-inf";
      if (!value || hidden) continue;
      const auto& scope = *Scope::current();
      found_ = fmt::format("{} of {} in the {} pass wrote {} first", operation_of(slot),
                           scope.empty() ? "the whole model" : scope, pass, *value);
      for (const auto& input : inputs) {
        found_ += fault_of_parameter(input);
        if (!is_numbers(input)) continue;
        ranges_ += (ranges_.empty() ? "" : ", ") + range_of(input);
      }
    }
  }

  std::string fault_of_parameter(const kernels::In& input) const {
    for (const auto& parameter : parameters_) {
      if (!lies_in(parameter.tensor, input)) continue;
      if (const auto held = non_finite_element(kernels::In(parameter.tensor))) {
        return fmt::format(" ({} held {})", parameter.name, *held);
      }
    }
    return "";
  }
  // One product reads several weights that lie one after the other.
  static bool lies_in(const Tensor& parameter, const kernels::In& input) {
    const auto offset = static_cast<const std::byte*>(parameter.raw_data()) -
                        static_cast<const std::byte*>(input.data);
    const auto bytes = input.numel() * static_cast<std::int64_t>(size_of(input.dtype));
    return parameter.dtype() == input.dtype && offset >= 0 && offset < bytes;
  }

  std::vector<NamedParameter> parameters_;
  std::string found_, ranges_;
};

// A step, watched.
Search search_of(const Llama& llama, const std::vector<TokenBatch>& micro_batches) {
  const auto parameters = llama.parameters();
  clear_gradients(parameters);
  Search search(parameters);
  search.during([&] {
    for (const auto& batch : micro_batches) {
      const auto [ids, targets] = token_tensors(batch);
      search.pass = "forward";
      const auto loss = llama.loss(ids, targets);
      search.pass = "backward";
      backward(with_auxiliary(loss.loss_sum, loss));
    }
    gradient_norm(parameters);
  });
  clear_gradients(parameters);
  return search;
}

}  // namespace

std::optional<std::string> find_non_finite(const Llama& llama,
                                           const std::vector<TokenBatch>& micro_batches) {
  return search_of(llama, micro_batches).in_full();
}

std::string first_non_finite(const Llama& llama, const std::vector<TokenBatch>& micro_batches) {
  return search_of(llama, micro_batches).verdict();
}

std::string first_non_finite(const Llama& llama, const TokenSource& source,
                             const EvaluationPlan& plan) {
  Search search(llama.parameters());
  search.during([&] { evaluate(llama, source, plan); });
  return search.verdict();
}

}  // namespace lookback
