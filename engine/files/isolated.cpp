#include "engine/files/isolated.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <system_error>

namespace tessera {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool maps_much = true;  // AddressSanitizer's shadow would count as memory taken
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool maps_much = true;
#else
constexpr bool maps_much = false;
#endif
#else
constexpr bool maps_much = false;
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

void limit(decltype(RLIMIT_CPU) resource, std::uint64_t most) {
  rlimit now = {};
  ::getrlimit(resource, &now);
  now.rlim_cur = std::min<rlim_t>(now.rlim_cur, most);
  ::setrlimit(resource, &now);
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

void send(int descriptor, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::write(descriptor, bytes.data(), bytes.size());
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) ::_exit(1);
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

void send(int descriptor, Outcome outcome, ByteSpan bytes) {
  const std::byte first{static_cast<unsigned char>(outcome)};
  send(descriptor, {&first, 1});
  send(descriptor, bytes);
}

[[noreturn]] void run_child(const std::function<void()>& prepare, const std::function<Bytes()>& work,
                            const IsolationLimits& limits, int answer) {
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, SIG_DFL);
  try {
    if (const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC); nowhere >= 0)  // what a library says is nobody's
      for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nowhere, standard);
    prepare();
    limit(RLIMIT_CORE, 0), limit(RLIMIT_FSIZE, 0), limit(RLIMIT_CPU, limits.seconds);
    if (!maps_much) limit(RLIMIT_DATA, data_in_use() + limits.memory);
    forbid_system_calls();
    send(answer, Outcome::result, work());
  } catch (const std::bad_alloc&) {
    send(answer, Outcome::no_memory, {});
  } catch (const Error& error) {
    std::string text(1, static_cast<char>(error.code));
    text += error.what();
    send(answer, Outcome::error, bytes_of(text));
  } catch (...) {
    ::_exit(1);
  }
  ::_exit(0);
}

}  // namespace

Bytes run_isolated(const std::function<void()>& prepare, const std::function<Bytes()>& work, const IsolationLimits& limits,
                   const std::string& what, ExitCode on_error) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) {
    const int problem = errno;
    ::close(ends[0]), ::close(ends[1]);
    throw std::system_error(problem, std::generic_category(), "a process to read " + what);
  }
  if (child == 0) run_child(prepare, work, limits, ends[1]);
  ::close(ends[1]);

  struct Child {  // whatever happens here, it does not stay
    pid_t id;
    int answer, status = 0;
    ~Child() { finish(); }
    void finish() {
      if (id <= 0) return;
      ::close(answer);
      while (::waitpid(id, &status, 0) < 0 && errno == EINTR) {}
      id = 0;
    }
  } process{child, ends[0]};
  constexpr std::size_t piece = std::size_t{1} << 20;
  Bytes all;
  bool too_much = false;
  while (true) {
    const std::size_t have = all.size();
    all.resize(have + piece);
    const ssize_t got = ::read(process.answer, all.data() + have, piece);
    if (got < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "read from a process");
    all.resize(have + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    too_much = all.size() > limits.result + 1;
    if (got == 0 || too_much) break;
  }
  process.finish();
  const int status = process.status;
  if (too_much) fail(on_error, what + ": more than " + std::to_string(limits.result) + " bytes came out of it");
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
    fail(on_error, what + ": took longer than " + std::to_string(limits.seconds) + " s; the file is damaged");
  if (WIFSIGNALED(status))
    fail(on_error,
         what + ": the library failed on it (signal " + std::to_string(WTERMSIG(status)) + "); the file is damaged");
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
