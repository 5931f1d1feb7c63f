// Slots: where the backends leave their kernels, one slot per operation and direction.
//
// A header declares a slot as an inline variable; each backend fills it before main with a
// file-level Registration. The slot is initialized before any registration whose file includes its
// header, so the order of files does not matter.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string_view>
#include <utility>

#include "kernels/core/operand.h"
#include "kernels/taint/dependency_call.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/scoped_value.h"

namespace lookback::kernels {

enum class Direction { forward, backward, update };

// Every slot of the program, for the tests that walk them.
class SlotBase {
 public:
  const std::string_view name;
  const Direction direction;
  static const SlotBase* first() { return head; }
  const SlotBase* next() const { return link_; }
  virtual bool filled(Backend backend) const = 0;
  SlotBase(const SlotBase&) = delete;
  SlotBase& operator=(const SlotBase&) = delete;

 protected:
  SlotBase(std::string_view slot_name, Direction slot_direction)
      : name(slot_name), direction(slot_direction), link_(head) {
    head = this;
  }
  ~SlotBase();  // leaves the list
  [[noreturn]] void missing(Backend backend) const;
  [[noreturn]] void misplaced(Backend backend, Backend operand) const;

 private:
  static inline constinit SlotBase* head = nullptr;
  SlotBase* link_;
};

// No proof goes through an operation whose arguments declare no dependency kind.
class UndeclaredDependency : public Error {
 public:
  using Error::Error;
};

// Sees every kernel call of this thread, after it ran. One at a time; see observe_kernels().
using KernelObserver = std::function<void(const SlotBase&, const std::vector<In>& inputs,
                                          const std::vector<Out>& outputs)>;

// Installs an observer for its own lifetime.
class ObserveKernels {
 public:
  explicit ObserveKernels(KernelObserver observer);
  static const KernelObserver* current();

 private:
  KernelObserver observer_;
  ScopedValue<const KernelObserver*> observing_;
};

// A forward call that has run on the CPU, for those who hold the kernel against its declaration.
struct WitnessedCall {
  const SlotBase& slot;
  std::vector<In> inputs;
  std::vector<Out> outputs;
  std::function<void()> again;  // runs the kernel on the numbers that its operands hold now
  // Follows the declaration over a copy of the call; `replace` puts its operands elsewhere.
  std::function<void(const std::function<void(Operand&)>& replace)> declared;
};
using KernelWitness = std::function<void(const WitnessedCall&)>;

// Shows this thread's forward calls on the CPU to a witness, for its own lifetime.
class WitnessKernels {
 public:
  explicit WitnessKernels(KernelWitness witness);
  static const KernelWitness* current();

 private:
  KernelWitness witness_;
  ScopedValue<const KernelWitness*> witnessing_;
};

template <class Arguments, Direction direction>
struct Registration;

template <class Arguments>
concept DeclaresDependency = requires {
  Arguments::dependency;
};

// Where the backends leave their kernel for one operation. A forward slot's arguments declare their
// dependency kind (kernels/core/dependency.h), and so have a kernel on the taint device: without it
// the operation runs, but no proof goes through it, and the test that walks the slots fails.
template <class Arguments, Direction slot_direction = Direction::forward>
class Slot final : public SlotBase {
  static constexpr bool follows_dependency =
      slot_direction == Direction::forward && DeclaresDependency<Arguments>;

 public:
  using Kernel = void (*)(const Arguments&);
  using Workspace = std::size_t (*)(const Arguments&);

  explicit Slot(std::string_view slot_name) : SlotBase(slot_name, slot_direction) {}
  bool filled(Backend backend) const override {
    return (follows_dependency && backend == Backend::taint) || at(backend) != nullptr;
  }

