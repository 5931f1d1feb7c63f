#include "kernels/core/slot.h"

#include <utility>

#include "runtime/check.h"

namespace lookback::kernels {
namespace {

thread_local const KernelObserver* current_observer = nullptr;
thread_local const KernelWitness* current_witness = nullptr;

std::string_view name_of(Backend backend) {
  switch (backend) {
    case Backend::cpu: return "cpu";
    case Backend::cuda: return "cuda";
    case Backend::taint: return "taint";
  }
  return "unknown";
}

}  // namespace

SlotBase::~SlotBase() {
  auto** place = &head;
  while (*place != this) place = &(*place)->link_;
  *place = link_;
}

void SlotBase::missing(Backend backend) const {
  if (backend == Backend::taint && direction == Direction::forward) {
    throw UndeclaredDependency(fmt::format(
        "[{}] declares no dependency kind (kernels/core/dependency.h): the taint device "
        "cannot follow it",
        name));
  }
  fail(name, "this build has no kernel for backend {}", name_of(backend));
}

void SlotBase::misplaced(Backend backend, Backend operand) const {
  fail(name, "an operand lives on {}, others on {}: move them all to one device", name_of(operand),
       name_of(backend));
}

ObserveKernels::ObserveKernels(KernelObserver observer)
    : observer_(std::move(observer)), observing_(current_observer, &observer_) {}

const KernelObserver* ObserveKernels::current() { return current_observer; }

WitnessKernels::WitnessKernels(KernelWitness witness)
    : witness_(std::move(witness)), witnessing_(current_witness, &witness_) {}

const KernelWitness* WitnessKernels::current() { return current_witness; }

}  // namespace lookback::kernels
