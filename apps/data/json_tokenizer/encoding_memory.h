// What encoding a text needs beside the tokenizer, handed from one text to the next.
#pragma once

#include "apps/data/json_tokenizer/model.h"
#include "apps/data/json_tokenizer/pattern.h"
#include "apps/data/json_tokenizer/word_cache.h"
#include "apps/data/memory_pool.h"

namespace lookback::json_tokenizer {

struct EncodingMemory {
  MatchMemory match;
  WordMemory word;
  WordCache seen;
};

using EncodingMemories = MemoryPool<EncodingMemory>;

}  // namespace lookback::json_tokenizer
