#include "kernels/fill.h"

#include "kernels/cpu/strided_loop.h"

namespace lookback::kernels {
namespace {

void update(const Fill& a) {
  visit_any(a.y.dtype, [&]<class T>(TypeTag<T>) {
    const auto value = static_cast<T>(a.value);
    const StridedLoop<1> loop(a.y.sizes, {a.y.strides});
    loop.run([&](const auto& offsets, std::int64_t length, const auto& steps) {
      auto* target = a.y.as<T>() + offsets[0];
      for (std::int64_t i = 0; i < length; ++i) target[i * steps[0]] = value;
    });
  });
}

const Registration registered{fill, Backend::cpu, update};

}  // namespace
}  // namespace lookback::kernels
