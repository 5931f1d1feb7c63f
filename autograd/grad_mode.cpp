#include "autograd/grad_mode.h"

namespace lookback {
namespace {

thread_local bool enabled = true;

}  // namespace

bool grad_enabled() { return enabled; }

NoGrad::NoGrad() : enabled_(enabled, false) {}

EnableGrad::EnableGrad() : enabled_(enabled, true) {}

}  // namespace lookback
