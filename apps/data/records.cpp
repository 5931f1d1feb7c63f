#include "apps/data/records.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "apps/data/json_tokenizer/characters.h"
#include "runtime/check.h"
#include "runtime/json.h"

namespace lookback {
namespace {

using nlohmann::json;
using namespace std::string_view_literals;

constexpr std::size_t most_names = 10;  // that an error lists

// Where in a text, behind some lines, a byte stands.
std::string place_of(std::string_view text, std::size_t byte, std::int64_t lines_before) {
  const auto before = text.substr(0, byte);
  const auto line_begin = before.rfind('\n') + 1;  // 0 where there is none
  return fmt::format("line {}, column {}", lines_before + std::ranges::count(before, '\n') + 1,
                     byte - line_begin + 1);
}

// The library's text without its tag and its own count of lines, in plain characters.
std::string reason_of(std::string_view what) {
  if (const auto at = what.find(": "); at != what.npos) what.remove_prefix(at + 2);
  constexpr std::size_t most = 160;  // it quotes what it read last
  std::string plain(what.substr(0, most));
  for (char& c : plain) {
    if (c < ' ' || c > '~') c = '?';
  }
  return plain;
}

// Takes the texts out of a record, or of a list of them, without keeping the rest.
class RecordReader final : public nlohmann::json_sax<json> {
 public:
  // Records at nesting depth `level`: 0 of a line, 1 of a list. `begin`: the byte of `text` that
  // the JSON begins with.
  RecordReader(std::string_view text, std::size_t begin, const std::string& path,
               const std::string& field, std::size_t level, std::int64_t lines_before,
               Documents& documents)
      : text_(text),
        begin_(begin),
        path_(path),
        field_(field),
        level_(level),
        lines_before_(lines_before),
        documents_(documents) {}

  bool null() override { return other("null"); }
  bool boolean(bool) override { return other("true or false"); }
  bool number_integer(number_integer_t) override { return other("a number"); }
  bool number_unsigned(number_unsigned_t) override { return other("a number"); }
  bool number_float(number_float_t, const string_t&) override { return other("a number"); }
  bool binary(binary_t&) override { return true; }

  bool string(string_t& value) override {
    if (depth_ == level_) return other("a text");
    if (wanted()) found_ = std::move(value);
    return true;
  }
  bool start_object(std::size_t) override {
    if (depth_ != level_) other("an object");
    ++depth_;
    return true;
  }
  bool end_object() override {
    if (--depth_ == level_) end_record();
    return true;
  }
  bool start_array(std::size_t) override {
    const bool list_of_records = depth_ == 0 && level_ == 1;
    if (!list_of_records) other("a list");
    ++depth_;
    return true;
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool key(string_t& name) override {
    key_ = depth_ == level_ + 1 ? name : string_t();
    if (depth_ != level_ + 1) return true;
    if (wanted() && found_) refuse(fmt::format("{} stands twice in it", in_quotes(field_)));
    names_.push_back(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const json::exception& error) override {
    const std::string_view what = error.what();
    auto at = std::min(begin_ + std::max<std::size_t>(position, 1) - 1, text_.size());
    std::string byte;
    // The library stops behind the character that is none.
    if (what.find("UTF-8") != what.npos) {
      at = begin_ + json_tokenizer::valid_bytes(text_.substr(begin_));
    }
    if (at < text_.size() && static_cast<unsigned char>(text_[at]) >= 0x80)
      byte = fmt::format(" (byte 0x{:02X})", static_cast<unsigned char>(text_[at]));
    fail("data", "{}: {}: is no JSON: {}{}", path_, place_of(text_, at, lines_before_),
         reason_of(what), byte);
  }

 private:
  bool wanted() const { return depth_ == level_ + 1 && key_ == field_; }

  // A value that is no text, or a record that is no object.
  bool other(std::string_view kind) const {
    if (depth_ == level_) refuse(fmt::format("is {}: it must be an object", kind));
    if (wanted()) refuse(fmt::format("{} is {}: it must be a text", in_quotes(field_), kind));
    return true;
  }

  void end_record() {
    if (!found_) {
      std::vector<std::string> names;
      for (const auto& name : names_) {
        if (names.size() < most_names) names.push_back(in_quotes(name));
      }
      refuse(fmt::format("has no {} ({}): --text-field names another", in_quotes(field_),
                         names.empty() ? "it is empty"
                                       : fmt::format("it has {}{}", fmt::join(names, ", "),
                                                     names_.size() > most_names ? ", .." : "")));
    }
    documents_.text += *found_;
    documents_.text += '\n';
    documents_.ends.push_back(std::ssize(documents_.text));
    found_.reset();
    names_.clear();
  }

  // Of a list, the record by its number: where it stands is not known any more.
  [[noreturn]] void refuse(const std::string& why) const {
    const auto place = level_ == 0 ? place_of(text_, begin_, lines_before_)
                                   : fmt::format("record {}", documents_.ends.size() + 1);
    fail("data", "{}: {}: {}", path_, place, why);
  }

  std::string_view text_;
  std::size_t begin_;
  const std::string& path_;
  const std::string& field_;
  std::size_t level_, depth_ = 0;
  std::int64_t lines_before_;
  Documents& documents_;
  string_t key_;
  std::optional<std::string> found_;
  std::vector<std::string> names_;
};

}  // namespace

bool holds_records(std::string_view path) {
  return path.ends_with(".jsonl") || path.ends_with(".json") || path.ends_with(".ndjson");
}

Documents read_records(std::string_view text, const std::string& path, const std::string& field,
                       std::int64_t lines_before) {
  constexpr auto space = " \t\r\n"sv, mark = "\xef\xbb\xbf"sv;
  Documents documents;
  auto begin = text.starts_with(mark) ? mark.size() : 0;
  // The library takes a NUL byte for the end of the text.
  const Check check{"data"};
  const auto nul = std::min(text.find('\0'), text.size());
  check(nul == text.size(), "{}: {}: a byte is NUL, which JSON never has", path,
        place_of(text, nul, lines_before));
  if (const auto first = text.find_first_not_of(space, begin);
      lines_before == 0 && first != text.npos && text[first] == '[') {
    RecordReader reader(text, first, path, field, 1, lines_before, documents);
    json::sax_parse(text.begin() + static_cast<std::ptrdiff_t>(first), text.end(), &reader);
    begin = text.size();
  }
  while (begin < text.size()) {
    const auto end = std::min(text.find('\n', begin), text.size());
    const auto line = text.substr(begin, end - begin);
    if (line.find_first_not_of(space) != line.npos) {
      RecordReader reader(text, begin, path, field, 0, lines_before, documents);
      json::sax_parse(line, &reader);
    }
    begin = end + 1;
  }
  check(!documents.ends.empty() || lines_before > 0, "{}: holds no record", path);
  return documents;
}

}  // namespace lookback
