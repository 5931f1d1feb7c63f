// How attention of few rows is cut, from shapes and the mask alone.
#include <gtest/gtest.h>

#include "kernels/cuda/attention/attention_decode.h"

namespace lookback::kernels {
namespace {

struct Sizes {
  std::int64_t sequences = 1, rows = 1, keys = 4096, heads = 32, key_heads = 8, width = 128;
};

template <class View>
View view(const Shape& sizes) {
  View x;
  x.dtype = DType::bf16;
  x.sizes = sizes;
  x.strides = contiguous_strides(sizes);
  return x;
}

AttentionForwardArgs call(const Sizes& of) {
  return {.q = {view<In>({of.sequences, of.rows, of.heads, of.width})},
          .k = {view<In>({of.sequences, of.keys, of.key_heads, of.width})},
          .v = view<In>({of.sequences, of.keys, of.key_heads, of.width}),
          .scales = {},
          .y = view<Out>({of.sequences, of.rows, of.heads, of.width}),
          .mask = {.offset = of.keys - of.rows, .window = 0, .document_start = {}}};
}
DecodePlan plan(const Sizes& of) { return decode_plan<BFloat16>(call(of)); }

TEST(EmulatedDecodePlan, AGroupOfHeadsIsOneBlock) {
  EXPECT_EQ(plan({.heads = 8, .key_heads = 8}).packed_rows, 1);
  EXPECT_EQ(plan({.heads = 16, .key_heads = 8}).packed_rows, 4);
  EXPECT_EQ(plan({.heads = 32, .key_heads = 8}).packed_rows, 4);
  EXPECT_EQ(plan({.heads = 64, .key_heads = 8}).packed_rows, 8);
  EXPECT_EQ(plan({.heads = 64, .key_heads = 8}).row_blocks, 1);
  EXPECT_EQ(plan({.rows = 3, .heads = 24, .key_heads = 8}).packed_rows, 8);
  EXPECT_EQ(plan({.rows = 3, .heads = 24, .key_heads = 8}).row_blocks, 2);
}

TEST(EmulatedDecodePlan, LongCachesAreSplitUntilTheGpuIsBusy) {
  const auto long_cache = plan({});
  EXPECT_EQ(long_cache.splits, 33);  // times 8 key heads: two blocks for each of 132
  EXPECT_EQ(long_cache.keys_per_split, 125);
  EXPECT_EQ(plan({.keys = 65}).splits, 2);
  EXPECT_EQ(plan({.keys = 64}).splits, 1);
  EXPECT_EQ(plan({.keys = 0}).splits, 1);
  EXPECT_EQ(plan({.sequences = 40}).splits, 1);  // busy as it is
  EXPECT_EQ(long_cache.workspace_bytes(call({})), 32U * 33 * 130 * 4);
  EXPECT_EQ(plan({.keys = 64}).workspace_bytes(call({.keys = 64})), 0U);
}

TEST(EmulatedDecodePlan, OnlyKeysThatARowCanSeeAreSplit) {
  auto windowed = call({.rows = 2});
  windowed.mask.window = 100;
  const auto cut = decode_plan<BFloat16>(windowed);
  EXPECT_EQ(cut.first, 4094 + 1 - 100);
  EXPECT_EQ(cut.last, 4096);
  EXPECT_EQ(cut.splits, 2);
  windowed.mask.offset = 10;
  EXPECT_EQ(decode_plan<BFloat16>(windowed).first, 0);
  EXPECT_EQ(decode_plan<BFloat16>(windowed).last, 12);
  windowed.mask.offset = -2;
  EXPECT_EQ(decode_plan<BFloat16>(windowed).last, 0);
}

// Under a pattern any key may be seen, and blocks have four rows at most.
TEST(EmulatedDecodePlan, PatternsSplitAllKeys) {
  std::int64_t global = 0;
  In global_keys;
  global_keys.data = &global;
  global_keys.dtype = DType::i64;
  global_keys.sizes = {1};
  global_keys.strides = {1};
  auto patterned = call({.rows = 2, .heads = 64});
  patterned.mask.window = 100;
  EXPECT_EQ(decode_plan<BFloat16>(patterned).packed_rows, 8);
  patterned.mask.pattern.global_keys = global_keys;
  const auto cut = decode_plan<BFloat16>(patterned);
  EXPECT_EQ(cut.rules, Rules::any);
  EXPECT_EQ(cut.packed_rows, 4);
  EXPECT_EQ(cut.first, 0);
  EXPECT_EQ(cut.last, 4096);
  auto capped = call({.rows = 2});
  capped.mask.window = 100;
  capped.form.soft_cap = 2;
  EXPECT_EQ(decode_plan<BFloat16>(capped).rules, Rules::any);
  EXPECT_EQ(decode_plan<BFloat16>(capped).first, 4094 + 1 - 100);
}

TEST(EmulatedDecodePlan, LanesShareAKeyByItsWidth) {
  EXPECT_EQ(plan({.width = 8}).lanes, 4);
  EXPECT_EQ(plan({.width = 64}).lanes, 8);
  EXPECT_EQ(plan({.width = 96}).lanes, 16);
  EXPECT_EQ(plan({.width = 256}).lanes, 32);
  EXPECT_EQ(plan({.width = 256}).packs, 1);
  EXPECT_EQ(decode_plan<float>(call({.width = 256})).packs, 2);
}

TEST(EmulatedDecodePlan, ManyRowsGoInTiles) {
  EXPECT_TRUE(decodes<BFloat16>(call({.rows = 8})));
  EXPECT_FALSE(decodes<BFloat16>(call({.rows = 9})));
}

}  // namespace
}  // namespace lookback::kernels
