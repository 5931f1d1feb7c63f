// A safetensors file is known again by its checksums; reading and writing take time in proportion
// to the number of tensors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>

#include "runtime/safetensors.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using std::string;
using ::testing::HasSubstr;
using ::testing::StartsWith;

string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

NamedTensors some_tensors() {
  std::vector<float> many(100'000);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<float>(i);
  return {{"long", from_values<float>(many, {static_cast<std::int64_t>(many.size())})},
          {"bf16", from_values<BFloat16>({BFloat16(1.F), BFloat16(2.F), BFloat16(3.F)}, {3})},
          {"f64", from_values<double>({1, 2}, {2})},
          {"empty", empty({0, 5}, DType::f32)},
          {"bytes", from_values<std::uint8_t>({1, 2, 3}, {3})}};
}

// Loads all of the file; what it says, or "" where nothing is wrong.
string error_of(const fs::path& path, const SafetensorsChecksums& checksums) {
  try {
    auto file = SafetensorsFile::open(path);
    file.expect(checksums, "recorded");
    for (const auto& name : file.names()) file.load(name);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(SafetensorsChecksums, EachTensorsAndTheHeaders) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "f.safetensors";
  const auto checksums = write_safetensors(path, some_tensors());
  const auto bytes = read_file(path);
  EXPECT_EQ(error_of(path, checksums), "");
  ASSERT_EQ(checksums.tensors.size(), 5U);
  const auto file = SafetensorsFile::open(path);
  std::size_t data_bytes = 0;
  for (const auto& name : file.names())
    data_bytes += file.info(name).end_bytes - file.info(name).begin_bytes;
  const auto header_bytes = bytes.size() - data_bytes;
  EXPECT_EQ(checksums.header, checksum_of(bytes.substr(0, header_bytes)));
  for (const auto& name : file.names()) {
    const auto& info = file.info(name);
    EXPECT_EQ(checksums.tensors.at(name),
              checksum_of(
                  bytes.substr(header_bytes + info.begin_bytes, info.end_bytes - info.begin_bytes)))
        << name;
  }
}

TEST(SafetensorsChecksums, AFlippedBitIsRefusedByFileAndTensor) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "f.safetensors";
  const auto checksums = write_safetensors(path, some_tensors());
  const auto bytes = read_file(path);
  const auto file = SafetensorsFile::open(path);
  std::size_t data_bytes = 0;
  for (const auto& name : file.names())
    data_bytes += file.info(name).end_bytes - file.info(name).begin_bytes;
  const auto header_bytes = bytes.size() - data_bytes;
  const auto error_with_flip = [&](std::size_t at, int bit) {
    auto changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
    std::ofstream(path, std::ios::binary) << changed;
    return error_of(path, checksums);
  };
  for (std::size_t at = 0; at < header_bytes; ++at) {
    EXPECT_THAT(error_with_flip(at, static_cast<int>(at % 8)),
                StartsWith("[safetensors] " + path.string()))
        << at;
  }
  for (const auto& name : file.names()) {
    const auto& info = file.info(name);
    for (auto at = info.begin_bytes; at < info.end_bytes;
         at += std::max<std::size_t>(1, (info.end_bytes - info.begin_bytes) / 7)) {
      EXPECT_EQ(error_with_flip(header_bytes + at, static_cast<int>(at % 8)),
                "[safetensors] " + path.string() + ": tensor \"" + name + "\" is not as recorded");
    }
  }
}

TEST(SafetensorsChecksums, AnotherFileOfTheSameShapesIsRefused) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "f.safetensors";
  const auto checksums = write_safetensors(path, some_tensors());
  auto others = some_tensors();
  others[2].second = from_values<double>({1, 2.5}, {2});
  write_safetensors(path, others);
  EXPECT_THAT(error_of(path, checksums), HasSubstr("tensor \"f64\" is not as recorded"));
  others[2].second = from_values<float>({1, 2}, {2});
  write_safetensors(path, others);
  EXPECT_THAT(error_of(path, checksums), HasSubstr("its header, the names, dtypes and shapes"));
  write_safetensors(path, some_tensors(), {{"step", "3"}});
  EXPECT_THAT(error_of(path, checksums), HasSubstr("its header"));
}

// Of the processor: what else the machine does takes none of them.
double seconds_of(const std::function<void()>& work) {
  double best = std::numeric_limits<double>::infinity();
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto start = std::clock();
    work();
    best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return best;
}

// Four times as many tensors take four times as long; where each looked at all others it would be
// sixteen times.
TEST(SafetensorsScaling, TimeGrowsWithTheNumberOfTensors) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "f.safetensors";
  const auto value = from_values<float>({1.F}, {1});
  struct Seconds {
    double writing, reading;
  };
  const auto seconds_for = [&](int count) {
    NamedTensors tensors;
    for (int i = 0; i < count; ++i) tensors.emplace_back("tensor." + std::to_string(i), value);
    SafetensorsChecksums checksums;
    const double writing = seconds_of([&] { checksums = write_safetensors(path, tensors); });
    return Seconds{writing, seconds_of([&] { EXPECT_EQ(error_of(path, checksums), ""); })};
  };
  const auto few = seconds_for(10'000), many = seconds_for(40'000);
  EXPECT_LT(many.reading, 8 * few.reading);
  EXPECT_LT(many.writing, 8 * few.writing);
  EXPECT_LT(many.reading, 5);
}

}  // namespace
}  // namespace lookback::tests
