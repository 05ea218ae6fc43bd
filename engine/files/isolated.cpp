#include "engine/files/isolated.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <limits>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#if defined(TESSERA_COVERAGE)
extern "C" void __gcov_dump();
#endif

namespace tessera {
namespace {

// AddressSanitizer's shadow would count as memory taken, and it reads /proc where an exception is thrown. Coverage is written
// to files at the end.
#if defined(__SANITIZE_ADDRESS__) || defined(TESSERA_COVERAGE)
constexpr bool is_instrumented = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool is_instrumented = true;
#else
constexpr bool is_instrumented = false;
#endif
#else
constexpr bool is_instrumented = false;
#endif

#if defined(TESSERA_COVERAGE)
constexpr std::uint64_t hardest_file_size = RLIM_INFINITY;
#else
constexpr std::uint64_t hardest_file_size = 0;
#endif

// The first byte of what the child sends.
enum class Outcome : char { result, error, no_memory };

// Bytes of private writable memory that this process has mapped: what RLIMIT_DATA counts.
std::uint64_t data_in_use() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (std::uint64_t kilobytes = 0; word == "VmData:" && status >> kilobytes) return kilobytes << 10;
  return 0;
}

// The hard limit too: what the library does cannot raise it again.
void limit(decltype(RLIMIT_CPU) resource, std::uint64_t most, std::uint64_t hard) {
  rlimit now = {};
  ::getrlimit(resource, &now);
  now.rlim_max = std::min<rlim_t>(now.rlim_max, hard);
  now.rlim_cur = std::min<rlim_t>({now.rlim_cur, now.rlim_max, most});
  ::setrlimit(resource, &now);
}
void limit(decltype(RLIMIT_CPU) resource, std::uint64_t most) { limit(resource, most, most); }

// Our handlers would run in a copy of us that nobody looks at, and what we block or ignore would keep a limit from ending it.
void take_signals() {
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGPIPE, SIGXCPU}) std::signal(signal, SIG_DFL);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})  // what we were told to ignore, as under nohup, it ignores too
    if (std::signal(signal, SIG_DFL) == SIG_IGN) std::signal(signal, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

void close_between(unsigned first, unsigned last) {
  if (first > last) return;
#ifdef __NR_close_range
  if (::syscall(__NR_close_range, first, last, 0u) == 0) return;
#endif
  const long most = ::sysconf(_SC_OPEN_MAX);
  const unsigned end = most < 0 ? 65536u : static_cast<unsigned>(std::min(most, 1l << 20));
  for (unsigned descriptor = first; descriptor <= std::min(last, end); ++descriptor) ::close(static_cast<int>(descriptor));
}

// Leaves the answer, and standard descriptors to which what a library says goes nowhere.
void close_files_but(int answer) {
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (nowhere < 0 || ::dup2(nowhere, standard) < 0) ::close(standard);
  close_between(STDERR_FILENO + 1, static_cast<unsigned>(answer) - 1);
  close_between(static_cast<unsigned>(answer) + 1, std::numeric_limits<unsigned>::max());
}

// Everything but memory, answering and ending fails with EPERM from here on.
void forbid_system_calls() {
#if defined(__x86_64__) || defined(__aarch64__)
#if defined(__x86_64__)
  constexpr std::uint32_t architecture = AUDIT_ARCH_X86_64;
#else
  constexpr std::uint32_t architecture = AUDIT_ARCH_AARCH64;
#endif
  constexpr int allowed[] = {__NR_read,         __NR_write,          __NR_close,        __NR_lseek,         __NR_mmap,
                             __NR_munmap,       __NR_mremap,         __NR_mprotect,     __NR_madvise,       __NR_brk,
                             __NR_futex,        __NR_rt_sigprocmask, __NR_rt_sigaction, __NR_rt_sigreturn,  __NR_sigaltstack,
                             __NR_getpid,       __NR_gettid,         __NR_sched_yield,  __NR_clock_gettime, __NR_getrandom,
                             __NR_gettimeofday, __NR_exit,           __NR_exit_group};
  constexpr std::size_t count = std::size(allowed);
  std::array<sock_filter, count + 6> program;
  std::size_t next = 0;
  program[next++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch));
  program[next++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0);
  program[next++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  program[next++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
  for (std::size_t i = 0; i < count; ++i)
    program[next++] =
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(allowed[i]), static_cast<std::uint8_t>(count - i), 0);
  program[next++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  program[next++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const sock_fprog filter{static_cast<unsigned short>(next), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
#endif
}

[[noreturn]] void leave(int code) {
#if defined(TESSERA_COVERAGE)
  const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
  ::setrlimit(RLIMIT_FSIZE, &none);
  __gcov_dump();
#endif
  ::_exit(code);
}

void send(int descriptor, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::write(descriptor, bytes.data(), bytes.size());
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) leave(1);
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

void send(int descriptor, Outcome outcome, ByteSpan bytes) {
  const std::byte first{static_cast<unsigned char>(outcome)};
  send(descriptor, {&first, 1});
  send(descriptor, bytes);
}

[[noreturn]] void run_child(const std::function<void()>& prepare, const std::function<Bytes()>& work,
                            const IsolationLimits& limits, int answer, pid_t parent) {
  take_signals();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) leave(1);  // it ended before that
  close_files_but(answer);
  try {
    prepare();
    limit(RLIMIT_CORE, 0), limit(RLIMIT_FSIZE, 0, hardest_file_size);
    limit(RLIMIT_CPU, limits.seconds, limits.seconds + 1);  // SIGXCPU says why; SIGKILL, a second later, cannot be caught
    if (!is_instrumented) {
      limit(RLIMIT_DATA, data_in_use() + limits.memory);
      forbid_system_calls();
    }
    send(answer, Outcome::result, work());
  } catch (const std::bad_alloc&) {
    send(answer, Outcome::no_memory, {});
  } catch (const Error& error) {
    std::string text(1, static_cast<char>(error.code));
    text += error.what();
    send(answer, Outcome::error, bytes_of(text));
  } catch (...) {
    leave(1);
  }
  leave(0);
}

// Both ends above the standard descriptors, which may be closed here and are replaced in the child.
void open_pipe(int (&ends)[2]) {
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  int problem = 0;
  for (int& end : ends)
    if (end <= STDERR_FILENO) {
      const int low = std::exchange(end, ::fcntl(end, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
      if (end < 0) problem = errno;
      ::close(low);
    }
  if (problem == 0) return;
  for (const int end : ends)
    if (end >= 0) ::close(end);
  throw std::system_error(problem, std::generic_category(), "pipe");
}

// The child as its parent has it: whatever happens, it does not stay.
class Child {
 public:
  Child(pid_t id, int answer, unsigned seconds)
      : id_(id), answer_(answer), deadline_(Clock::now() + std::chrono::seconds(seconds)) {}
  ~Child() { kill(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  bool is_late() const { return is_late_; }

  // Bytes that have come, none at the end of the answer or where it is late.
  std::size_t read(std::span<std::byte> to) {
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
      pollfd waiting{answer_, POLLIN, 0};
      const int ready = left > 0 ? ::poll(&waiting, 1, static_cast<int>(std::min<long>(left, 1'000'000))) : 0;
      if (left <= 0) return is_late_ = true, 0;
      if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
      const ssize_t got = ready < 0 ? -1 : ::read(answer_, to.data(), to.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "read from a process");
    }
  }

  // Its status, when it has ended of itself behind its answer; it may have closed that and go on.
  int finish() {
    while (!is_late_ && !wait(WNOHANG)) {
      is_late_ = Clock::now() >= deadline_;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return kill();
  }

  int kill() {
    if (id_ > 0) ::kill(id_, SIGKILL), wait(0);
    if (answer_ >= 0) ::close(std::exchange(answer_, -1));
    return status_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  // Whether it has ended.
  bool wait(int options) {
    pid_t ended = 0;
    while ((ended = ::waitpid(id_, &status_, options)) < 0 && errno == EINTR) {}
    if (ended == 0) return false;
    id_ = 0;
    return true;
  }

  pid_t id_;
  int answer_, status_ = 0;
  Clock::time_point deadline_;
  bool is_late_ = false;
};

}  // namespace

Bytes run_isolated(const std::function<void()>& prepare, const std::function<Bytes()>& work, const IsolationLimits& limits,
                   const std::string& what, ExitCode on_error) {
  int ends[2];
  open_pipe(ends);
  const pid_t parent = ::getpid(), id = ::fork();
  if (id < 0) {
    const int problem = errno;
    ::close(ends[0]), ::close(ends[1]);
    if (problem == ENOMEM) throw std::bad_alloc();
    throw std::system_error(problem, std::generic_category(), "a process to read " + what);
  }
  if (id == 0) {
    ::close(ends[0]);  // else it would write on for itself when its parent has gone
    run_child(prepare, work, limits, ends[1], parent);
  }
  ::close(ends[1]);

  Child child(id, ends[0], limits.wait);
  constexpr std::size_t piece = std::size_t{1} << 20;
  Bytes all;
  bool too_much = false;
  for (std::size_t got = 1; got > 0 && !too_much;) {
    const std::size_t have = all.size();
    all.resize(have + piece);
    got = child.read(std::span(all).subspan(have));
    all.resize(have + got);
    too_much = all.size() > limits.result + 1;
  }
  const int status = too_much ? child.kill() : child.finish();
  if (too_much) fail(on_error, what + ": more than " + std::to_string(limits.result) + " bytes came out of it");
  if (child.is_late())
    fail(on_error, what + ": took longer than " + std::to_string(limits.wait) +
                       " s by the clock; the file is damaged, or the machine has no time for it");
  const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  if (signal == SIGXCPU)
    fail(on_error, what + ": took longer than " + std::to_string(limits.seconds) + " s; the file is damaged");
  if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT)
    throw Error(ExitCode::failure,
                what + ": the process that works on it was told to end (signal " + std::to_string(signal) + ")");
  if (signal != 0)
    fail(on_error, what + ": the library failed on it (signal " + std::to_string(signal) + "); the file is damaged");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || all.empty())
    fail(on_error, what + ": the library failed on it; the file is damaged");
  const auto outcome = static_cast<Outcome>(std::to_integer<char>(all[0]));
  if (outcome == Outcome::no_memory)
    fail(on_error, what + ": takes more memory than its size vouches for; the file is damaged");
  all.erase(all.begin());
  if (outcome == Outcome::error && !all.empty())
    fail(static_cast<ExitCode>(std::to_integer<int>(all[0])), std::string(text_of(ByteSpan(all).subspan(1))));
  return all;
}

}  // namespace tessera
