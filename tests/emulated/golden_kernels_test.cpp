// Which kernels of attention the reference files of mechanisms take in bf16: the products of
// warpgroups are counted, and only the kernels that go by tiles make any.
#include <gtest/gtest.h>

#include "apps/verify/reference_run.h"
#include "kernels/cuda/device/warpgroup.h"
#include "tests/gpu.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

std::uint64_t products_of(const std::string& name) {
  const device::emulated::WithWarpgroups there(device::emulated::WithWarpgroups::Are::there);
  const DefaultDevice on(lookback::testing::gpu());
  const auto reference =
      SafetensorsFile::open(source_directory() / "tests" / "golden" / (name + ".safetensors"));
  const auto before = device::emulated::products_so_far();
  run_reference(reference, {.dtype = DType::bf16, .attention_storage = AttentionStorage::qk});
  return device::emulated::products_so_far() - before;
}

TEST(EmulatedGoldenKernels, GoByTilesWhereHeadsAreMultiplesOfEight) {
  for (const auto* name : {"bigbird-head-size-8", "softcap-head-size-8", "mla-head-size-16"}) {
    EXPECT_GT(products_of(name), 0U) << name;
  }
  for (const auto* name : {"bigbird", "softcap"}) EXPECT_EQ(products_of(name), 0U) << name;
}

}  // namespace
}  // namespace lookback::tests
