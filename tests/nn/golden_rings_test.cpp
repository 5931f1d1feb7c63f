// Decoding through rings against the oracle: the logits of every reference file (tests/golden),
// made there without a cache.
#include <gtest/gtest.h>

#include <algorithm>

#include "autograd/grad_mode.h"
#include "autograd/ops/slice.h"
#include "nn/llama/config_file.h"
#include "nn/llama/llama.h"
#include "nn/llama/variant_of_weights.h"
#include "nn/parameter_files.h"
#include "runtime/safetensors.h"
#include "tests/nn/variants.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using lookback::testing::largest_difference;
using lookback::testing::largest_element;

struct Reference {
  std::unique_ptr<Llama> llama;
  Tensor ids, logits;
};
Reference open(const SafetensorsFile& file) {
  const auto config = config_for_weights(
      parse_llama_config(file.metadata().at("config"), file.source()), file.names());
  Reference reference{std::make_unique<Llama>(config, precision_of(DType::f64)),
                      file.load("input_ids"), file.load("out.logits")};
  load_parameters(reference.llama->parameters(), file, "param.");
  return reference;
}

// Whether the logits are those of a right model, as precise as ours, without a cache that drops.
bool is_held(const std::string& name, const SafetensorsFile& file) {
  const auto begins = [&](const char* word) { return name.starts_with(word); };
  return file.info("param.model.norm.weight").dtype == "F64" && !begins("fault") &&
         !begins("transformers") && !begins("decode");
}

TEST(GoldenRings, GiveTheLogitsOfTheOracle) {
  const lookback::testing::OneThread one_thread;
  const NoGrad no_grad;
  int with_rings = 0;
  for (const auto& path : reference_files()) {
    const auto file = SafetensorsFile::open(path);
    if (!is_held(path.stem().string(), file)) continue;
    const auto [llama, ids, logits] = open(file);
    const auto batch = ids.size(0), tokens = ids.size(1);
    for (const std::int64_t prompt : {1, 5}) {
      KeyValueCache cache(batch, tokens, DType::f64);
      for (std::int64_t begin = 0, end = std::min(prompt, tokens); begin < tokens; begin = end++) {
        const auto ours = llama->logits(slice(ids, 1, begin, end), {.cache = &cache});
        EXPECT_LT(largest_difference(ours, slice(logits, 1, begin, end)),
                  1e-9 * largest_element(logits))
            << path << " " << begin;
      }
      with_rings += cache.bytes_per_sequence() > 0 ? 1 : 0;
    }
  }
  EXPECT_GE(with_rings, 30);
}

}  // namespace
}  // namespace lookback::tests
