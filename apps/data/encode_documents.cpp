#include "apps/data/encode_documents.h"

#include <algorithm>
#include <atomic>
#include <optional>

#include "runtime/parallel.h"

namespace lookback {
namespace {

struct Document {
  std::string_view text;
  bool is_ended = false;  // by document_end()
};

std::vector<Document> documents_of(std::string_view text, std::span<const std::int64_t> ends,
                                   bool has_end_token) {
  std::vector<Document> documents;
  std::size_t begin = 0;
  for (const auto document_end : ends) {
    const auto end = static_cast<std::size_t>(document_end);
    // Without its line break.
    documents.push_back({text.substr(begin, end - begin - (has_end_token ? 1 : 0)), true});
    begin = end;
  }
  if (begin < text.size()) documents.push_back({text.substr(begin)});
  return documents;
}

}  // namespace

EncodedText encode_documents(std::string_view text, std::span<const std::int64_t> ends,
                             const Tokenizer& tokenizer, const EncodingOptions& options) {
  const auto end_token = tokenizer.document_end();
  const auto documents = documents_of(text, ends, end_token.has_value());
  const auto count = std::ssize(documents);
  std::vector<std::vector<std::int64_t>> encoded(documents.size());
  std::atomic<std::size_t> done = 0;
  // So many that no thread waits long. Of one document the tokenizer itself takes all threads.
  const auto chunk = std::max<std::int64_t>(1, count / (8 * num_threads()));
  parallel_for(count, chunk, [&](std::int64_t begin, std::int64_t end) {
    std::size_t bytes = 0;
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      encoded[i] = tokenizer.encode(documents[i].text);
      bytes += documents[i].text.size();
    }
    if (options.told) {
      options.told(static_cast<double>(done += bytes) / static_cast<double>(text.size()));
    }
  });
  EncodedText result;
  auto& all = result.tokens;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    if (i > 0 || options.begins_document)
      all.insert(all.end(), options.in_front.begin(), options.in_front.end());
    all.insert(all.end(), encoded[i].begin(), encoded[i].end());
    encoded[i] = {};
    if (!documents[i].is_ended) continue;
    if (end_token) all.push_back(static_cast<std::uint32_t>(*end_token));
    const auto tokens = std::ssize(all);
    if (tokens > (result.document_ends.empty() ? 0 : result.document_ends.back()))
      result.document_ends.push_back(tokens);
  }
  return result;
}

}  // namespace lookback
