// Which spans of tokens two sources share.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "apps/data/token_source.h"

namespace lookback {

// Spans of `length` tokens, remembered by their hash, and how often each stands there. Of a million
// spans and more every k-th by hash is kept, k a power of two: what is kept on one side is kept on
// the other.
class TokenSpans {
 public:
  explicit TokenSpans(std::int64_t length) : span_(length) {}

  // Every span of a sequence; -1 stands between sequences and is part of none.
  void add(const std::vector<std::int64_t>& tokens);

  // How often, at most, the least repeated tenth of what was added stands there: 1 in a text, 3 in
  // one that was joined to itself twice.
  std::int64_t rare() const;

  struct Shared {
    std::int64_t spans = 0, found = 0;
    std::int64_t apart = 0;  // of those found, so many that no two of them overlap
  };
  // How many of a sequence's spans were added (of those whose like would have been kept), but no
  // more than `most` times each.
  Shared look_up(const std::vector<std::int64_t>& tokens, std::int64_t most) const;

 private:
  bool is_kept(std::uint64_t hash) const { return (hash & (every_ - 1)) == 0; }

  std::int64_t span_;
  std::uint64_t every_ = 1;
  std::unordered_map<std::uint64_t, std::int64_t> kept_;
};

// Tokens of a source in order, -1 between its sequences: all of a finite one (at most `most`), else
// so many rows of training or evaluation.
std::vector<std::int64_t> training_tokens(const TokenSource& source, std::int64_t most);
std::vector<std::int64_t> evaluation_tokens(const TokenSource& source, std::int64_t most);

}  // namespace lookback
