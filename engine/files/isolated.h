// Work with a library that nobody vouches for on hostile input, in a process of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "engine/files/io.h"

namespace tessera {

struct IsolationLimits {
  std::uint64_t result = 0;  // bytes that may come back
  std::uint64_t memory = 0;  // bytes that the process may take beyond what it begins with
  unsigned seconds = 0;      // of processor time
  unsigned wait = 0;         // seconds by the clock, in which it may be waiting
};

// Runs `prepare` and then `work` in a child process, which has a copy of this one's memory, none of its open files and not
// its signal handlers, and returns the result of `work`. From `prepare` on, the child may take memory and answer, nothing
// else: it can open no file, start no program and send no signal where the kernel has seccomp filters (Linux on x86-64 and
// ARM64), and write to no file anywhere. An Error that `work` throws is thrown here. A child that crashes, takes too much or
// too long is an error of the given code, which `what` begins (one that somebody told to end: of ExitCode::failure). It never
// outlives this call, nor the thread that made it.
Bytes run_isolated(const std::function<void()>& prepare, const std::function<Bytes()>& work, const IsolationLimits& limits,
                   const std::string& what, ExitCode on_error);

}  // namespace tessera
