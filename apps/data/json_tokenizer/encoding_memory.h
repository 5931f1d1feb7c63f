// What encoding a text needs beside the tokenizer, handed from one text to the next.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "apps/data/json_tokenizer/model.h"
#include "apps/data/json_tokenizer/pattern.h"
#include "apps/data/json_tokenizer/word_cache.h"

namespace lookback::json_tokenizer {

struct EncodingMemory {
  MatchMemory match;
  WordMemory word;
  WordCache seen;
};

// As many as there ever were texts encoded at once.
class EncodingMemories {
 public:
  // One for as long as this lives.
  class Lease {
   public:
    explicit Lease(EncodingMemories& from) : from_(from), lent_(from.take()) {}
    ~Lease() { from_.give_back(std::move(lent_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    EncodingMemory& memory() { return *lent_; }

   private:
    EncodingMemories& from_;
    std::unique_ptr<EncodingMemory> lent_;
  };

 private:
  std::unique_ptr<EncodingMemory> take() {
    const std::scoped_lock lock(mutex_);
    if (free_.empty()) return std::make_unique<EncodingMemory>();
    auto taken = std::move(free_.back());
    free_.pop_back();
    return taken;
  }
  void give_back(std::unique_ptr<EncodingMemory> memory) {
    memory->word = {};  // a text that is one word needs 16 bytes and more for each of its own
    const std::scoped_lock lock(mutex_);
    free_.push_back(std::move(memory));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<EncodingMemory>> free_;
};

}  // namespace lookback::json_tokenizer
