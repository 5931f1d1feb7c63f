#include "apps/data/token_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <system_error>

#include "apps/data/data_record.h"
#include "apps/data/record_parts.h"
#include "apps/data/text_parts.h"
#include "runtime/check.h"
#include "runtime/json.h"
#include "runtime/read_file.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::string_view operation = "tokenize";
// A new one where tokens, parts, or the form of what is left change.
constexpr auto version = "lookback tokens 1";

using Header = std::array<std::int32_t, 256>;

Header header_of(const TokenDescription& description) {
  Header header{};
  const bool narrow = description.dtype == TokenType::uint16;
  header[0] = narrow ? 20240520 : 20240801;
  header[1] = narrow ? 1 : 7;
  header[2] = static_cast<std::int32_t>(description.tokens);
  return header;
}

std::int64_t bytes_of(const TokenDescription& description) {
  const std::int64_t width = description.dtype == TokenType::uint16 ? 2 : 4;
  return static_cast<std::int64_t>(sizeof(Header)) + width * description.tokens;
}

template <class Token>
void append(std::vector<std::byte>& bytes, std::span<const std::uint32_t> tokens) {
  bytes.resize(tokens.size() * sizeof(Token));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto token = static_cast<Token>(tokens[i]);
    std::memcpy(bytes.data() + i * sizeof(Token), &token, sizeof token);
  }
}

// By which work is known again; what the files hold is looked at for itself.
nlohmann::json identity(const TokenWork& work, const TokenDescription& description) {
  return {{"version", version},
          {"part_bytes", record_part_bytes},
          {"text_part_bytes", text_part_bytes},
          {"files", work.files},
          {"dtype", name_of(description.dtype)},
          {"settings", to_string(work.settings)}};
}

}  // namespace

TokenWriter::TokenWriter(std::string path, const Tokenizer& tokenizer, TokenWork work,
                         std::chrono::milliseconds between_saves)
    : path_(std::move(path)),
      partial_(path_ + ".partial"),
      work_(std::move(work)),
      between_saves_(between_saves) {
  if (fs::exists(path_) && !fs::is_regular_file(path_))
    fail("write", "{} exists and is not a regular file", path_);
  constexpr std::int64_t words_of_uint16 = 65536;
  const std::string name(tokenizer.name());
  description_ = {.dtype = tokenizer.vocabulary_size() <= words_of_uint16 ? TokenType::uint16
                                                                          : TokenType::uint32,
                  .tokenizer = fs::absolute(name).lexically_normal().string(),
                  .tokenizer_checksum = tokenizer_checksum(name),
                  .vocabulary_size = tokenizer.vocabulary_size()};
  file_ = FileDescriptor(partial_, O_RDWR | O_CREAT);
  if (!file_.is_open()) {
    fail("write", "{}: cannot be created: {}", partial_,
         std::generic_category().message(file_.open_error()));
  }
  if (file_.lock() == EWOULDBLOCK) fail(operation, "{}: another process is writing it", partial_);
  if (!go_on()) begin();
}

TokenWriter::~TokenWriter() {
  if (!is_saved_ && !is_committed_) static_cast<void>(remove_path(partial_));
}

void TokenWriter::begin() {
  unfinished_.emplace(partial_, Unfinished::Kind::file);
  static_cast<void>(remove_path(progress_path()));
  if (ftruncate(file_.get(), 0) != 0 || lseek(file_.get(), 0, SEEK_SET) != 0)
    fail("write", "{}: cannot be written: {}", partial_, std::generic_category().message(errno));
  const Header none{};
  write(std::as_bytes(std::span(none)));
}

