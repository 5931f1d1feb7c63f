// The backward that rms_norm and add_rms_norm share.
#pragma once

#include "runtime/tensor.h"

namespace lookback {

enum class WeightGradient { skip, compute };
enum class RoundedGradient { skip, write };

struct RmsNormGradients {
  Tensor dx;          // of the given shape
  Tensor dx_rounded;  // dx in bfloat16; undefined when skipped
  Tensor dweight;     // [D]; undefined when skipped
};

// dy and dsum [.., D]: the gradients of the normed rows and of the rows themselves, dsum undefined
// where there is none. x: the rows [rows, D]; inverse_rms [rows]; shape: that of dx.
RmsNormGradients rms_norm_gradients(const Tensor& dy, const Tensor& dsum, const Tensor& x,
                                    const Tensor& weight, const Tensor& inverse_rms,
                                    const Shape& shape, WeightGradient weight_gradient,
                                    RoundedGradient rounded = RoundedGradient::skip);

}  // namespace lookback
