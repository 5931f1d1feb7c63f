// The process that the program runs in: what is closed, ignored, gone or too small there.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <set>
#include <thread>

#include "apps/cli/process.h"
#include "runtime/safetensors.h"
#include "tests/apps/event_reader.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;
using Clock = std::chrono::steady_clock;

const std::vector<std::string> endless = {"--max-steps=1000000", "--eval-steps=1000000",
                                          "--eval-batches=1"};

fs::path metrics_of(const SmallRun& small) { return fs::path(small.run()) / "metrics.jsonl"; }

std::set<std::string> checkpoints_of(const SmallRun& small) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(small.run())) {
    const auto name = entry.path().filename().string();
    if (name.starts_with("checkpoint-")) names.insert(name);
  }
  return names;
}

// A pipe without a reader, or a device, in the place of a stream of the program.
std::function<void()> with_stream(int stream, const std::string& device = "") {
  return [stream, device] {
    int ends[2] = {-1, -1};
    if (!device.empty()) {
      ends[1] = open(device.c_str(), O_WRONLY);
    } else if (pipe(ends) == 0) {
      close(ends[0]);
    }
    if (dup2(ends[1], stream) < 0) _exit(127);
  };
}

// Lines for a stream that is closed are not written into what was opened later.
TEST(Process, ClosedStreamsHarmNoFile) {
  const SmallRun small;
  const std::vector<std::string> flags = {"--quiet=false", "--logging-steps=1", "--save-steps=2",
                                          "--eval-steps=2", "--overwrite"};
  ASSERT_EQ(small.train(flags).code, 0);
  const auto model = read_text(fs::path(small.run()) / "model.safetensors");
  for (const auto& closed : std::vector<std::vector<int>>{{2}, {0, 2}, {1, 2}, {0, 1, 2}, {0}}) {
    const auto result = small.train(flags, {.in_child = [&closed] {
                                      for (const int stream : closed) close(stream);
                                    }});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(read_text(fs::path(small.run()) / "model.safetensors"), model);
    EXPECT_EQ(SmallRun::metrics(small.run()).size(), 9U) << "each of them JSON";
    EXPECT_EQ(joined_events(small.run()).size(), 9U) << "each of them whole";
    for (const auto& entry : fs::recursive_directory_iterator(small.run())) {
      if (!entry.is_regular_file()) continue;
      EXPECT_THAT(read_text(entry.path()), testing::Not(HasSubstr("validation loss"))) << entry;
    }
  }
}

TEST(Process, AResultThatNobodyTakesIsAnError) {
  const SmallRun small;
  ASSERT_EQ(small.train().code, 0);
  const std::vector<std::string> generate = {"generate", small.run(), "--prompt=so",
                                             "--max-new-tokens=4"};
  for (const auto& [in_child, reason] : std::vector<std::pair<std::function<void()>, std::string>>{
           {[] { close(STDOUT_FILENO); }, "Bad file descriptor"},
           {with_stream(STDOUT_FILENO, "/dev/full"), "No space left on device"},
           {with_stream(STDOUT_FILENO), "Broken pipe"}}) {
    expect_error(run_lookback(generate, {.in_child = in_child}), 1,
                 "[stdout] cannot be written: " + reason);
    // What a run is asked for lies in its folder, but where its JSON was asked for.
    const auto trained = small.train({"--overwrite"}, {.in_child = in_child});
    EXPECT_EQ(trained.code, 0);
    EXPECT_EQ(trained.err, "lookback: warning: [stdout] cannot be written: " + reason + "\n");
    expect_error(small.train({"--overwrite", "--json"}, {.in_child = in_child}), 1, reason);
  }
}

// `2>&1 | head`.
TEST(Process, ARunOutlivesTheReaderOfItsProgress) {
  const SmallRun small;
  const auto result = small.train({"--quiet=false", "--logging-steps=1"}, {.in_child = [] {
                                    with_stream(STDOUT_FILENO)();
                                    with_stream(STDERR_FILENO)();
                                  }});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(SmallRun::metrics(small.run()).back().at("step"), 6);
}

TEST(Process, AClosedTerminalEndsARunAsSigtermDoes) {
  const SmallRun small;
  const auto result =
      small.train(endless, {.interrupt_when = metrics_of(small), .interrupt_signal = SIGHUP});
  EXPECT_EQ(result.code, 129) << result.err;
  EXPECT_THAT(result.err, StartsWith("hung up after step "));
  const auto step = SmallRun::metrics(small.run()).back().at("step").get<int>();
  EXPECT_THAT(checkpoints_of(small), testing::Contains("checkpoint-" + std::to_string(step)));
}

