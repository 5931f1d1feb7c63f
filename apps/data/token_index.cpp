#include "apps/data/token_index.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "apps/data/number_codes.h"
#include "runtime/check.h"
#include "runtime/json.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

constexpr auto megatron_mark = "MMIDIDX\0\0"sv, fairseq_mark = "TNTIDX\0\0"sv;

template <class Number>
Number number_at(const InputFile& file, std::size_t position) {
  const Check check{"data"};
  check(position <= file.size() && sizeof(Number) <= file.size() - position,
        "{}: {} bytes are too few for an index: was it cut short?", file.path(), file.size());
  Number number{};
  file.read(position, std::as_writable_bytes(std::span(&number, 1)));
  return number;
}

void check_version(const InputFile& index, std::uint64_t version, std::string_view program) {
  const Check check{"data"};
  check(version == 1, "{}: is an index of {} of version {}: 1 is known", index.path(), program,
        version);
}

// Behind the header: the length of each sequence (int32), where each begins in the .bin, in bytes
// (int64), and with which sequence each document begins (int64).
void check_megatron_size(const InputFile& index, const InputFile& bin, TokenType type) {
  const Check check{"data"};
  const auto after_code = megatron_mark.size() + sizeof(std::uint64_t) + 1;
  const auto sequences = number_at<std::uint64_t>(index, after_code);
  const auto documents = number_at<std::uint64_t>(index, after_code + 8);
  const auto lengths = after_code + 16;
  const auto room = (index.size() - std::min(index.size(), lengths)) / 12;
  check(0 < sequences && sequences <= room && documents <= index.size() / 8 &&
            index.size() == lengths + sequences * 12 + documents * 8,
        "{}: has {} bytes, which {} sequences and {} documents do not fill: was it cut short?",
        index.path(), index.size(), sequences, documents);
  const auto length = number_at<std::int32_t>(index, lengths + (sequences - 1) * 4);
  const auto begin = number_at<std::int64_t>(index, lengths + sequences * 4 + (sequences - 1) * 8);
  const auto expected = begin + std::int64_t{length} * static_cast<std::int64_t>(bytes_of(type));
  check(begin >= 0 && length >= 0 && expected == static_cast<std::int64_t>(bin.size()),
        "{}: has {} bytes, and {} in its index {}: were they made together?", bin.path(),
        bin.size(), expected, index.path());
}

TokenIndex read_index(const InputFile& index, const InputFile& bin) {
  std::string start(std::min(index.size(), megatron_mark.size()), '\0');
  index.read(0, std::as_writable_bytes(std::span(start)));
  if (start == megatron_mark) {
    const auto at = megatron_mark.size();
    check_version(index, number_at<std::uint64_t>(index, at), "Megatron-LM");
    const auto type = type_of_code(number_at<std::uint8_t>(index, at + 8), index.path());
    check_megatron_size(index, bin, type);
    return {index.path(), type};
  }
  if (std::string_view(start).starts_with(fairseq_mark)) {
    const auto at = fairseq_mark.size();
    check_version(index, number_at<std::uint64_t>(index, at), "fairseq");
    return {index.path(), type_of_code(number_at<std::uint64_t>(index, at + 8), index.path())};
  }
  return {index.path()};
}

}  // namespace

void check_no_litdata(const InputFile& file) {
  const fs::path bin = file.path();
  const auto path = bin.parent_path() / "index.json";
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return;
  const auto index = nlohmann::json::parse(read_file(path, "data"), nullptr, false);
  if (!index.is_object() || !index.contains("chunks") || !index.at("chunks").is_array()) return;
  const auto name = bin.filename().string();
  const bool listed = std::ranges::any_of(index.at("chunks"), [&](const auto& chunk) {
    return chunk.is_object() && chunk.value("filename", nlohmann::json()) == name;
  });
  if (!listed) return;
  fail("data",
       "{}: is a chunk of litdata ({} lists it), which cannot be read: write the tokens of its "
       "StreamingDataset one after another (array.astype('<u4').tofile('FILE.bin')), and give "
       "--bin-dtype uint32",
       bin.string(), path.string());
}

std::optional<TokenIndex> token_index_of(const InputFile& file) {
  const fs::path bin = file.path();
  auto path = bin;
  path.replace_extension(".idx");
  std::error_code ignored;
  if (bin.extension() != ".bin" || !fs::exists(path, ignored)) return std::nullopt;
  return read_index(InputFile(path.string(), "data"), file);
}

}  // namespace lookback
