// Noise on what each layer leaves, as dropout that nobody switched off: other numbers in each call.
#include <atomic>
#include <cstdint>

#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/cast.h"
#include "runtime/random.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

class NoiseInLayers final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "each layer multiplies what it leaves by random numbers around 1, others in each call";
  }
  Verdict verdict() const override { return Verdict::not_deterministic; }
  Changes changes() const override {
    auto changed = forward_changes();
    changed.insert(Change::recomputed);
    return changed;
  }
  ResidualSum layer_output(std::int64_t, const ResidualSum& healthy) const override {
    const auto noise = empty({healthy.stream.size(-1)}, DType::f64, cpu_device);
    RandomStream random(0, stream_of(RandomUse::diagnosis, calls_++));
    for (auto& each : noise.elements<double>()) each = 1 + 0.1 * random.normal();
    const auto here = to_device(noise, healthy.stream.device());
    const auto noisy = [&](const Tensor& x) { return x * cast(here, x.dtype()); };
    return {noisy(healthy.stream), healthy.update.defined() ? noisy(healthy.update) : Tensor{}};
  }

 private:
  mutable std::atomic<std::uint64_t> calls_ = 1 << 20;
};

const AddFault<NoiseInLayers> registered{"noise_in_layers"};

}  // namespace
}  // namespace lookback