  void operator()(Backend backend, const Arguments& arguments) const {
    if constexpr (follows_dependency) {
      if (backend == Backend::taint) {
        run_on_taint(arguments);
        return;
      }
    }
    const auto kernel = at(backend);
    if (kernel == nullptr) missing(backend);
    if (backend == Backend::cuda || memory_elsewhere()) refuse_misplaced(backend, arguments);
    kernel(arguments);
    if (const auto* observer = ObserveKernels::current()) report(*observer, arguments);
    if constexpr (follows_dependency) {
      const auto* witness = WitnessKernels::current();
      if (witness != nullptr && backend == Backend::cpu) show(*witness, arguments);
    }
  }

  // Scratch that the backend's kernel wants for a call with these sizes, in bytes: the caller gives
  // it as the arguments' `workspace`. Only sizes are looked at, not memory.
  std::size_t workspace_bytes(Backend backend, const Arguments& arguments) const {
    const auto wanted = workspaces_[static_cast<std::size_t>(backend)];
    return wanted == nullptr ? 0 : wanted(arguments);
  }

  Kernel& at(Backend backend) { return kernels_[static_cast<std::size_t>(backend)]; }
  Kernel at(Backend backend) const { return kernels_[static_cast<std::size_t>(backend)]; }

 private:
  void run_on_taint(const Arguments& arguments) const {
    follow(arguments);
    if (const auto* observer = ObserveKernels::current()) report(*observer, arguments);
  }

  void follow(const Arguments& arguments) const {
    const auto call = taint::describe(Arguments::dependency, arguments);
    const std::function<void()> on_cpu = [&] {
      if (at(Backend::cpu) == nullptr) missing(Backend::cpu);
      at(Backend::cpu)(arguments);
    };
    taint::run(call, on_cpu);
  }

  void show(const KernelWitness& witness, const Arguments& arguments) const {
    const auto [inputs, outputs] = operands_of(arguments);
    const auto declared = [&](const std::function<void(Operand&)>& replace) {
      auto elsewhere = arguments;  // its own, so that its operands may be changed
      for_each_operand(elsewhere,
                       [&](const Operand& operand) { replace(const_cast<Operand&>(operand)); });
      follow(elsewhere);
    };
    witness({.slot = *this,
             .inputs = inputs,
             .outputs = outputs,
             .again = [&] { at(Backend::cpu)(arguments); },
             .declared = declared});
  }

  // A kernel must not read another device's memory: it cannot, or cells are no numbers.
  void refuse_misplaced(Backend backend, const Arguments& arguments) const {
    for_each_operand(arguments, [&](const Operand& operand) {
      if (operand.backend != backend) misplaced(backend, operand.backend);
    });
  }

  static std::pair<std::vector<In>, std::vector<Out>> operands_of(const Arguments& arguments) {
    std::pair<std::vector<In>, std::vector<Out>> all;
    for_each_operand(arguments, [&]<class Operand>(const Operand& operand) {
      if constexpr (std::same_as<Operand, In>) {
        all.first.push_back(operand);
      } else {
        all.second.push_back(operand);
      }
    });
    return all;
  }

  void report(const KernelObserver& observer, const Arguments& arguments) const {
    const auto [inputs, outputs] = operands_of(arguments);
    observer(*this, inputs, outputs);
  }

  std::array<Kernel, backend_count> kernels_{};
  std::array<Workspace, backend_count> workspaces_{};
  friend struct Registration<Arguments, slot_direction>;
};

template <class Arguments>
using BackwardSlot = Slot<Arguments, Direction::backward>;
// Optimizer steps, norms, fills: changes that no gradient goes through.
template <class Arguments>
using UpdateSlot = Slot<Arguments, Direction::update>;

// A file-level object of this type fills a slot before main: with a kernel, and where it wants
// scratch with how much.
template <class Arguments, Direction direction>
struct Registration {
  Registration(Slot<Arguments, direction>& slot, Backend backend,
               typename Slot<Arguments, direction>::Kernel kernel,
               typename Slot<Arguments, direction>::Workspace workspace = nullptr) {
    slot.at(backend) = kernel;
    slot.workspaces_[static_cast<std::size_t>(backend)] = workspace;
  }
};

}  // namespace lookback::kernels