// What another writer has left, where it is of the same work. One that is damaged is none.
bool TokenWriter::go_on() {
  if (!fs::exists(progress_path())) return false;
  try {
    const auto left = parse_json(read_file(progress_path(), operation), operation, progress_path());
    if (left.at("work") != identity(work_, description_)) return false;
    auto description = description_;
    description.tokens = left.at("tokens").get<std::int64_t>();
    description.documents = left.at("documents").get<std::int64_t>();
    const auto files = left.at("files_done").get<std::int64_t>();
    const auto parts = left.at("parts_done").get<std::int64_t>();
    const auto& contents = left.at("contents");
    if (std::ssize(contents) != files + (parts > 0 ? 1 : 0)) return false;
    for (std::int64_t i = 0; i < std::ssize(contents); ++i)
      if (parse_checksum(contents.at(static_cast<std::size_t>(i)).get<std::string>()) !=
          content_of(i))
        return false;
    const auto bytes = bytes_of(description);
    if (lseek(file_.get(), 0, SEEK_END) < bytes) return false;
    if (ftruncate(file_.get(), bytes) != 0 || lseek(file_.get(), 0, SEEK_END) != bytes)
      return false;
    description_ = description;
    files_done_ = files;
    parts_done_ = parts;
    tokens_done_ = description.tokens;
  } catch (const nlohmann::json::exception&) {
    return false;
  } catch (const Error&) {
    return false;
  }
  return is_saved_ = true;
}

void TokenWriter::write(std::span<const std::byte> bytes) {
  if (const int error = file_.write(bytes))
    fail("write", "{}: cannot be written: {}", partial_, std::generic_category().message(error));
}

void TokenWriter::add(std::span<const std::uint32_t> tokens) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  description_.tokens += std::ssize(tokens);
  if (description_.tokens > most) {
    static_cast<void>(remove_path(progress_path()));
    files_done_ = parts_done_ = 0;
    is_saved_ = false;
    unfinished_.emplace(partial_, Unfinished::Kind::file);
    fail(operation,
         "{}: more than {} tokens, which its header cannot say: name fewer files, one "
         "output for each part",
         path_, most);
  }
  if (description_.dtype == TokenType::uint16) {
    append<std::uint16_t>(bytes_, tokens);
  } else {
    append<std::uint32_t>(bytes_, tokens);
  }
  write(bytes_);
}

void TokenWriter::end_part(std::int64_t documents) {
  description_.documents += documents;
  ++parts_done_;
  tokens_done_ = description_.tokens;
  save_in_time();
}

void TokenWriter::end_file(std::int64_t documents) {
  description_.documents += documents;
  ++files_done_;
  parts_done_ = 0;
  tokens_done_ = description_.tokens;
  save_in_time();
}

void TokenWriter::save_in_time() {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_save_ < between_saves_) return;
  save();
  last_save_ = std::chrono::steady_clock::now();
}

Checksum TokenWriter::content_of(std::int64_t file) {
  while (std::ssize(contents_) <= file)
    contents_.push_back(record_of_file(work_.files.at(contents_.size())).all);
  return contents_[static_cast<std::size_t>(file)];
}

// The tokens first: none may be missing of those that are said to be there.
void TokenWriter::save() {
  auto contents = Json::array();
  for (std::int64_t i = 0; i < files_done_ + (parts_done_ > 0 ? 1 : 0); ++i)
    contents.push_back(to_string(content_of(i)));
  if (const int error = file_.sync())
    fail("write", "{}: cannot be written: {}", partial_, std::generic_category().message(error));
  const Json left{{"work", identity(work_, description_)},
                  {"files_done", files_done_},
                  {"parts_done", parts_done_},
                  {"contents", contents},
                  {"tokens", tokens_done_},
                  {"documents", description_.documents}};
  ReplacingFile beside(progress_path());
  beside.write(left.dump(2) + "\n");
  beside.commit();
  is_saved_ = true;
  unfinished_.reset();
}

void TokenWriter::keep() {
  if (files_done_ + parts_done_ > 0) save();
}

// The description of an earlier file goes first: none may stand beside other tokens than its own.
void TokenWriter::commit() {
  const auto header = header_of(description_);
  if (lseek(file_.get(), 0, SEEK_SET) != 0)
    fail("write", "{}: cannot be written: {}", partial_, std::generic_category().message(errno));
  write(std::as_bytes(std::span(header)));
  int error = file_.sync();
  const UnendedSteps steps;
  static_cast<void>(remove_path(description_path(path_)));
  if (error == 0) error = rename_path(partial_, path_);
  if (error != 0)
    fail("write", "{}: cannot be written: {}", path_, std::generic_category().message(error));
  is_committed_ = true;
  static_cast<void>(remove_path(progress_path()));
  ReplacingFile beside(description_path(path_));
  beside.write(to_json(description_));
  beside.commit();
}

}  // namespace lookback
