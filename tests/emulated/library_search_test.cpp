// Where a library is looked for that is no part of the program, and what is said where it is not.
#include "runtime/library_search.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include "kernels/cuda/device/cuda_library_folders.h"
#include "runtime/error.h"
#include "tests/paths.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* file = "liblookback_stub.so";

// With a variable of the environment set, or unset where there is no value.
class WithVariable {
 public:
  WithVariable(const char* variable, const std::optional<std::string>& value) : name_(variable) {
    if (const char* now = std::getenv(name_)) before_ = now;
    set(value);
  }
  ~WithVariable() { set(before_); }
  WithVariable(const WithVariable&) = delete;
  WithVariable& operator=(const WithVariable&) = delete;

 private:
  void set(const std::optional<std::string>& value) const {
    value ? setenv(name_, value->c_str(), 1) : unsetenv(name_);
  }
  const char* name_;
  std::optional<std::string> before_;
};

class EmulatedLibrarySearch : public ::testing::Test {
 protected:
  // A library that opens, in a new folder of this name.
  fs::path folder_with_library(const std::string& name) const {
    fs::create_directories(scratch_.path() / name);
    fs::copy_file(tests::program().parent_path() / "stub_libraries" / "good" /
                      "libcublas.so." LOOKBACK_STUB_CUBLAS_MAJOR,
                  scratch_.path() / name / file);
    return scratch_.path() / name;
  }
  fs::path folder_with_text(const std::string& name) const {
    fs::create_directories(scratch_.path() / name);
    std::ofstream(scratch_.path() / name / file)
        << "this is no library, and longer than a header: " << std::string(4096, ' ');
    return scratch_.path() / name;
  }
  LibrarySearch search(std::vector<fs::path> folders) const {
    return {.operation = "stub",
            .file = file,
            .variable = "LOOKBACK_STUB",
            .folders = std::move(folders),
            .advice = "Install it"};
  }
  static OpenedLibrary open(const LibrarySearch& wanted, const std::string& refused = "") {
    return open_library(wanted, [&](void* handle) -> std::string {
      return dlsym(handle, "cublasCreate_v2") == nullptr ? "is another library" : refused;
    });
  }
  static std::string error_of(const LibrarySearch& wanted, const std::string& refused = "") {
    try {
      open(wanted, refused);
    } catch (const Error& error) {
      return error.what();
    }
    return "it was found";
  }

  tests::TemporaryDirectory scratch_;
  WithVariable unset_{"LOOKBACK_STUB", std::nullopt};
};

TEST_F(EmulatedLibrarySearch, TakesTheFirstThatOpens) {
  const auto here = folder_with_library("here");
  const auto found = open(search(
      {scratch_.path() / "missing", folder_with_text("text"), here, folder_with_library("later")}));
  EXPECT_EQ(found.path, here / file);
}

TEST_F(EmulatedLibrarySearch, NamesEveryPlaceThatWasTriedAndWhatWasWrongThere) {
  const auto missing = scratch_.path() / "missing", text = folder_with_text("text");
  const auto refused = folder_with_library("refused");
  const auto error = error_of(search({missing, text, refused}), "is too old");
  EXPECT_THAT(error, HasSubstr("[stub] no liblookback_stub.so that can be used; tried "
                               "liblookback_stub.so (cannot open shared object file"));
  EXPECT_THAT(error, HasSubstr((missing / file).string() + " (cannot open shared object file"));
  EXPECT_THAT(error, HasSubstr((text / file).string() + " (invalid ELF header)"));
  EXPECT_THAT(error, HasSubstr((refused / file).string() + " (is too old)"));
  EXPECT_THAT(error, HasSubstr(". Install it, or let LOOKBACK_STUB name the file or its folder"));
  EXPECT_THAT(error, Not(HasSubstr("\n")));
}

TEST_F(EmulatedLibrarySearch, TheVariableNamesAFileOrAFolderAndNothingElseIsTried) {
  const auto named = folder_with_library("named"), other = folder_with_library("other");
  for (const auto& value : {named, named / file}) {
    const WithVariable set("LOOKBACK_STUB", value.string());
    EXPECT_EQ(open(search({other})).path, named / file);
  }
  for (const auto& value : {folder_with_text("text") / file, scratch_.path() / "nowhere"}) {
    const WithVariable set("LOOKBACK_STUB", value.string());
    EXPECT_THAT(error_of(search({other})),
                AllOf(HasSubstr(value.string()), Not(HasSubstr(other.string()))));
  }
}

TEST_F(EmulatedLibrarySearch, TheFoldersOfCudaAreThoseOfItsInstallersAndOfPythonsPackages) {
  // A virtual environment, whose python3 is a link to its base's; a Python elsewhere, through a
  // link.
  const auto make = [&](const fs::path& path) {
    fs::create_directories(scratch_.path() / path);
    return scratch_.path() / path;
  };
  const auto environment = make("venv/lib/python3.12/site-packages/nvidia/cu13/lib");
  const auto base = make("base/lib/python3/dist-packages/nvidia/cublas/lib");
  make("venv/bin");
  make("base/bin");
  make("links");
  std::ofstream(scratch_.path() / "base/bin/python3.12") << "";
  fs::create_symlink("../../base/bin/python3.12", scratch_.path() / "venv/bin/python3");
  fs::create_symlink(scratch_.path() / "venv/bin/python3", scratch_.path() / "links/python3");
  const WithVariable home("CUDA_HOME", "/somewhere/cuda"), path_variable("CUDA_PATH", std::nullopt);
  for (const char* on_path : {"venv/bin", "links"}) {
    const WithVariable path("PATH", "/nowhere::" + (scratch_.path() / on_path).string());
    const auto folders = cuda_library_folders(13);
    EXPECT_EQ(folders.at(0), "/somewhere/cuda/lib64");
    EXPECT_THAT(folders, Contains(fs::path("/usr/local/cuda/lib64")));
    EXPECT_THAT(folders, Contains(fs::path("/usr/local/cuda-13/lib64")));
    EXPECT_THAT(folders, Contains(environment));
    EXPECT_THAT(folders, Contains(base));
  }
}

}  // namespace
}  // namespace lookback
