#include "kernels/slot.h"

#include <utility>

namespace lookback::kernels {
namespace {

thread_local const KernelObserver* current_observer = nullptr;

std::string_view name_of(Backend backend) {
  switch (backend) {
    case Backend::cpu: return "cpu";
    case Backend::cuda: return "cuda";
    case Backend::taint: return "taint";
  }
  return "unknown";
}

}  // namespace

void SlotBase::missing(Backend backend) const {
  fail(name, "this build has no kernel for backend {}", name_of(backend));
}

ObserveKernels::ObserveKernels(KernelObserver callback)
    : observer(std::move(callback)), previous(std::exchange(current_observer, &observer)) {}

ObserveKernels::~ObserveKernels() { current_observer = previous; }

const KernelObserver* ObserveKernels::current() { return current_observer; }

}  // namespace lookback::kernels
