#include "apps/data/sentencepiece/tokens_beside.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "apps/data/json_tokenizer/json_value.h"
#include "runtime/check.h"

namespace lookback::sentencepiece_model {
namespace {

using json_tokenizer::AddedToken;
using json_tokenizer::shown;

class TokenList {
 public:
  explicit TokenList(const Pieces& pieces) : pieces_(pieces), next_(pieces.count) {}

  // A token gets the id that it has so far, in the model, or the next free one.
  std::int64_t id_for(const std::string& content) const {
    if (const auto found = ids_.find(content); found != ids_.end()) return found->second;
    return pieces_.id_of(content).value_or(next_);
  }

  void add(AddedToken token) {
    if (token.content.empty()) return;
    token.id = id_for(token.content);
    if (!ids_.emplace(token.content, token.id).second) return;
    next_ = std::max(next_, token.id + 1);
    tokens_.push_back(std::move(token));
  }

  std::vector<AddedToken> taken() { return std::move(tokens_); }

 private:
  const Pieces& pieces_;
  std::int64_t next_;
  std::vector<AddedToken> tokens_;
  std::unordered_map<std::string, std::int64_t> ids_;
};

void check_id(const AddedToken& token, std::int64_t expected, const Pieces& pieces,
              const std::string& path) {
  const Check check{json_tokenizer::operation};
  if (token.id == expected) return;
  check(expected < pieces.count, "{}: {} has the id {}, which is {} in the model: {} is the next",
        path, shown(token.content), token.id,
        token.id < pieces.count ? shown(pieces.text_of(token.id)) : "behind a gap", expected);
  fail(json_tokenizer::operation, "{}: {} has the id {}, in the model {}: both must be the same",
       path, shown(token.content), token.id, expected);
}

}  // namespace

std::vector<AddedToken> tokens_beside(const Pieces& pieces, const TokenizerConfig& config) {
  TokenList list(pieces);
  auto own = pieces.model.control;
  own.insert(own.end(), pieces.model.user_defined.begin(), pieces.model.user_defined.end());
  std::ranges::sort(own, {}, &Piece::id);
  for (const auto& piece : own) list.add({.content = piece.text});
  for (const auto& token : config.added) {
    if (token.content.empty()) continue;  // stands nowhere
    check_id(token, list.id_for(token.content), pieces, config.added_path);
    list.add(token);
  }
  for (const auto& [role, token] : config.special) list.add(token);
  if (const auto unknown = config.content_of("unk_token"); pieces.id_of(unknown))
    list.add({.content = unknown});
  return list.taken();
}

}  // namespace lookback::sentencepiece_model
