// The communicator of several ranks, over any transport.
#pragma once

#include <memory>

#include "runtime/communicator.h"
#include "runtime/communicator/carrier.h"
#include "runtime/communicator/transport.h"

namespace lookback {

// Starts the transport, which must put this process where `launch` does, and learns the hosts of
// all ranks.
std::unique_ptr<Communicator> communicator_over(std::shared_ptr<Transport> transport,
                                                const Launch& launch,
                                                const CarrierOptions& options);

}  // namespace lookback
