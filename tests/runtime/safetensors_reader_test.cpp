// Reading safetensors files: dtypes, alignment, and one clear line for every malformed file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>

#include "runtime/random.h"
#include "runtime/safetensors.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using std::string;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

void write_file(const fs::path& path, const string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// The bytes of a file with this header and this much data, byte i being i mod 251.
string file_bytes(const string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  bytes += header;
  for (std::size_t i = 0; i < data_bytes; ++i) bytes += static_cast<char>(i % 251);
  return bytes;
}

SafetensorsFile parse(const string& bytes) {
  const auto copy = std::make_shared<std::vector<std::byte>>(bytes.size());
  if (!bytes.empty()) std::memcpy(copy->data(), bytes.data(), bytes.size());
  return SafetensorsFile::parse(*copy, copy, "f.safetensors");
}

// What parsing says, or "" where the file is good.
string error_of(const string& bytes) {
  try {
    parse(bytes);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

template <class T>
std::vector<T> values_of(const Tensor& tensor) {
  const auto elements = tensor.elements<T>();
  return {elements.begin(), elements.end()};
}

TEST(SafetensorsReader, UnalignedDataAreCopiedAndAlignedOnesSharedWithoutTouchingTheFile) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "f.safetensors";
  for (std::size_t spaces = 0; spaces < 8; ++spaces) {
    const string header = R"({"w":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}})";
    auto bytes = file_bytes(header + string(spaces, ' '), 0);
    const double values[] = {2.5, -7};
    bytes.append(reinterpret_cast<const char*>(values), sizeof values);
    write_file(path, bytes);
    auto tensor = SafetensorsFile::open(path).load("w");  // the tensor keeps the mapping alive
    EXPECT_THAT(values_of<double>(tensor), ElementsAre(2.5, -7));
    tensor.data<double>()[0] = 1;
    EXPECT_EQ(read_file(path), bytes);
  }
}

TEST(SafetensorsReader, HalfPrecisionIsConverted) {
  // Bits and values: Python's struct.unpack("<e", ...).
  const std::vector<std::pair<std::uint16_t, float>> pairs = {
      {0x0000, 0.F},
      {0x8000, -0.F},
      {0x3c00, 1.F},
      {0xc000, -2.F},
      {0x7bff, 65504.F},
      {0x0001, 5.9604644775e-8F},
      {0x8001, -5.9604644775e-8F},
      {0x03ff, 6.097555160522461e-05F},
      {0x0400, 6.103515625e-05F},
      {0x3555, 0.333251953125F},
      {0x7c00, std::numeric_limits<float>::infinity()}};
  auto bytes = file_bytes(R"({"h":{"dtype":"F16","shape":[12],"data_offsets":[0,24]}})", 0);
  for (const auto& [bits, value] : pairs) bytes.append(reinterpret_cast<const char*>(&bits), 2);
  bytes.append("\x01\x7e", 2);  // a NaN
  const auto loaded = parse(bytes).load("h");
  ASSERT_EQ(loaded.dtype(), DType::f32);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    EXPECT_EQ(loaded.data<float>()[i], pairs[i].second) << i;
    EXPECT_EQ(std::signbit(loaded.data<float>()[i]), std::signbit(pairs[i].second)) << i;
  }
  EXPECT_TRUE(std::isnan(loaded.data<float>()[11]));
}

TEST(SafetensorsReader, BooleansAreBytes) {
  const auto file =
      parse(file_bytes(R"({"m":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", 2));
  EXPECT_THAT(values_of<std::uint8_t>(file.load("m")), ElementsAre(0, 1));
}

TEST(SafetensorsReader, WhatCannotBeLoadedDoesNotStandInTheWayOfTheRest) {
  const auto file =
      parse(file_bytes(R"({"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},)"
                       R"("b":{"dtype":"U8","shape":[1],"data_offsets":[4,5]},)"
                       R"("c":{"dtype":"U8","shape":[1,1,1,1,1,1,1],"data_offsets":[5,6]},)"
                       R"("d":{"dtype":"F4","shape":[2],"data_offsets":[6,7]}})",
                       7));
  EXPECT_THAT(values_of<std::uint8_t>(file.load("b")), ElementsAre(4));
  const auto error = [&](const string& name) {
    try {
      file.load(name);
    } catch (const Error& refused) {
      return string(refused.what());
    }
    return string();
  };
  EXPECT_EQ(error("a"),
            "[safetensors] f.safetensors: tensor \"a\" is I32: only F64, F32, F16, BF16, "
            "I64, U8 and BOOL can be loaded");
  EXPECT_THAT(error("c"), HasSubstr("7 dimensions: 6 is the most"));
  EXPECT_THAT(error("d"), HasSubstr("is F4"));
  EXPECT_THAT(error("e"), HasSubstr("holds no tensor \"e\""));
}

