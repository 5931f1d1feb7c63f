// builtin:stories as tokens and as text.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/built_in_source.h"
#include "apps/data/story_grammar.h"

namespace lookback {

// A token is a word, a punctuation mark or the separator. In text, words are joined by spaces,
// marks stand where they do in English, a document ends with its line, and sentences begin with a
// capital letter: tokens are lower-case except names. encode() is the way back; it
// takes plain quotation marks too, opening and closing in turn.
class StoryTokenizer final : public Tokenizer {
 public:
  explicit StoryTokenizer(const StoryGrammar& grammar);
  std::string_view name() const override { return "stories"; }
  std::int64_t vocabulary_size() const override { return std::ssize(words_); }
  std::vector<std::int64_t> encode(std::string_view text) const override;
  std::string decode(std::span<const std::int64_t> tokens) const override;
  std::optional<std::int64_t> document_end() const override { return StoryGrammar::separator; }

 private:
  std::int64_t token_of(std::string_view word) const;

  const std::vector<std::string>& words_;
  std::map<std::string_view, std::int64_t> ids_;
};

class StorySource final : public BuiltInSource {
 public:
  StorySource(std::uint64_t seed, BuiltInPart part) : BuiltInSource(seed, part) {}
  const Tokenizer& tokenizer() const override { return words_; }
  std::shared_ptr<const TokenSource> fresh_draws(std::uint64_t seed) const override {
    return std::make_shared<StorySource>(seed, BuiltInPart::fresh);
  }

 protected:
  void draw(RandomStream& random, std::span<std::int64_t> sequence) const override;
  void score(std::span<const std::int64_t> sequence, std::span<double> nats) const override;

 private:
  const StoryGrammar& grammar_ = StoryGrammar::built_in();
  StoryTokenizer words_{grammar_};
};

}  // namespace lookback
