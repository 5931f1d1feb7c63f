#include "kernels/copy.h"

#include <cstring>

#include "kernels/cpu/strided_loop.h"

namespace lookback::kernels {
namespace {

// bf16 converts by way of the standard types only.
template <class To, class From>
To convert(From value) {
  if constexpr (std::is_same_v<From, BFloat16>) {
    return static_cast<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, BFloat16>) {
    return BFloat16(static_cast<double>(value));
  } else {
    return static_cast<To>(value);
  }
}

template <class To, class From>
void copy_elements(const CopyForwardArgs& a) {
  const StridedLoop<2> loop(a.y.sizes, {a.y.strides, broadcast_strides(a.x, a.y.sizes)});
  loop.run([&](const auto& offsets, std::int64_t length, const auto& steps) {
    auto* target = a.y.as<To>() + offsets[0];
    const auto* source = a.x.as<From>() + offsets[1];
    if constexpr (std::is_same_v<To, From>) {
      if (steps[0] == 1 && steps[1] == 1) {
        std::memcpy(target, source, static_cast<std::size_t>(length) * sizeof(To));
        return;
      }
    }
    for (std::int64_t i = 0; i < length; ++i)
      target[i * steps[0]] = convert<To>(source[i * steps[1]]);
  });
}

void forward(const CopyForwardArgs& a) {
  if (a.y.numel() == 0) return;
  visit_any(a.y.dtype, [&]<class To>(TypeTag<To>) {
    visit_any(a.x.dtype, [&]<class From>(TypeTag<From>) { copy_elements<To, From>(a); });
  });
}

const Registration registered{copy_forward, Backend::cpu, forward};

}  // namespace
}  // namespace lookback::kernels