TEST(SafetensorsReader, NoTensorsAreAFileToo) { EXPECT_EQ(error_of(file_bytes("{}", 0)), ""); }

TEST(SafetensorsReader, UnknownKeysOfATensorAreIgnoredAsElsewhere) {
  EXPECT_EQ(error_of(file_bytes(
                R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"more":[1]}})", 1)),
            "");
}

struct Malformed {
  string header;
  std::size_t data_bytes;
  string what;  // part of the error
};

string tensor(const string& dtype, const string& shape, const string& offsets) {
  return R"({"w":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

TEST(SafetensorsReader, EveryMalformedHeaderIsRefused) {
  const string u8 = R"("U8")", f32 = R"("F32")";
  const string big = "9223372036854775807";
  const std::vector<Malformed> table = {
      {"", 0, "must be a JSON object"},
      {"[]", 0, "must be a JSON object"},
      {" {}", 0, "must be a JSON object"},
      {"\xef\xbb\xbf{}", 0, "must be a JSON object"},
      {"{", 0, "header: parse error at line 1, column 2"},
      {"{}}", 0, "parse error"},
      {string("{}\0", 3), 0, "byte 2 is NUL"},
      {"{\"w\xff\":1}", 0, "ill-formed UTF-8"},
      {R"({"w":1e999})", 0, "number overflow"},
      {R"({"w":1})", 0, "\"w\": 1 must be an object with dtype"},
      {R"({"w":null})", 0, "null must be an object"},
      {R"({"w":{"shape":[],"data_offsets":[0,0]}})", 0, "has no dtype"},
      {R"({"w":{"dtype":"U8","data_offsets":[0,0]}})", 0, "has no shape"},
      {R"({"w":{"dtype":"U8","shape":[]}})", 0, "has no data_offsets"},
      {tensor("8", "[]", "[0,1]"), 1, "dtype 8 must be a string"},
      {tensor(R"("u8")", "[]", "[0,1]"), 1, "dtype \"u8\" is none of the format's"},
      {tensor(R"("F33\n")", "[]", "[0,1]"), 1, R"("F33\n" is none)"},
      {tensor(u8, "1", "[0,1]"), 1, "shape 1 must be a list"},
      {tensor(u8, "[-1]", "[0,1]"), 1, "shape [-1] must be a list"},
      {tensor(u8, "[1.0]", "[0,1]"), 1, "shape [1.0] must be"},
      {tensor(u8, "[true]", "[0,1]"), 1, "shape [true] must be"},
      {tensor(u8, R"(["1"])", "[0,1]"), 1, "must be a list of integers"},
      {tensor(u8, "[9223372036854775808]", "[0,1]"), 1,
       "must be a list of integers from 0 to 2^63 - 1"},
      {tensor(u8, "[99999999999999999999]", "[0,1]"), 1, "must be a list of integers"},
      {tensor(f32, "[" + big + "]", "[0,1]"), 1, "overflows"},
      {tensor(u8, "[4294967296,4294967296]", "[0,0]"), 0, "overflows"},
      {tensor(u8, "[" + big + "," + big + ",0]", "[0,0]"), 0, "overflows"},
      {tensor(u8, "[1]", "1"), 1, "data_offsets 1 must be two integers"},
      {tensor(u8, "[1]", "[1]"), 1, "data_offsets [1] must be two"},
      {tensor(u8, "[1]", "[0,1,1]"), 1, "must be two"},
      {tensor(u8, "[1]", "[0.0,1]"), 1, "must be two"},
      {tensor(u8, "[1]", "[-1,0]"), 1, "must be two"},
      {tensor(u8, "[1]", R"([0,"1"])"), 1, "must be two"},
      {tensor(u8, "[1]", "[0,99999999999999999999]"), 1, "must be two"},
      {tensor(u8, "[1]", "[1,0]"), 1, "[1, 0] begin after their end"},
      {tensor(u8, "[2]", "[0,2]"), 1, "end behind the file's 1 bytes"},
      {tensor(u8, "[1]", "[0,18446744073709551615]"), 1, "end behind the file's 1 bytes"},
      {tensor(f32, "[2,3]", "[0,23]"), 23, "span 23 bytes, F32 [2,3] takes 24"},
      {tensor(f32, "[0]", "[0,4]"), 4, "span 4 bytes, F32 [0] takes 0"},
      {tensor(f32, "[]", "[0,0]"), 0, "span 0 bytes, F32 [] takes 4"},
      {tensor(R"("F4")", "[3]", "[0,2]"), 2, "does not fill whole bytes"},
      {tensor(u8, "[1]", "[1,2]"), 2, "begins at byte 1, but the data before it end at 0: holes"},
      {tensor(u8, "[1]", "[0,1]"), 3, "2 bytes follow the last tensor"},
      {"{}", 5, "5 bytes follow the last tensor: the data must end at byte 0"},
      {R"({"v":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
       R"("w":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3, "\"w\": begins at byte 1 and overlaps the one before it, which ends at 2"},
      {R"({"v":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
       R"("w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
       2, "overlaps"},
      {R"({"v":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
       R"("w":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
       3, "holes"},
      {R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
       R"("w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
       1, "\"w\" stands twice"},
      {R"({"w":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1,
       "\"dtype\" stands twice"},
      {R"({"__metadata__":{"a":"1","a":"1"}})", 0, "\"a\" stands twice"},
      {R"({"__metadata__":{"a":1}})", 0, "__metadata__ must be an object of strings"},
      {R"({"__metadata__":["a"]})", 0, "__metadata__ must be"},
      {R"({"__metadata__":null})", 0, "__metadata__ must be"},
      {R"({"__metadata__":"a"})", 0, "__metadata__ must be"},
  };
  for (const auto& [header, data_bytes, what] : table) {
    SCOPED_TRACE(header);
    const auto error = error_of(file_bytes(header, data_bytes));
    EXPECT_THAT(error, HasSubstr(what));
    EXPECT_THAT(error, testing::StartsWith("[safetensors] f.safetensors: "));
    EXPECT_EQ(error.find('\n'), string::npos);
  }
}

TEST(SafetensorsReader, DeepNestingDoesNotOverflowTheStack) {
  EXPECT_THAT(
      error_of(file_bytes("{\"a\":" + string(1'000'000, '[') + string(1'000'000, ']') + "}", 0)),
      HasSubstr("more than 100 objects or lists inside each other"));
}

TEST(SafetensorsReader, HugeHeaderLengthsAreRefused) {
  const auto with_length = [](std::uint64_t length, std::size_t more) {
    string bytes(8 + more, ' ');
    std::memcpy(bytes.data(), &length, 8);
    return bytes;
  };
  EXPECT_THAT(error_of(with_length(std::numeric_limits<std::uint64_t>::max(), 2)),
              HasSubstr("length, 18446744073709551615, is over the format's 100000000"));
  EXPECT_THAT(error_of(with_length(100'000'001, 2)), HasSubstr("is over the format's"));
  EXPECT_THAT(error_of(with_length(100'000'000, 2)),
              HasSubstr("takes 100000000 bytes and 2 are there: the file is truncated"));
}

string small_file() {
  const TemporaryDirectory folder;
  write_safetensors(folder.path() / "f", {{"w", from_values<float>({1, 2, 3, 4, 5, 6}, {2, 3})},
                                          {"ids", from_values<std::int64_t>({4, 5}, {2})},
                                          {"m", from_values<std::uint8_t>({1, 0, 1}, {3})}});
  return read_file(folder.path() / "f");
}

TEST(SafetensorsReader, EveryTruncationIsRefused) {
  const auto bytes = small_file();
  ASSERT_EQ(error_of(bytes), "");
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_NE(error_of(bytes.substr(0, length)), "") << length;
  }
  EXPECT_THAT(error_of(bytes + '\0'), HasSubstr("1 bytes follow"));
}

