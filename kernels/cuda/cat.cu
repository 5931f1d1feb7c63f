#include "kernels/core/cat_parts.h"

namespace lookback::kernels {
namespace {

const Registration registered{cat_forward, Backend::cuda,
                              [](const CatForwardArgs& a) { copy_parts(Backend::cuda, a); }};

}  // namespace
}  // namespace lookback::kernels