TEST(Process, SchedulersGetACheckpointAndTheRunGoesOn) {
  const SmallRun small;
  int step = 0;
  const auto result = small.train(
      endless, {.interrupt_when = metrics_of(small), .interrupt_by = [&](pid_t program) {
                  kill(program, SIGUSR1);
                  const auto end = Clock::now() + std::chrono::seconds(60);
                  while (checkpoints_of(small).empty() && Clock::now() < end) {
                    std::this_thread::sleep_for(std::chrono::milliseconds(5));
                  }
                  const auto found = checkpoints_of(small);
                  if (!found.empty()) step = std::stoi(found.begin()->substr(11));
                  std::this_thread::sleep_for(std::chrono::milliseconds(50));
                  kill(program, SIGTERM);
                }});
  EXPECT_EQ(result.code, 143) << result.err;
  EXPECT_GT(step, 0);
  EXPECT_GT(SmallRun::metrics(small.run()).back().at("step"), step);
}

// nohup; a job in the background of a shell script.
TEST(Process, SignalsThatTheParentIgnoresStayIgnored) {
  const SmallRun small;
  const std::vector<int> signals = {SIGINT, SIGHUP, SIGTERM, SIGUSR1};
  const auto result = small.train({"--max-steps=400", "--eval-steps=400", "--logging-steps=400"},
                                  {.interrupt_when = metrics_of(small),
                                   .interrupt_by =
                                       [&](pid_t program) {
                                         for (const int each : signals) kill(program, each);
                                       },
                                   .in_child =
                                       [&] {
                                         for (const int each : signals) signal(each, SIG_IGN);
                                       }});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(checkpoints_of(small), testing::ElementsAre("checkpoint-400"));
}