TEST(SafetensorsReader, FlippedBytesNeverDoMoreThanFail) {
  const auto bytes = small_file();
  int refused = 0;
  constexpr int trials = 5000;
  for (int trial = 0; trial < trials; ++trial) {
    RandomStream random(17, static_cast<std::uint64_t>(trial));
    auto changed = bytes;
    for (auto flips = 1 + random.below(4); flips > 0; --flips) {
      changed[random.below(changed.size())] = static_cast<char>(random.below(256));
    }
    try {
      const auto file = parse(changed);
      for (const auto& name : file.names()) file.load(name);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, trials / 4);
  EXPECT_LT(refused, trials);
}

string open_error(const fs::path& path) {
  try {
    SafetensorsFile::open(path);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(SafetensorsReader, WhatIsNoReadableFileIsRefused) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "missing.safetensors";
  EXPECT_EQ(open_error(path),
            "[safetensors] " + path.string() + ": cannot be read: No such file or directory");
  EXPECT_THAT(open_error(folder.path()), HasSubstr("is not a regular file"));
  ASSERT_EQ(mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(open_error(folder.path() / "pipe"), HasSubstr("is not a regular file"));
  write_file(path, "");
  EXPECT_THAT(open_error(path), HasSubstr("has 0 bytes"));
}

}  // namespace
}  // namespace lookback::tests
