// From tokens back to text: the key "decoder" of a tokenizer.json.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/data/json_tokenizer/json_value.h"
#include "apps/data/json_tokenizer/model.h"

namespace lookback::json_tokenizer {

// Whether tokens are the whole text, or one of them is shown as it stands within a text, where no
// space is dropped.
enum class Place { whole_text, within };

class DecoderStep {
 public:
  virtual ~DecoderStep() = default;
  virtual void apply(std::vector<std::string>& tokens, Place place) const = 0;
};

class Decoder {
 public:
  // Of words of characters: Replace, ByteFallback, Fuse, Strip, Metaspace, or a Sequence of those;
  // with none there is a space between tokens. Of words of bytes: ByteLevel, or none, which means
  // it too: tokens then are their bytes already and are joined. Throws Error for others.
  Decoder(const std::optional<JsonValue>& description, WordUnit unit);

  std::string text_of(std::vector<std::string> tokens, Place place) const;

 private:
  void read_step(const JsonValue& description, WordUnit unit);

  std::vector<std::unique_ptr<const DecoderStep>> steps_;
  std::string between_;
};

}  // namespace lookback::json_tokenizer
