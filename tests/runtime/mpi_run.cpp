#include "tests/runtime/mpi_run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "tests/paths.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

fs::path beside_the_tests(const std::string& name) { return program().parent_path() / name; }

struct Ended {
  int code = -1;
  std::string text;
};

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// In a group of its own, which is killed at `limit`.
Ended run_program(const std::vector<std::string>& arguments, seconds limit,
                  const MpiLauncher::Meanwhile& meanwhile = {}) {
  std::array<int, 2> out = {};
  if (pipe2(out.data(), O_CLOEXEC) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(out[1], STDERR_FILENO);
    // Containers run as root; and Open MPI asks to be told twice that this is meant.
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    setenv("OMP_NUM_THREADS", "1", 1);
    // What Open MPI keeps until its end are no leaks of ours.
    const char* sanitizer = getenv("ASAN_OPTIONS");
    setenv("ASAN_OPTIONS",
           ((sanitizer == nullptr ? "" : std::string(sanitizer) + ":") + "detect_leaks=0").c_str(),
           1);
    std::vector<char*> words;
    for (const auto& word : arguments) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    execvp(words[0], words.data());
    _exit(127);
  }
  close(out[1]);
  fcntl(out[0], F_SETFL, O_NONBLOCK);
  Ended ended;
  const auto read_all = [&] {
    std::array<char, 4096> buffer = {};
    ssize_t count = 0;
    while ((count = read(out[0], buffer.data(), buffer.size())) > 0) {
      ended.text.append(buffer.data(), static_cast<std::size_t>(count));
    }
  };
  int status = 0;
  const auto deadline = Clock::now() + limit;
  while (waitpid(child, &status, WNOHANG) == 0) {
    read_all();
    if (meanwhile) meanwhile(child);
    if (Clock::now() > deadline) kill(-child, SIGKILL);
    std::this_thread::sleep_for(milliseconds(5));
  }
  read_all();
  close(out[0]);
  ended.code = exit_code(status);
  return ended;
}

std::string read_whole(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// Those whose command line holds `mark`. One that has ended and that nobody has asked for has none.
std::vector<int> processes_with(const std::string& mark) {
  std::vector<int> found;
  std::error_code ended;
  for (fs::directory_iterator entry("/proc", ended), end; !ended && entry != end;
       entry.increment(ended)) {
    const auto name = entry->path().filename().string();
    if (std::isdigit(static_cast<unsigned char>(name[0])) == 0) continue;
    if (read_whole(entry->path() / "cmdline").find(mark) != std::string::npos) {
      found.push_back(std::stoi(name));
    }
  }
  return found;
}

// The first that is of this implementation, by what it says of itself.
std::string find_mpirun(const std::string& implementation) {
  const std::string word = implementation == "openmpi" ? "Open" : "HYDRA";
  for (const auto& name : {"mpirun." + implementation, std::string("mpirun")}) {
    const auto said = run_program({name, "--version"}, seconds(20));
    if (said.code == 0 && said.text.find(word) != std::string::npos) return name;
  }
  return "";
}

}  // namespace

MpiLauncher::MpiLauncher(std::string implementation)
    : implementation_(std::move(implementation)), mpirun_(find_mpirun(implementation_)) {}

std::string MpiLauncher::missing() const {
  if (mpirun_.empty()) {
    return "no mpirun of " + implementation_ + " (third_party/install_packages.sh mpi)";
  }
  const auto module = "lookback_mpi_" + implementation_ + ".so";
  return fs::exists(beside_the_tests(module)) ? "" : "built without " + module;
}

MpiRun MpiLauncher::run(int ranks, const std::string& scenario, int timeout_seconds) const {
  const TemporaryDirectory scratch;  // its name is the mark
  const auto mark = scratch.path().string();
  return run({{ranks,
               {beside_the_tests("lookback_mpi_ranks").string(), scenario,
                std::to_string(timeout_seconds), mark}}},
             mark);
}

MpiRun MpiLauncher::run(const std::vector<Part>& parts, const std::string& mark,
                        const Meanwhile& meanwhile) const {
  std::vector<std::string> arguments = {mpirun_};
  if (implementation_ == "openmpi") arguments.emplace_back("--oversubscribe");
  for (const auto& [ranks, command] : parts) {
    if (&command != &parts.front().command) arguments.emplace_back(":");
    arguments.emplace_back("-n");
    arguments.push_back(std::to_string(ranks));
    arguments.insert(arguments.end(), command.begin(), command.end());
  }
  const auto begin = Clock::now();
  const auto ended = run_program(arguments, seconds(90), meanwhile);
  MpiRun run{.code = ended.code, .text = ended.text, .left = {}};
  run.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  // What is being killed may take a moment to go.
  for (int tries = 0; tries < 100 && !(run.left = processes_with(mark)).empty(); ++tries) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  for (const int process : run.left) kill(process, SIGKILL);
  return run;
}

std::optional<int> process_of_rank(const std::string& mark, int rank) {
  using namespace std::string_literals;
  for (const int process : processes_with(mark)) {
    const auto environment =
        "\0"s + read_whole(fs::path("/proc") / std::to_string(process) / "environ");
    for (const std::string variable : {"OMPI_COMM_WORLD_RANK=", "PMI_RANK="}) {
      if (environment.find("\0"s + variable + std::to_string(rank) + "\0"s) != std::string::npos)
        return process;
    }
  }
  return std::nullopt;
}

}  // namespace lookback::tests
