#include "nn/weight_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> plain{"lm_head.weight", "model.embed_tokens.weight",
                                     "model.layers.0.self_attn.q_proj.weight", "model.norm.weight"};

std::vector<std::string> behind(const std::string& prefix) {
  auto names = plain;
  for (auto& name : names) name.insert(0, prefix);
  return names;
}

// The names that come out, in order, of names of the plain ones.
std::vector<std::string> unwrapped(const std::vector<std::string>& names) {
  const auto found = wrapped_names(names);
  if (!found) return names;
  std::vector<std::string> result;
  for (const auto& name : names) result.push_back(found->names.at(name));
  return result;
}

TEST(WeightNames, PlainOnesAreLeftAlone) {
  EXPECT_FALSE(wrapped_names(plain));
  EXPECT_FALSE(wrapped_names({"model.embed_tokens.weight", "model.norm.weight"}));
  EXPECT_FALSE(wrapped_names({"wte.weight", "h.0.attn.weight"}));
  EXPECT_FALSE(wrapped_names({}));
}

TEST(WeightNames, PrefixesOfAllNamesComeOff) {
  for (const std::string prefix :
       {"_orig_mod.", "module.", "base_model.model.", "module._orig_mod.", "_orig_mod.module.",
        "_fsdp_wrapped_module.", "model.", "_forward_module.", "net.student.", "policy."}) {
    EXPECT_EQ(unwrapped(behind(prefix)), plain) << prefix;
    EXPECT_THAT(wrapped_names(behind(prefix))->fault, HasSubstr("all 4 names begin with " + prefix))
        << prefix;
  }
  EXPECT_THAT(wrapped_names(behind("_orig_mod."))->fault, HasSubstr(" (torch.compile)"));
}

TEST(WeightNames, AModelThatIsMissingIsPutThere) {
  const std::vector<std::string> with_head{"lm_head.weight", "embed_tokens.weight",
                                           "layers.0.self_attn.q_proj.weight", "norm.weight"};
  EXPECT_EQ(unwrapped(with_head), plain);
  EXPECT_EQ(wrapped_names(with_head)->fault,
            "names lack the model. in front that a Llama with a head has");
  auto wrapped = with_head;
  for (auto& name : wrapped) name.insert(0, "module.");
  EXPECT_EQ(unwrapped(wrapped), plain);
  EXPECT_THAT(wrapped_names(wrapped)->fault,
              HasSubstr("all 4 names begin with module. (DistributedDataParallel); names lack"));
}

TEST(WeightNames, WrappersInsideComeOff) {
  const std::vector<std::string> inside{"lm_head.weight", "model._orig_mod.embed_tokens.weight",
                                        "model.layers.0._orig_mod.self_attn.q_proj.weight",
                                        "model._orig_mod.norm.weight"};
  EXPECT_EQ(unwrapped(inside), plain);
  EXPECT_EQ(wrapped_names(inside)->fault, "names of modules are wrapped (torch.compile)");
}

TEST(WeightNames, APrefixOfSomeIsNoneOfAll) {
  auto names = behind("language_model.");
  names.push_back("vision_tower.weight");
  EXPECT_FALSE(wrapped_names(names));
}

}  // namespace
}  // namespace lookback::tests
