#include "apps/diagnosis/token_spans.h"

#include <algorithm>
#include <limits>
#include <map>

namespace lookback {
namespace {

constexpr std::size_t max_kept = std::size_t{1} << 20;
constexpr std::int64_t columns = 256;  // of the rows that are read
constexpr std::int64_t between = -1;   // sequences
constexpr std::uint64_t prime = 0x100000001b3;

// Mixes all bits into the low ones (the finisher of SplitMix64, Steele et al. 2014).
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// look(hash, the place of its last token) for every span (Rabin & Karp 1987: the hash of the next
// follows from that before).
template <class Look>
void for_each_span(const std::vector<std::int64_t>& tokens, std::int64_t span, const Look& look) {
  std::uint64_t leaving = 1;  // prime^span
  for (std::int64_t i = 0; i < span; ++i) leaving *= prime;
  std::uint64_t hash = 0;
  std::int64_t length = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] == between) {
      hash = 0;
      length = 0;
      continue;
    }
    hash = hash * prime + static_cast<std::uint64_t>(tokens[i] + 1);
    if (++length > span) {
      const auto gone = tokens[i - static_cast<std::size_t>(span)] + 1;
      hash -= leaving * static_cast<std::uint64_t>(gone);
    }
    if (length >= span) look(mixed(hash), static_cast<std::int64_t>(i));
  }
}

// Appends the rows of a batch. Rows that go on where the one before ended join it.
void append(std::vector<std::int64_t>& tokens, const TokenBatch& batch) {
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const auto begin = static_cast<std::size_t>(row * batch.columns);
    const bool goes_on = !tokens.empty() && tokens.back() == batch.inputs[begin];
    if (!goes_on) {
      if (!tokens.empty()) tokens.push_back(between);
      tokens.push_back(batch.inputs[begin]);
    }
    for (std::int64_t t = 0; t < batch.columns; ++t) {
      const auto target = batch.targets[begin + static_cast<std::size_t>(t)];
      if (target == ignored_target) break;
      tokens.push_back(target);
    }
  }
}

}  // namespace

void TokenSpans::add(const std::vector<std::int64_t>& tokens) {
  for_each_span(tokens, span_, [&](std::uint64_t hash, std::int64_t) {
    if (!is_kept(hash)) return;
    ++kept_[hash];
    if (kept_.size() <= max_kept) return;
    every_ *= 2;
    std::erase_if(kept_, [&](const auto& old) { return !is_kept(old.first); });
  });
}

std::int64_t TokenSpans::rare() const {
  std::map<std::int64_t, std::int64_t> spans_by_times;
  std::int64_t all = 0, so_far = 0;
  for (const auto& [hash, times] : kept_) {
    spans_by_times[times] += times;
    all += times;
  }
  for (const auto& [times, spans] : spans_by_times) {
    so_far += spans;
    if (10 * so_far >= all) return times;
  }
  return 0;
}

TokenSpans::Shared TokenSpans::look_up(const std::vector<std::int64_t>& tokens,
                                       std::int64_t most) const {
  Shared shared;
  std::int64_t last_end = -1;
  for_each_span(tokens, span_, [&](std::uint64_t hash, std::int64_t end) {
    if (!is_kept(hash)) return;
    ++shared.spans;
    const auto found = kept_.find(hash);
    if (found == kept_.end() || found->second > most) return;
    ++shared.found;
    if (end - span_ < last_end) return;
    ++shared.apart;
    last_end = end;
  });
  return shared;
}

std::vector<std::int64_t> training_tokens(const TokenSource& source, std::int64_t most) {
  if (source.tokens()) return evaluation_tokens(source, most);
  std::vector<std::int64_t> tokens;
  for (std::int64_t step = 0; std::ssize(tokens) < most; ++step)
    append(tokens, source.training_batch(step, 0, 1, columns));
  return tokens;
}

std::vector<std::int64_t> evaluation_tokens(const TokenSource& source, std::int64_t most) {
  const auto rows =
      source.evaluation_rows(columns).value_or(std::numeric_limits<std::int64_t>::max());
  std::vector<std::int64_t> tokens;
  for (std::int64_t row = 0; row < rows && std::ssize(tokens) < most; ++row)
    append(tokens, source.evaluation_batch(row, 1, columns));
  return tokens;
}

}  // namespace lookback
