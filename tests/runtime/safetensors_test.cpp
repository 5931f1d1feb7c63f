// safetensors files: what is written comes back, and what is malformed is refused by one clear
// line.
#include "runtime/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

#include "runtime/random.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using std::string;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// The same dtype, shape and bits.
void expect_same(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.dtype(), b.dtype());
  ASSERT_EQ(a.shape(), b.shape());
  const auto bytes = static_cast<std::size_t>(a.numel()) * size_of(a.dtype());
  if (bytes > 0) {
    EXPECT_EQ(std::memcmp(a.raw_data(), b.raw_data(), bytes), 0);
  }
}

NamedTensors every_dtype() {
  const double infinity = std::numeric_limits<double>::infinity();
  return {
      {"u8", from_values<std::uint8_t>({0, 1, 255}, {3})},
      {"f32", from_values<float>({1.5F, -0.0F, 3e38F, std::nanf("7"), 1e-45F, 2.F}, {2, 3})},
      {"f64", from_values<double>({infinity, -1e300}, {2, 1})},
      {"bf16", from_values<BFloat16>({BFloat16(1.F), BFloat16(-3e38F), BFloat16(0.1F)}, {3})},
      {"i64", from_values<std::int64_t>({std::numeric_limits<std::int64_t>::min(), 7}, {2})},
      {"scalar", from_values<float>({42.F}, {})},
      {"empty", empty({0, 5}, DType::f32)},
      {"wide", from_values<double>({1, 2}, {1, 1, 1, 1, 1, 2})},
  };
}

TEST(Safetensors, WhatIsWrittenComesBack) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "all.safetensors";
  const auto tensors = every_dtype();
  write_safetensors(path, tensors, {{"step", "12"}, {"note", "a \"quote\", \n, \u00e9"}});

  const auto file = SafetensorsFile::open(path);
  EXPECT_EQ(file.names().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(file.contains(name));
    expect_same(file.load(name), tensor);
  }
  EXPECT_EQ(
      file.metadata(),
      (SafetensorsMetadata{{"format", "pt"}, {"step", "12"}, {"note", "a \"quote\", \n, \u00e9"}}));
  EXPECT_EQ(file.info("f32").dtype, "F32");
  EXPECT_THAT(file.info("f32").shape, ElementsAre(2, 3));
  EXPECT_THAT(file.info("scalar").shape, IsEmpty());
  EXPECT_FALSE(file.contains("other"));
  EXPECT_THROW(file.load("other"), Error);
}

TEST(Safetensors, TheBytesAreThoseOfTheFormat) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "f.safetensors";
  write_safetensors(path, {{"b", from_values<std::uint8_t>({7}, {1})},
                           {"z", from_values<std::int64_t>({1}, {})},
                           {"a", from_values<std::uint8_t>({9}, {1})}});
  const auto bytes = read_file(path);
  const string header =
      R"({"__metadata__":{"format":"pt"},"z":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"U8","shape":[1],"data_offsets":[8,9]},)"
      R"("b":{"dtype":"U8","shape":[1],"data_offsets":[9,10]}})";
  std::uint64_t length;
  ASSERT_GE(bytes.size(), 8U);
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0U);
  ASSERT_EQ(bytes.size(), 8 + length + 10);
  EXPECT_EQ(bytes.substr(8, length), header + string(length - header.size(), ' '));
  EXPECT_EQ(bytes.substr(8 + length), string("\1\0\0\0\0\0\0\0\11\7", 10));
}

TEST(Safetensors, TheOrderGivenDoesNotMatter) {
  const TemporaryDirectory folder;
  auto tensors = every_dtype();
  write_safetensors(folder.path() / "a", tensors);
  std::ranges::reverse(tensors);
  write_safetensors(folder.path() / "b", tensors);
  EXPECT_EQ(read_file(folder.path() / "a"), read_file(folder.path() / "b"));
}

TEST(Safetensors, NoTensorsAreAFileToo) {
  const TemporaryDirectory folder;
  write_safetensors(folder.path() / "none", {});
  EXPECT_THAT(SafetensorsFile::open(folder.path() / "none").names(), IsEmpty());
}

string write_error(const fs::path& path, const NamedTensors& tensors,
                   SafetensorsMetadata metadata = {}) {
  try {
    write_safetensors(path, tensors, std::move(metadata));
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::vector<string> files_in(const fs::path& folder) {
  std::vector<string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  return names;
}

TEST(Safetensors, WhatCannotBeWrittenIsRefusedBeforeAnythingIsTouched) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "f.safetensors";
  const auto x = from_values<float>({1, 2, 3, 4}, {2, 2});
  EXPECT_THAT(write_error(path, {{"x", x}, {"y", x}, {"x", x}}), HasSubstr("two tensors \"x\""));
  EXPECT_THAT(write_error(path, {{"__metadata__", x}}), HasSubstr("must not be called"));
  EXPECT_THAT(write_error(path, {{"x", Tensor()}}), HasSubstr("\"x\" must be defined"));
  EXPECT_THAT(write_error(path, {{"x", x.alias({2, 2}, {1, 2})}}), HasSubstr("contiguous"));
  EXPECT_THAT(write_error(path, {{"\xff", x}}), HasSubstr("not UTF-8"));
  EXPECT_THAT(write_error(path, {}, {{"a", "\xff"}}), HasSubstr("not UTF-8"));
  EXPECT_THAT(files_in(folder.path()), IsEmpty());
}

TEST(Safetensors, AFailedWriteLeavesTheOldFileAndNothingElse) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "f.safetensors";
  write_safetensors(path, {{"x", from_values<float>({1}, {})}});
  const auto before = read_file(path);

  // A limit on the size of files stands for the full disk: it holds for root too.
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto* const handler = reinterpret_cast<void*>(std::signal(SIGXFSZ, SIG_IGN));
  const rlimit small{4096, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto error = write_error(path, {{"x", zeros({4096}, DType::f32)}});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::signal(SIGXFSZ, reinterpret_cast<void (*)(int)>(const_cast<void*>(handler)));

  EXPECT_EQ(error, "[write] " + path.string() + ": cannot be written: File too large");
  EXPECT_EQ(read_file(path), before);
  EXPECT_THAT(files_in(folder.path()), ElementsAre("f.safetensors"));

  write_safetensors(path, {{"x", zeros({4096}, DType::f32)}});
  EXPECT_THAT(SafetensorsFile::open(path).info("x").shape, ElementsAre(4096));
  EXPECT_THAT(files_in(folder.path()), ElementsAre("f.safetensors"));
}

TEST(Safetensors, PlacesThatCannotBeWrittenAreNamed) {
  const TemporaryDirectory folder;
  const auto nowhere = folder.path() / "no folder" / "f";
  EXPECT_EQ(write_error(nowhere, {}),
            "[write] " + nowhere.string() + ": cannot be created: No such file or directory");
  EXPECT_THAT(write_error(folder.path(), {}), HasSubstr("exists and is not a regular file"));
  EXPECT_THAT(write_error("/dev/full", {}), HasSubstr("exists and is not a regular file"));
  if (geteuid() != 0) {
    fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_THAT(write_error(folder.path() / "f", {}), HasSubstr("Permission denied"));
    fs::permissions(folder.path(), fs::perms::owner_all);
  }
}

}  // namespace
}  // namespace lookback::tests
