// LOOKBACK_ISA holds a whole run of the tests to one instruction set (tests/CMakeLists.txt runs
// some of them under each). Where the processor lacks it, all are skipped and say so.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "kernels/cpu/isa.h"

namespace lookback::kernels {
namespace {

class SupportedInstructionSet : public ::testing::Environment {
 public:
  void SetUp() override {
    const char* requested = std::getenv("LOOKBACK_ISA");
    if (requested == nullptr) return;
    for (const auto isa : every_isa) {
      if (name_of(isa) == requested && !supports(isa)) {
        GTEST_SKIP() << "this processor has no " << requested;
      }
    }
  }
};
const auto* const environment = ::testing::AddGlobalTestEnvironment(new SupportedInstructionSet);

}  // namespace
}  // namespace lookback::kernels