// A small file may ask for a step that takes long: until something is there to be saved, the first
// signal ends the program.
TEST(Process, TheFirstStepCanBeInterrupted) {
  SmallRun small;
  small.model.update({{"hidden_size", 8},
                      {"intermediate_size", 8},
                      {"num_attention_heads", 1},
                      {"num_key_value_heads", 1},
                      {"num_hidden_layers", 30'000}});
  write_text(small.config(), small.model.dump());
  Clock::time_point signaled;
  const auto result =
      small.train({}, {.interrupt_when = small.config(), .interrupt_by = [&](pid_t program) {
                         std::this_thread::sleep_for(std::chrono::seconds(1));
                         signaled = Clock::now();
                         kill(program, SIGTERM);
                       }});
  EXPECT_LT(Clock::now() - signaled, std::chrono::seconds(5)) << "a busy machine is given time";
  EXPECT_EQ(result.code, 143) << result.err;
  EXPECT_FALSE(fs::exists(metrics_of(small)));
}

class ShrinkingData : public testing::Test {
 protected:
  // Cuts `data` to so many bytes in mid-run.
  void expect_named(const std::string& data, off_t bytes) {
    std::vector<std::string> flags = endless;
    flags.insert(flags.end(), {"--data", data, "--overwrite"});
    const auto result = small_.train(
        flags, {.interrupt_when = metrics_of(small_), .interrupt_by = [&](pid_t program) {
                  std::this_thread::sleep_for(std::chrono::milliseconds(20));
                  EXPECT_EQ(kill(program, 0), 0);
                  EXPECT_EQ(truncate(data.c_str(), bytes), 0);
                }});
    expect_error(result, 1, "[data] " + data + ": has become shorter since it was opened");
    fs::remove_all(small_.run());
  }
  SmallRun small_;
};

TEST_F(ShrinkingData, OfTextsIsAnErrorThatNamesTheFile) {
  const auto words = read_text(small_.text());
  for (const std::size_t bytes : {std::size_t{0}, words.size() / 2, words.size() - 1'000}) {
    write_text(small_.text(), words);
    expect_named(small_.text(), static_cast<off_t>(bytes));
  }
}

TEST_F(ShrinkingData, OfTokensIsAnErrorThatNamesTheFile) {
  const std::string tokens = small_.path() / "tokens.bin";
  std::string content;
  for (int i = 0; i < 100'000; ++i) content += {static_cast<char>(i * 7919 % 251), '\0'};
  for (const off_t bytes : {0, 100'000}) {
    write_text(tokens, content);
    expect_named(tokens, bytes);
  }
}

// Model files are mapped.
TEST(ProcessDeathTest, AModelThatShrinksIsNamed) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "model.safetensors";
  write_safetensors(path, {{"a", zeros({100'000}, DType::f32, cpu_device)}});
  EXPECT_EXIT(
      {
        name_files_that_shrink();
        const auto file = SafetensorsFile::open(path);
        static_cast<void>(truncate(path.c_str(), 8'192));
        const auto values = file.load("a");
        _exit(values.data<float>()[99'999] == 0 ? 0 : 3);
      },
      testing::ExitedWithCode(1),
      "lookback: error: \\[safetensors\\] .*model.safetensors: has become shorter while it was "
      "read");
  // Any other fault of that kind is what it was.
  EXPECT_EXIT(
      {
        name_files_that_shrink();
        ::raise(SIGBUS);
        _exit(0);
      },
      testing::KilledBySignal(SIGBUS), "");
}

TEST(Process, AStackThatIsTooSmallIsOneLine) {
  for (const rlim_t kibibytes : {64, 96, 256}) {
    const auto result = run_lookback({"presets"}, {.in_child = [&] {
                                       const rlimit limit{kibibytes << 10, kibibytes << 10};
                                       setrlimit(RLIMIT_STACK, &limit);
                                     }});
    expect_error(result, 1,
                 fmt::format("a stack of {} KiB is too small, at least 512 are needed: "
                             "`ulimit -s 8192`",
                             kibibytes));
  }
}

// As in a container with a limit of processes.
TEST(Process, ThreadsThatTheSystemDoesNotAllowAreOneLine) {
  const SmallRun small;
  for (const std::string command : {"train", "bench"}) {
    std::vector<std::string> arguments = {"bench", "machine"};
    if (command == "train") {
      arguments = {"train",      "--config",     small.config(), "--data",
                   small.text(), "--output-dir", small.run()};
    }
    arguments.push_back("--threads=900");
    expect_error(run_lookback(arguments, {.in_child =
                                              [] {
                                                constexpr rlim_t two_gibibytes = rlim_t{2} << 30;
                                                const rlimit limit{two_gibibytes, two_gibibytes};
                                                setrlimit(RLIMIT_AS, &limit);
                                              }}),
                 1, "[threads] 900 are asked for, and the system lets this process have ");
  }
  EXPECT_FALSE(fs::exists(small.run()));
}

// What the program writes to a terminal that is its stdout.
std::string on_a_terminal(const std::vector<std::string>& arguments) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
  EXPECT_TRUE(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
  const int end = open(ptsname(terminal), O_RDWR | O_NOCTTY);
  const auto result = run_lookback(arguments, {.in_child = [&] { dup2(end, STDOUT_FILENO); }});
  EXPECT_EQ(result.code, 0) << result.err;
  std::string shown(4096, '\0');
  const auto count = read(terminal, shown.data(), shown.size());
  close(end);
  close(terminal);
  return shown.substr(0, count > 0 ? static_cast<std::size_t>(count) : 0);
}

TEST(Process, ATerminalIsShownNoControlCharacters) {
  const SmallRun small;
  ASSERT_EQ(small.train().code, 0);
  const std::string prompt = "a\tb\x1b[31mred\a\b\x7f \xc2\x9b[0m caf\xc3\xa9 \x9b\xff\rx";
  const std::vector<std::string> generate = {"generate", small.run(), "--prompt", prompt,
                                             "--max-new-tokens=1"};
  const auto shown = on_a_terminal(generate);
  EXPECT_THAT(shown, StartsWith("a\tb␛[31mred␇␈␡ �[0m café �␍x")) << shown;
  // Anywhere else bytes are what they are.
  EXPECT_THAT(run_lookback(generate).out, StartsWith(prompt));
  auto as_json = generate;
  as_json.push_back("--json");
  const auto object = nlohmann::json::parse(on_a_terminal(as_json));
  EXPECT_THAT(object.at("text").get<std::string>(),
              StartsWith("a\tb\x1b[31mred\a\b\x7f \xc2\x9b[0m caf\xc3\xa9 ��\rx"));
}

}  // namespace
}  // namespace lookback::tests
