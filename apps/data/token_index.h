// What lies beside a file of tokens and tells how it is written.
#pragma once

#include <optional>
#include <string>

#include "apps/data/token_type.h"
#include "runtime/input_file.h"

namespace lookback {

struct TokenIndex {
  std::string path;
  std::optional<TokenType> type = {};  // none: an index of no known program
};

// X.idx of X.bin, as Megatron-LM (MMIDIDX) and fairseq (TNTIDX) write it; none: there is none.
// Throws Error where theirs is of another version, cut short, of numbers that are no tokens, or not
// of this file.
std::optional<TokenIndex> token_index_of(const InputFile& file);

// Throws Error for a chunk of litdata, which the index.json beside it lists.
void check_no_litdata(const InputFile& file);

}  // namespace lookback
