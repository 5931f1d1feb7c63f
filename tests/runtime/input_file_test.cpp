#include "runtime/input_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "runtime/check.h"
#include "tests/paths.h"

namespace lookback {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_of(const std::string& path) {
  try {
    const InputFile file{path, "data"};
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// "error: ..." where they cannot be read.
std::string bytes_of(const InputFile& file, std::size_t position, std::size_t count) {
  std::string text(count, '?');
  try {
    file.read(position, std::as_writable_bytes(std::span(text)));
  } catch (const Error& error) {
    return std::string("error: ") + error.what();
  }
  return text;
}

TEST(InputFile, ReadsByPosition) {
  const tests::TemporaryDirectory folder;
  const std::string path = folder.path() / "some file";
  std::ofstream{path, std::ios::binary} << std::string("a\0bcd", 5);
  const InputFile file{path, "data"};
  EXPECT_EQ(file.size(), 5u);
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(bytes_of(file, 0, 3), std::string("a\0b", 3));
  EXPECT_EQ(bytes_of(file, 3, 2), "cd");
  EXPECT_EQ(bytes_of(file, 5, 0), "");

  std::ofstream{folder.path() / "empty"};
  EXPECT_EQ(InputFile((folder.path() / "empty").string(), "data").size(), 0u);
}

// Also by less than a page, of which a mapping would show zeros.
TEST(InputFile, SaysThatItHasBecomeShorter) {
  const tests::TemporaryDirectory folder;
  const std::string path = folder.path() / "data.bin";
  std::ofstream{path} << std::string(10'000, 'x');
  const InputFile file{path, "data"};
  for (const std::size_t bytes : {9'999, 4'096, 1, 0}) {
    ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(bytes)), 0);
    if (bytes > 0) {
      EXPECT_EQ(bytes_of(file, bytes - 1, 1), "x");
    }
    EXPECT_EQ(bytes_of(file, 0, 10'000),
              fmt::format("error: [data] {}: has become shorter since it was opened: it had 10000 "
                          "bytes, and byte {} is not there any more",
                          path, bytes));
  }
}

// More files than a process may have open; each is the one that it was.
TEST(InputFile, ManyAtOnce) {
  const tests::TemporaryDirectory folder;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{std::min<rlim_t>(before.rlim_cur, 128), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<std::unique_ptr<const InputFile>> files;
  for (int i = 0; i < 200; ++i) {
    const std::string path = folder.path() / std::to_string(i);
    std::ofstream{path} << i;
    files.push_back(std::make_unique<const InputFile>(path, "data"));
  }
  EXPECT_EQ(bytes_of(*files[7], 0, 1), "7");
  EXPECT_EQ(bytes_of(*files[199], 0, 3), "199");
  const auto path = files[199]->path();
  std::filesystem::rename(folder.path() / "198", path);
  EXPECT_THAT(bytes_of(*files[199], 0, 3), HasSubstr("another file has taken its place"));
  std::filesystem::remove(path);
  EXPECT_EQ(bytes_of(*files[199], 0, 3),
            "error: [data] " + path + ": cannot be read: No such file or directory");
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(InputFile, SaysWhatIsWrong) {
  const tests::TemporaryDirectory folder;
  EXPECT_THAT(error_of(folder.path() / "absent"),
              AllOf(StartsWith("[data]"), HasSubstr("absent: there is no such file")));
  EXPECT_THAT(error_of(folder.path()), HasSubstr("is a folder"));
  const std::string pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(error_of(pipe), HasSubstr("is not a regular file"));
  std::ofstream{folder.path() / "file"} << "x";
  EXPECT_THAT(error_of(folder.path() / "file" / "below"), HasSubstr("cannot be read: "));
}

TEST(InputFile, SaysWhatMayNotBeRead) {
  if (geteuid() == 0) GTEST_SKIP() << "the superuser may read every file";
  const tests::TemporaryDirectory folder;
  const std::string path = folder.path() / "secret";
  std::ofstream{path} << "x";
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  EXPECT_THAT(error_of(path), HasSubstr("cannot be read: Permission denied"));
}

}  // namespace
}  // namespace lookback
