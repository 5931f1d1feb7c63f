#include "kernels/core/cat_parts.h"

namespace lookback::kernels {
namespace {

const Registration registered{cat_forward, Backend::cpu,
                              [](const CatForwardArgs& a) { copy_parts(Backend::cpu, a); }};

}  // namespace
}  // namespace lookback::kernels
