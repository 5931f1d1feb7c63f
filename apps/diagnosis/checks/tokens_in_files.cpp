// Tokens of a text in bytes, of a .bin and of a .npy against the bytes of their files, read as they
// lie: at the beginning and at the end of what each part has of a file.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "apps/data/text_file.h"
#include "apps/data/token_array.h"
#include "apps/diagnosis/diagnosis_check.h"

namespace lookback {
namespace {

constexpr std::int64_t tokens_read = 64;
constexpr std::size_t files_read = 16;

// How a file's tokens lie in it; width 0: in no way that can be read here: with a tokenizer, or
// compressed, or as records.
struct Layout {
  std::int64_t header_bytes = 0, width = 0;
};

// Of llm.c, of a packed chunk, of NumPy, or none.
std::int64_t header_bytes_of(const std::string& path) {
  std::array<unsigned char, 12> start{};
  std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(start.data()), start.size());
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::int64_t value = 0;
    for (auto i = bytes; i-- > 0;) value = value * 256 + start[at + i];
    return value;
  };
  const std::string mark(start.begin(), start.begin() + 7);
  if (mark == "LITPKDS") return 24;
  if (mark.substr(0, 6) == "\x93NUMPY")
    return start[6] == 1 ? 10 + number(8, 2) : 12 + number(8, 4);
  return number(0, 4) == 20240520 || number(0, 4) == 20240801 ? 1024 : 0;
}

Layout layout_of(const FilePart& part, const TokenSource& source) {
  if (format_of(part.path) == TokenFormat::text) {
    const bool as_it_lies = source.tokenizer().name() == "bytes" && !is_encoded_text(part.path);
    return {0, as_it_lies ? 1 : 0};
  }
  const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(part.path));
  const auto header = header_bytes_of(part.path);
  for (const std::int64_t width : {1, 2, 4, 8}) {
    if (header + part.all * width == bytes) return {header, width};
  }
  return {};
}

std::vector<std::int64_t> read_raw(const std::string& path, const Layout& layout,
                                   std::int64_t first, std::int64_t count) {
  std::vector<unsigned char> bytes(static_cast<std::size_t>(count * layout.width));
  std::ifstream file(path, std::ios::binary);
  file.seekg(layout.header_bytes + first * layout.width);
  file.read(reinterpret_cast<char*>(bytes.data()), std::ssize(bytes));
  std::vector<std::int64_t> tokens;
  for (std::size_t i = 0; i < bytes.size(); i += static_cast<std::size_t>(layout.width)) {
    std::int64_t token = 0;  // the lowest byte first
    for (auto byte = layout.width - 1; byte >= 0; --byte)
      token = token * 256 + bytes[i + static_cast<std::size_t>(byte)];
    tokens.push_back(token);
  }
  return tokens;
}

class TokensInFiles final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::wrong_data; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    compare("training", *subject.data.training, diagnosis);
    compare("validation", *subject.data.validation, diagnosis);
  }

 private:
  static void compare(const std::string& what, const TokenSource& source, Diagnosis& diagnosis) {
    const auto name = fmt::format("tokens for {} against the bytes of their files", what);
    const auto parts = source.file_parts();
    std::int64_t offset = 0, compared = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto& part = parts[i];
      const auto length = part.end - part.begin;
      const bool in_between = i >= files_read && i + files_read < parts.size();
      const auto layout = in_between ? Layout{} : layout_of(part, source);
      const auto count = std::min(tokens_read, length);
      for (const auto at : {std::int64_t{0}, length - count}) {
        if (layout.width == 0) continue;
        const auto lies = read_raw(part.path, layout, part.begin + at, count);
        const auto fed = *source.tokens_at(offset + at, count);
        compared += count;
        const auto differs = std::ranges::mismatch(fed, lies);
        if (differs.in1 == fed.end()) continue;
        const auto in_file = part.begin + at + (differs.in1 - fed.begin());
        return diagnosis.failed(
            Verdict::wrong_data, name, 1, 0,
            fmt::format("token {} of {} is read as {}, and in the file stands {}", in_file,
                        part.path, *differs.in1, *differs.in2));
      }
      offset += length;
    }
    if (compared == 0)
      return diagnosis.not_applicable(name, "they do not lie in files as they are fed");
    diagnosis.passed(name, 0, 0,
                     fmt::format("{} tokens at both ends of {} files are what lies there", compared,
                                 parts.size()));
  }
};

const DiagnosisChecks::Add registered{"tokens_in_files",
                                      [] { return std::make_unique<TokensInFiles>(); }};

}  // namespace
}  // namespace lookback
