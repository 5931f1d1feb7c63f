#include "apps/data/story_source.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "runtime/check.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

constexpr std::string_view open_quote = "“", close_quote = "”", marks = ".,!?";

bool ends_sentence(std::string_view word) { return word == "." || word == "!" || word == "?"; }

std::string capitalized(std::string_view word) {
  std::string result{word};
  if (!result.empty()) {
    result[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(result[0])));
  }
  return result;
}

}  // namespace

StoryTokenizer::StoryTokenizer(const StoryGrammar& grammar) : words_(grammar.vocabulary()) {
  for (std::size_t i = 0; i < words_.size(); ++i) ids_[words_[i]] = static_cast<std::int64_t>(i);
}

std::int64_t StoryTokenizer::token_of(std::string_view word) const {
  if (const auto exact = ids_.find(word); exact != ids_.end()) return exact->second;
  std::string lower{word};
  lower[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(lower[0])));
  const auto found = ids_.find(lower);
  if (found == ids_.end()) {
    const std::vector<std::string_view> known{words_.begin() + 1, words_.end()};
    fail("stories", "\"{}\" is none of the {} words of builtin:stories: the nearest is \"{}\"",
         word, known.size(), nearest_name(word, known));
  }
  return found->second;
}

std::vector<std::int64_t> StoryTokenizer::encode(std::string_view text) const {
  std::vector<std::int64_t> tokens;
  bool quote_is_open = false;
  const auto quote = [&](bool opens) {
    tokens.push_back(token_of(opens ? open_quote : close_quote));
    quote_is_open = opens;
  };
  while (!text.empty()) {
    std::size_t length = 1;
    if (text[0] == '\n') {
      tokens.push_back(StoryGrammar::separator);
      quote_is_open = false;
    } else if (text[0] == '"') {
      quote(!quote_is_open);
    } else if (text.starts_with(open_quote) || text.starts_with(close_quote)) {
      quote(text.starts_with(open_quote));
      length = open_quote.size();
    } else if (marks.find(text[0]) != std::string_view::npos) {
      tokens.push_back(token_of(text.substr(0, 1)));
    } else if (text[0] != ' ' && text[0] != '\t' && text[0] != '\r') {
      length = std::min(text.find_first_of(" \t\r\n\".,!?"), text.size());
      length = std::min({length, text.find(open_quote), text.find(close_quote)});
      tokens.push_back(token_of(text.substr(0, length)));
    }
    text.remove_prefix(length);
  }
  return tokens;
}

std::string StoryTokenizer::decode(std::span<const std::int64_t> tokens) const {
  check_tokens(tokens);
  std::string text;
  bool capital = true, space = false;
  std::string_view before;
  for (const auto token : tokens) {
    const std::string_view word = words_[static_cast<std::size_t>(token)];
    if (token == StoryGrammar::separator) {
      text += '\n';
      capital = true;
      space = false;
    } else if (word.size() == 1 && marks.find(word[0]) != std::string_view::npos) {
      text += word;
      capital = ends_sentence(word);
      space = true;
    } else if (word == close_quote) {
      text += word;
      capital = before == ".";  // “Hello!” said Tom.
      space = true;
    } else {
      if (space) text += ' ';
      text += capital ? capitalized(word) : std::string{word};
      capital = word == open_quote;
      space = word != open_quote;
    }
    before = word;
  }
  return text;
}

void StorySource::draw(RandomStream& random, std::span<std::int64_t> sequence) const {
  std::vector<std::int64_t> tokens;
  tokens.reserve(sequence.size() + 128);
  while (tokens.size() < sequence.size()) grammar_.sample(random, tokens);
  std::copy_n(tokens.begin(), sequence.size(), sequence.begin());
}

void StorySource::score(std::span<const std::int64_t> sequence, std::span<double> nats) const {
  StoryState state{grammar_};
  state.advance(sequence[0]);
  for (std::size_t i = 0; i < nats.size(); ++i)
    nats[i] = 0.0 - std::log(state.advance(sequence[i + 1]));
}

}  // namespace lookback
