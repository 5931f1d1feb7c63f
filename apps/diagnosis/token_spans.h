// Which spans of tokens two sources share.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "apps/data/token_source.h"

namespace lookback {

// Spans of `length` tokens, remembered by their hash. Of a million spans and more every k-th by
// hash is kept, k a power of two: what is kept on one side is kept on the other.
class TokenSpans {
 public:
  explicit TokenSpans(std::int64_t span) : span_(span) {}

  // Every span of a sequence; -1 stands between sequences and is part of none.
  void add(const std::vector<std::int64_t>& tokens);

  struct Shared {
    std::int64_t spans = 0, found = 0;
  };
  // How many of a sequence's spans are there (of those whose like would have been kept).
  Shared look_up(const std::vector<std::int64_t>& tokens) const;

 private:
  bool is_kept(std::uint64_t hash) const { return (hash & (every_ - 1)) == 0; }

  std::int64_t span_;
  std::uint64_t every_ = 1;
  std::unordered_set<std::uint64_t> kept_;
};

// Tokens of a source in order, -1 between its sequences: all of a finite one (at most `most`), else
// so many rows of training or evaluation.
std::vector<std::int64_t> training_tokens(const TokenSource& source, std::int64_t most);
std::vector<std::int64_t> evaluation_tokens(const TokenSource& source, std::int64_t most);

}  // namespace lookback
