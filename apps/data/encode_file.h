// The tokens of one file of text, part by part, to a TokenWriter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "apps/data/encoding_progress.h"
#include "apps/data/record_parts.h"
#include "apps/data/token_writer.h"
#include "apps/data/tokenizer.h"

namespace lookback {

struct HowToEncode {
  std::string text_field;  // of records
  const Tokenizer& tokenizer;
  std::vector<std::int64_t> in_front = {};  // of each document
  // Of records that were compressed, and of one JSON document's: of about so much text.
  std::size_t part_bytes = record_part_bytes;
};

// Of the file that the writer is at: the parts that it has are left out. Lines of records and plain
// text are never in memory as a whole; what is compressed is, and one JSON document. Throws Error
// where the file is damaged or no text.
void encode_file(const std::string& file, const HowToEncode& how, TokenWriter& writer,
                 EncodingProgress& progress);

}  // namespace lookback
