#pragma once

#include "nn/module.h"
#include "nn/precision.h"

namespace lookback {

enum class Bias { none, learned };
inline Bias bias_if(bool learned) { return learned ? Bias::learned : Bias::none; }

// y = x weight^T + bias. weight: [out, in]; bias: [out].
class Linear final : public Module {
 public:
  Linear(ChildOf place, std::int64_t in_features, std::int64_t out_features, Bias with_bias,
         Precision precision);
  // The weight in memory that is given, [out, in].
  Linear(ChildOf place, const Tensor& memory, Bias with_bias, Precision precision);
  // x [.., in] -> [.., out]
  Tensor forward(const Tensor& x) const;

  Tensor weight;
  Tensor bias;  // undefined without one

 private:
  Precision precision_;
};

}  // namespace lookback
