#include "autograd/grad_mode.h"

#include <utility>

namespace lookback {
namespace {

thread_local bool enabled = true;

}  // namespace

bool grad_enabled() { return enabled; }

NoGrad::NoGrad() : previous(std::exchange(enabled, false)) {}
NoGrad::~NoGrad() { enabled = previous; }

EnableGrad::EnableGrad() : previous(std::exchange(enabled, true)) {}
EnableGrad::~EnableGrad() { enabled = previous; }

}  // namespace lookback
