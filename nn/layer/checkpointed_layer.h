// Activation checkpointing (Chen et al. 2016) of one layer.
#pragma once

#include "nn/layer/decoder_layer.h"

namespace lookback {

// layer.forward(x, pass), keeping for backward what goes in (the stream and the records of the
// layers before) and what the layer leaves for others; its inside is computed again. The layer must
// outlive backward.
ResidualSum checkpointed_layer(const DecoderLayer& layer, const ResidualSum& x, ForwardPass& pass);

}  // namespace lookback
