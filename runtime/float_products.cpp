#include "runtime/float_products.h"

#include <atomic>

namespace lookback {
namespace {

std::atomic<FloatProducts> current = FloatProducts::full;

}  // namespace

FloatProducts float_products() { return current; }

UseFloatProducts::UseFloatProducts(FloatProducts products)
    : previous_(current.exchange(products)) {}

UseFloatProducts::~UseFloatProducts() { current = previous_; }

}  // namespace lookback
