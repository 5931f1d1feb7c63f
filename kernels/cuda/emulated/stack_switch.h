// Tells AddressSanitizer when the program goes on on another stack; costs nothing without it.
#pragma once

#include <cstddef>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace lookback::device::emulated {

struct Stack {
  const void* bottom = nullptr;  // its lowest address
  std::size_t bytes = 0;
};

#ifdef __SANITIZE_ADDRESS__

// Just before the jump to another stack. `frames` is kept for the return to this one; null: there
// is none.
inline void leave_stack(void** frames, const Stack& to) {
  __sanitizer_start_switch_fiber(frames, to.bottom, to.bytes);
}
// Just after the jump, with what leave_stack() kept here, or null on a fresh stack. `from`, where
// it is not null, is told which stack was left.
inline void enter_stack(void* frames, Stack* from) {
  const void* bottom = nullptr;
  std::size_t bytes = 0;
  __sanitizer_finish_switch_fiber(frames, &bottom, &bytes);
  if (from != nullptr) *from = {bottom, bytes};
}

#else

inline void leave_stack(void**, const Stack&) {}
inline void enter_stack(void*, Stack*) {}

#endif

}  // namespace lookback::device::emulated
