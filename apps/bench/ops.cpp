// bench ops: every operation of a training step at the model's shapes, beside what the machine can
// do.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/bench/limits.h"
#include "apps/bench/train_step.h"
#include "kernels/core/slot.h"
#include "runtime/device_runtime.h"

namespace lookback {
namespace {

// One operation at one shape, over all its calls.
struct Measured {
  std::string name, shape;
  std::int64_t calls = 0;  // in all steps
  double seconds = 0;      // of the fastest call
  double flops = 0;        // of one call; 0 where the operation is no product
  double bytes = 0;        // read and written by one call, every operand once
};

double elements(const Shape& shape) { return static_cast<double>(shape.numel()); }

// Multiply-adds count as two. The products' operands come first in their argument structs.
double flops_of(std::string_view name, const std::vector<kernels::In>& inputs,
                const std::vector<kernels::Out>& outputs) {
  if (name == "matmul_forward" || name == "expert_linear_forward") {
    return 2 * elements(outputs[0].sizes) * static_cast<double>(inputs[0].size(-1));
  }
  if (name == "expert_linear_backward") {  // dy [N, S O], x [N, I]: dweight
    return 2 * elements(inputs[0].sizes) * static_cast<double>(inputs[1].size(-1));
  }
  if (name == "linear_cross_entropy_forward") {  // logits, and from them dx and dweight
    return 6 * elements(inputs[0].sizes) * static_cast<double>(inputs[1].size(0));
  }
  if (name == "linear_attention_forward") {  // q [B, T, H, K], v [.., V]: two products with states
    return 4 * elements(inputs[0].sizes) * static_cast<double>(inputs[2].size(-1));
  }
  if (name == "linear_attention_backward") {  // dy [B, T, H, V], q [.., K]: twice that
    return 8 * elements(inputs[0].sizes) * static_cast<double>(inputs[1].size(-1));
  }
  if (name == "sum_of_products_forward") {  // all a [M, K_i], then all b [K_i, N]
    const auto products = static_cast<std::ptrdiff_t>(inputs.size() / 2);
    double terms = 0;
    std::for_each_n(inputs.begin(), products, [&](const auto& a) { terms += elements(a.sizes); });
    return 2 * terms * static_cast<double>(outputs[0].size(-1));
  }
  const bool forward = name == "attention_forward";
  if (!forward && name != "attention_backward") return 0;
  // Over half of T x T: one product with queries and keys forward and three backward, one with
  // values forward and two backward. Forward begins with q [B, T, H, dk], backward with
  // dy [B, T, H, dv], then q.
  const auto& q = inputs[forward ? 0 : 1];
  const auto& of_values = forward ? outputs[0] : static_cast<const kernels::Operand&>(inputs[0]);
  const auto queries = static_cast<double>(q.size(1));
  return queries * (forward ? elements(q.sizes) + elements(of_values.sizes)
                            : 3 * elements(q.sizes) + 2 * elements(of_values.sizes));
}

double bytes_of(const std::vector<kernels::In>& inputs, const std::vector<kernels::Out>& outputs) {
  double total = 0;
  const auto add = [&](const kernels::Operand& x) {
    total += elements(x.sizes) * static_cast<double>(size_of(x.dtype));
  };
  std::ranges::for_each(inputs, add);
  std::ranges::for_each(outputs, add);
  return total;
}

std::string shapes_of(const std::vector<kernels::In>& inputs) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(2, inputs.size()); ++i) {
    text += (i == 0 ? "" : " x ") + to_string(inputs[i].sizes);
  }
  return text;
}

// Times each kernel call from the end of the one before it: an operation's share of the tape's own
// work is included. On a GPU, which is not waited for, that is what the GPU took, and what it
// waited for the host where that queues more slowly than the GPU runs. The first call of a pass has
// no call before it and is left out.
class Stopwatch {
 public:
  explicit Stopwatch(Device device) : device_(device) {}

  void start() {
    laps_.clear();
    next_begins_ = nullptr;
  }

  void lap(const kernels::SlotBase& slot, const std::vector<kernels::In>& inputs,
           const std::vector<kernels::Out>& outputs) {
    auto end = queued_moment(device_);
    if (next_begins_ != nullptr) {
      laps_.push_back({{.name = std::string(slot.name),
                        .shape = shapes_of(inputs),
                        .calls = 1,
                        .flops = flops_of(slot.name, inputs, outputs),
                        .bytes = bytes_of(inputs, outputs)},
                       std::move(next_begins_),
                       std::move(end)});
    }
    next_begins_ = queued_moment(device_);
  }

  // When all that was queued has run.
  void stop() {
    for (auto& [measured, begin, end] : laps_) {
      measured.seconds = end->seconds_since(*begin);
      keep(std::move(measured));
    }
  }

  std::vector<Measured> slowest_first() const {
    auto sorted = all_;
    std::ranges::stable_sort(sorted, std::greater{}, &Measured::seconds);
    return sorted;
  }

 private:
  void keep(Measured found) {
    const auto same = std::ranges::find_if(all_, [&](const Measured& each) {
      return each.name == found.name && each.shape == found.shape;
    });
    if (same == all_.end()) {
      all_.push_back(std::move(found));
    } else {
      same->seconds = std::min(same->seconds, found.seconds);
      ++same->calls;
    }
  }

  struct Lap {
    Measured measured;
    std::unique_ptr<QueuedMoment> begin, end;
  };

  Device device_;
  std::unique_ptr<QueuedMoment> next_begins_;  // of the call that comes
  std::vector<Lap> laps_;                      // of the step at hand
  std::vector<Measured> all_;
};

nlohmann::ordered_json bench_ops(const BenchOptions& options, const Session& session) {
  const auto llama = bench_model(options, session.seed);
  BenchStep step(*llama, options, Repetition::queued);
  Stopwatch stopwatch(session.device);
  {
    const kernels::ObserveKernels observe(
        [&](const auto& slot, const auto& in, const auto& out) { stopwatch.lap(slot, in, out); });
    for (std::int64_t i = 0; i < options.steps; ++i) {
      stopwatch.start();
      step.run(session.seed + static_cast<std::uint64_t>(i));
      stopwatch.stop();
    }
  }
  const double max_gflops = gflops_limit(session.device, llama->precision.products);
  const double max_gbps = gbps_limit(session.device);
  auto list = nlohmann::ordered_json::array();
  for (const auto& each : stopwatch.slowest_first()) {
    const double gflops = each.flops / each.seconds / 1e9;
    const double gbps = each.bytes / each.seconds / 1e9;
    list.push_back({{"name", each.name},
                    {"shape", each.shape},
                    {"calls", each.calls / options.steps},
                    {"seconds", each.seconds},
                    {"gflops", gflops},
                    {"gbps", gbps},
                    {"of_limit", std::max(gflops / max_gflops, gbps / max_gbps)}});
  }
  return {{"operations", list}};
}

const Benchmarks::Add registered{"ops", bench_ops};

}  // namespace
}  // namespace lookback
