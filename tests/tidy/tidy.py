#!/usr/bin/env python3
"""Rules of the code base that a compiler does not check: who may include whom, sizes, words.

  tidy.py ROOT        looks at every file that git knows below ROOT; prints FILE:LINE: what; exits with 1 if any
  tidy.py --self-test gives every rule a small breach and expects it to be found
"""
import re
import subprocess
import sys

SOURCE = (".cc", ".h")
# Folder -> folders that its files may include from (its own always). The arrows of ARCHITECTURE.md.
ALLOWED = {
    "hw": {"hw"},
    "hw/regs": set(),
    "hw/pci": set(),
    "hw/model": {"hw", "hw/pci", "hw/regs"},
    "hw/xe": {"hw", "hw/pci", "hw/regs"},
    "server/sched": {"hw"},
    "server/common": set(),
    "server/session": {"hw", "server/common", "server/sched"},
    "server/metrics": {"hw", "server/sched", "server/session"},
    "server/service": {"hw", "server/common", "server/metrics", "server/sched", "server/session"},
    "client": {"hw/regs"},
    "client/xeqctl": {"client"},
}
# The one file that knows all devices.
FACTORY = "hw/device_factory.cc"
# Headers with one door: pattern of the include -> pattern of the files that may have it.
DOORS = {
    r"\.pb\.h": r"^(server/service/|client/|tests/)",
    r"^grpc": r"^(server/service/|server/server\.|server/main\.cc|client/|tests/)",
    r"^prometheus/": r"^(server/metrics/|tests/)",
    r"xe_drm\.h": r"^(hw/drm/|tests/unit/hw/types_test\.cc)",
    r"^linux/vfio\.h": r"^hw/vfio/",
}
# Put together here, so that this file does not break its own rule.
BANNED = [r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bXX" + r"X\b", "not " + "implemented", "/wo" + "rk/", "/ro" + "ot/"]
BANNED_IN_TESTS = ["sleep" + "_for", "Sleep" + "For", r"\buslee" + r"p\b", r"time\.slee" + "p"]
LINES_MAX = {"source": 600, "test": 800}
COLUMNS_MAX = 120


def check_includes(path, lines):
    folder = path.rsplit("/", 1)[0]
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
        if not match:
            continue
        header = match.group(1)
        for pattern, doors in DOORS.items():
            if re.search(pattern, header) and not re.search(doors, path):
                yield number, f"{header} may not be included here"
        target = header.rsplit("/", 1)[0] if "/" in header else ""
        if path == FACTORY and target.startswith("hw/"):
            continue
        if folder in ALLOWED and re.match(r"(hw|server|client|tests)(/|$)", target):
            if target != folder and target not in ALLOWED[folder]:
                yield number, f"{folder} may not include from {target}"


def check_sizes(path, lines):
    bound = LINES_MAX["test" if path.startswith("tests/") else "source"]
    if len(lines) > bound:
        yield bound + 1, f"{len(lines)} lines, at most {bound}"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            yield number, f"{len(line)} columns, at most {COLUMNS_MAX}"


def check_words(path, lines):
    banned = BANNED + (BANNED_IN_TESTS if path.startswith("tests/") else [])
    for number, line in enumerate(lines, 1):
        for word in banned:
            if re.search(word, line):
                yield number, f"the text matches {word!r}"


def check_guard(path, lines):
    if not path.endswith(".h"):
        return
    guard = "XEQ_" + re.sub(r"[^A-Z0-9]", "_", path.upper()) + "_"
    if f"#ifndef {guard}" not in lines:
        yield 1, f"the header guard is to be {guard}"


def check_opening(path, lines):
    needs = path.endswith(".h") or path.endswith("_test.cc") or path.endswith("_bench.cc")
    if needs and not (lines and lines[0].startswith("//")):
        yield 1, "begins without a comment that says what it is"


# What the README shows is what is built and run.
EXAMPLE = "client/examples/hello.cc"


def check_example(readme, example):
    if "```cpp\n" + example.strip() + "\n```" not in readme:
        yield 1, f"the example is not {EXAMPLE} as it stands"


RULES = [check_includes, check_sizes, check_words, check_guard, check_opening]


def check_tree(root):
    listed = subprocess.run(["git", "-C", root, "ls-files"], check=True, capture_output=True, text=True)
    names = listed.stdout.split("\n")
    found = 0
    for path in names:
        is_source = path.endswith(SOURCE)
        if not is_source and not path.endswith((".py", ".sh", ".proto", "CMakeLists.txt", "/run")):
            continue
        try:
            with open(f"{root}/{path}", encoding="utf-8") as file:
                lines = file.read().split("\n")
        except FileNotFoundError:
            continue
        for rule in RULES if is_source else [check_sizes, check_words]:
            for number, what in rule(path, lines):
                print(f"{path}:{number}: {what}")
                found += 1
    with open(f"{root}/README.md", encoding="utf-8") as readme, open(f"{root}/{EXAMPLE}", encoding="utf-8") as example:
        for number, what in check_example(readme.read(), example.read()):
            print(f"README.md:{number}: {what}")
            found += 1
    print(f"{found} breaches in {len(names)} files")
    return found == 0


def self_test():
    breaches = [
        (check_includes, "server/sched/a.cc", ['#include "server/session/session.h"']),
        (check_includes, "server/sched/a.cc", ['#include "hw/model/dma_arena.h"']),
        (check_includes, "hw/xe/a.cc", ["#include <grpcpp/grpcpp.h>"]),
        (check_includes, "server/session/a.cc", ['#include "xeq/v1/queue.pb.h"']),
        (check_sizes, "hw/a.cc", [""] * 601),
        (check_sizes, "tests/a.cc", ["x" * 121]),
        (check_words, "hw/a.cc", ["// TO" + "DO: later"]),
        (check_words, "tests/a.cc", ["std::this_thread::sleep" + "_for(1s);"]),
        (check_guard, "hw/a.h", ["#ifndef WRONG_H_"]),
        (check_opening, "hw/a.h", ["#ifndef XEQ_HW_A_H_"]),
    ]
    if not list(check_example("```cpp\nint main() {}\n```", "int main() { return 1; }")):
        sys.exit("missed: check_example")
    missed = [rule.__name__ for rule, path, lines in breaches if not list(rule(path, lines))]
    if list(check_includes("server/sched/a.cc", ['#include "hw/device.h"', '#include "server/sched/job.h"'])):
        missed.append("a right include was refused")
    print("missed: " + ", ".join(missed) if missed else "every rule found its breach")
    return not missed


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(0 if (self_test() if sys.argv[1] == "--self-test" else check_tree(sys.argv[1])) else 1)
