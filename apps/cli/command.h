// Subcommands: each is one file that registers itself, so that a new one needs no edit elsewhere.
//
//   class Presets final : public Command {
//     void declare(Flags& flags) override { flags.add_toggle("faults", faults, "..."); }
//     ExitCode run(const Session& session) override { ... }
//     bool faults = false;
//   };
//   const AddCommand<Presets> registered{"presets", "lists the model variants"};
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/cli/console.h"
#include "apps/cli/exit_code.h"
#include "apps/cli/flags.h"
#include "runtime/communicator.h"
#include "runtime/device.h"
#include "runtime/float_products.h"
#include "runtime/registry.h"

namespace lookback {

// What the flags of every subcommand say, resolved.
struct Session {
  Device device;
  // Models and what they compute live on `device` for as long as the session does.
  std::shared_ptr<const DefaultDevice> default_device = {};
  std::shared_ptr<const UseFloatProducts> matmul_precision = {};
  std::int64_t threads = 1;
  std::uint64_t seed = 0;
  Console console;
  const Flags* flags = nullptr;  // all of this call, for options.toml
  Communicator* ranks = nullptr;  // of this run; one process is rank 0 of 1
  std::string version = {};      // of the program
  // Which device --device auto took; empty where the flag named one.
  std::string device_note = {};

  // A command that computes calls this once, where an error would no longer be the only line.
  void note_device() const {
    if (!device_note.empty()) console.note(device_note);
  }
};

class Command {
 public:
  virtual ~Command() = default;
  virtual void declare(Flags& flags) = 0;
  // The arguments as these flags say them: a command may understand those of other programs.
  virtual std::vector<std::string> translated(std::span<const std::string> arguments) {
    return {arguments.begin(), arguments.end()};
  }
  // Whether several processes that one launcher has started may be one run.
  virtual bool takes_several_ranks() const { return false; }
  // Once the flags have been read, before the session starts: may set those that were not given.
  virtual void complete(Flags&, Communicator&) {}
  virtual ExitCode run(const Session& session) = 0;
};

struct CommandEntry {
  std::string summary;  // one line
  std::unique_ptr<Command> (*make)();
};

using Commands = Registered<CommandEntry>;

template <class T>
struct AddCommand : Commands::Add {
  AddCommand(std::string command_name, std::string summary)
      : Add(std::move(command_name), {std::move(summary), []() -> std::unique_ptr<Command> {
                                        return std::make_unique<T>();
                                      }}) {}
};

}  // namespace lookback
