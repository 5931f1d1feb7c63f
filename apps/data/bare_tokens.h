// Tokens without a header: what their bytes say about how wide they are.
#pragma once

#include "runtime/input_file.h"

namespace lookback {

// Throws Error where a file is hardly made of uint16 with the lowest byte first. A sample of it,
// from its beginning to its end, is looked at in pairs of 16-bit numbers. Of tokens the first and
// the second of a pair are equally often large. Where large ones are nearly all at one place, the
// pairs are the halves of wider numbers.
void check_is_uint16(const InputFile& file);

}  // namespace lookback
