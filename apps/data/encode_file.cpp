#include "apps/data/encode_file.h"

#include <algorithm>
#include <span>

#include "apps/cli/console.h"
#include "apps/data/encode_documents.h"
#include "apps/data/text_check.h"
#include "apps/data/text_file.h"
#include "apps/data/text_parts.h"
#include "apps/data/token_array.h"
#include "runtime/check.h"

namespace lookback {
namespace {

// The bytes of a file that stand for those of its text from `begin` to `end`, of `all`.
FileBytes place_of(std::size_t begin, std::size_t end, std::size_t all, std::int64_t file_bytes) {
  const auto share = static_cast<double>(file_bytes) / static_cast<double>(all);
  return {static_cast<std::int64_t>(static_cast<double>(begin) * share),
          end == all ? file_bytes : static_cast<std::int64_t>(static_cast<double>(end) * share)};
}

FileBytes place_of(std::size_t begin, std::size_t end) {
  return {static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end)};
}

class FileEncoding {
 public:
  FileEncoding(const std::string& file, const HowToEncode& how, TokenWriter& writer,
               EncodingProgress& progress)
      : file_(file),
        how_(how),
        writer_(writer),
        progress_(progress),
        parts_before_(writer.parts_done()) {}

  void write();

 private:
  void write_records();
  void write_decoded();
  void write_plain();
  void write_documents(const Documents& documents, std::int64_t file_bytes);
  void add(const Documents& part, FileBytes place);
  void add(const TextPart& part, FileBytes place);
  bool is_left_out(FileBytes place);

  const std::string& file_;
  const HowToEncode& how_;
  TokenWriter& writer_;
  EncodingProgress& progress_;
  std::int64_t parts_before_;
};

void FileEncoding::write() {
  if (holds_lines_of_records(file_)) return write_records();
  if (is_encoded_text(file_)) return write_decoded();
  write_plain();
}

bool FileEncoding::is_left_out(FileBytes place) {
  if (parts_before_ == 0) return false;
  --parts_before_;
  progress_.had_encoded(place);
  return true;
}

void FileEncoding::write_records() {
  each_part_of_records(file_, how_.text_field, [&](const RecordPart& part) {
    add(part.documents, place_of(part.begin, part.end));
  });
  writer_.end_file(0);
}

void FileEncoding::write_decoded() {
  const InputFile input(file_, "data");
  const Check check{"data"};
  check(input.size() > 0, "{}: is empty", file_);
  const auto documents = read_encoded_text(input, how_.text_field,
                                           [&](std::int64_t bytes) { progress_.has_read(bytes); });
  if (const auto at = first_not_utf8(std::as_bytes(std::span(documents.text))))
    print_warning(not_utf8_warning(file_, *at));
  const auto file_bytes = static_cast<std::int64_t>(input.size());
  if (!documents.ends.empty()) return write_documents(documents, file_bytes);
  const auto all = documents.text.size();
  each_part_in_memory(documents.text, how_.tokenizer, [&](const TextPart& part) {
    add(part, place_of(part.first_byte, part.first_byte + part.text.size(), all, file_bytes));
  });
}

void FileEncoding::write_documents(const Documents& documents, std::int64_t file_bytes) {
  const auto& [text, ends] = documents;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto least = static_cast<std::int64_t>(begin + how_.part_bytes);
    const auto first = std::ranges::upper_bound(ends, static_cast<std::int64_t>(begin));
    const auto last = std::ranges::lower_bound(first, ends.end() - 1, least);
    const auto end = static_cast<std::size_t>(*last);
    Documents part{.text = text.substr(begin, end - begin), .ends = {first, last + 1}};
    for (auto& each : part.ends) each -= static_cast<std::int64_t>(begin);
    add(part, place_of(begin, end, text.size(), file_bytes));
    begin = end;
  }
  writer_.end_file(0);
}

void FileEncoding::write_plain() {
  const TokenArray checked({file_});  // it is text
  each_part_of_text(file_, how_.tokenizer, [&](const TextPart& part) {
    add(part, place_of(part.first_byte, part.first_byte + part.text.size()));
  });
}

void FileEncoding::add(const Documents& part, FileBytes place) {
  if (is_left_out(place)) return;
  const auto encoded = encode_documents(part.text, part.ends, how_.tokenizer,
                                        {.in_front = how_.in_front, .told = [&](double share) {
                                           progress_.has_encoded(place, share);
                                         }});
  writer_.add(encoded.tokens);
  writer_.end_part(std::ssize(encoded.document_ends));
}

void FileEncoding::add(const TextPart& part, FileBytes place) {
  if (is_left_out(place)) return;
  const bool is_first = part.first_byte == 0;
  const auto found = part.encoded(how_.tokenizer);
  std::vector<std::uint32_t> tokens;
  tokens.reserve(found.size() + how_.in_front.size());
  if (is_first) tokens.assign(how_.in_front.begin(), how_.in_front.end());
  tokens.insert(tokens.end(), found.begin(), found.end());
  writer_.add(tokens);
  progress_.has_encoded(place, 1);
  if (!part.is_last) return writer_.end_part(is_first ? 1 : 0);
  writer_.end_file(is_first && !tokens.empty() ? 1 : 0);
}

}  // namespace

void encode_file(const std::string& file, const HowToEncode& how, TokenWriter& writer,
                 EncodingProgress& progress) {
  FileEncoding(file, how, writer, progress).write();
}

}  // namespace lookback
