// xeqctl: the operator's and user's tool.
#include <CLI/CLI.hpp>
#include <iostream>

#include "client/xeqctl/command.h"
#include "client/xeqctl/queue.h"

namespace xeq::ctl {
namespace {

// Completes subcommands and the options of each, from what the tool itself knows.
void PrintCompletion(const CLI::App& app) {
  std::string commands;
  std::string cases;
  const auto options_of = [](const CLI::App& of) {
    std::string names;
    for (const CLI::Option* option : of.get_options()) {
      for (const std::string& name : option->get_lnames()) names += " --" + name;
    }
    return names;
  };
  for (const CLI::App* command : app.get_subcommands({})) {
    commands += " " + command->get_name();
    std::string words = options_of(*command);
    for (const CLI::App* below : command->get_subcommands({})) words += " " + below->get_name() + options_of(*below);
    cases += "      " + command->get_name() + ") words=\"" + words + "\" ;;\n";
  }
  std::cout << "# bash completion of xeqctl: source it, or put it into /etc/bash_completion.d\n"
               "_xeqctl() {\n"
               "  local word words=\""
            << commands << options_of(app)
            << "\"\n"
               "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
               "    case \"$word\" in\n"
            << cases
            << "    esac\n"
               "  done\n"
               "  case \"${COMP_WORDS[COMP_CWORD-1]}\" in\n"
               "    --file) COMPREPLY=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\")) ;;\n"
               "    *) COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")) ;;\n"
               "  esac\n"
               "}\n"
               "complete -F _xeqctl xeqctl\n";
}

int Main(int argc, const char* const* argv) {
  Global global;
  DemoOptions demo;
  WaitOptions wait;
  QueueCommand queue;
  int status = kExitOk;
  CLI::App app("Looks at a running xeqd and puts it to work.", "xeqctl");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--address", global.address, "Where xeqd serves: HOST:PORT or unix:PATH")
      ->envname("XEQ_ADDRESS")
      ->capture_default_str();
  app.add_flag("--json", global.json, "Write JSON, for scripts");
  app.add_option("--timeout-ms", global.timeout_ms, "How long to wait for the service, and for fences")
      ->capture_default_str()
      ->check(CLI::Range(1u, 3'600'000u));

  app.add_subcommand("device", "Show the device, its engines and memory")->callback([&] {
    status = RunDevice(global);
  });
  app.add_subcommand("queues", "List the queues of all sessions")->callback([&] { status = RunQueues(global); });
  AddQueueCommand(app, global, queue, status);
  app.add_subcommand("version", "Show the versions of xeqctl and xeqd")->callback([&] { status = RunVersion(global); });

  CLI::App* demo_command = app.add_subcommand("demo", "Send a file through the GPU and check what comes back");
  demo_command->add_option("--file", demo.file, "The file; otherwise one is made from files of this machine")
      ->check(CLI::ExistingFile);
  demo_command->add_option("--size", demo.size_bytes, "Bytes of it, 1 to 1 TiB, with k, m or g; default 64m or all")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40));
  demo_command->callback([&] { status = RunDemo(global, demo); });

  CLI::App* wait_command = app.add_subcommand("wait", "Wait for fences; exits with 1 when one failed or time is up");
  wait_command->add_option("--session", wait.session_id, "The id of the session that they belong to")->required();
  wait_command->add_flag("--any", wait.any, "Until one has ended, not all");
  wait_command->add_option("fences", wait.fences, "CONTEXT:SEQNO")->required();
  wait_command->callback([&] { status = RunWait(global, wait); });

  app.add_subcommand("completion", "Write a completion script for bash")->callback([&] { PrintCompletion(app); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return status;
}

}  // namespace
}  // namespace xeq::ctl

int main(int argc, char** argv) { return xeq::ctl::Main(argc, argv); }
