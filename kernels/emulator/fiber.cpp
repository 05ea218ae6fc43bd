#include "kernels/emulator/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#include "kernels/emulator/race.h"
#include "kernels/emulator/sanitizer.h"

#if defined(TESSERA_ASAN)
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// The switch itself. Ours takes about 10 ns: it saves what a called function must preserve, changes stacks and returns
// there. ucontext, for other processors, also saves signal masks with a system call: about 40 times slower.
#if defined(__x86_64__) && !defined(TESSERA_UCONTEXT_FIBERS)
extern "C" void tessera_switch_stack(void** save, void* to);
asm(R"(.text
.globl tessera_switch_stack
.hidden tessera_switch_stack
.type tessera_switch_stack,@function
tessera_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size tessera_switch_stack,.-tessera_switch_stack
)");
#else
#include <ucontext.h>
#define TESSERA_FIBERS_BY_UCONTEXT 1
#endif

namespace tessera::kernels::emulated {
namespace {

#if defined(TESSERA_ASAN) || defined(TESSERA_TSAN)
constexpr std::size_t stack_bytes = 256 << 10;  // red zones around every local, reports in place
#else
constexpr std::size_t stack_bytes = 64 << 10;
#endif

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

Fiber::Fiber() {
#if defined(TESSERA_ASAN)  // which wants to know the stack that it is told to return to
  pthread_attr_t attributes;
  void* low = nullptr;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    pthread_attr_getstack(&attributes, &low, &bytes_);
    pthread_attr_destroy(&attributes);
  }
  low_ = static_cast<char*>(low);
#endif
#if defined(TESSERA_TSAN)
  context_ = __tsan_get_current_fiber();
#endif
#if defined(TESSERA_FIBERS_BY_UCONTEXT)
  stack_pointer_ = new ucontext_t{};
#endif
}

Fiber::Fiber(void (*entry)()) : bytes_(stack_bytes), owned_(true) {
  const std::size_t guard = page_bytes();
  void* memory =
      mmap(nullptr, guard + bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return;
  if (mprotect(memory, guard, PROT_NONE) != 0) {
    munmap(memory, guard + bytes_);
    return;
  }
  low_ = static_cast<char*>(memory) + guard;
#if defined(TESSERA_TSAN)
  context_ = __tsan_create_fiber(0);
#endif
#if defined(TESSERA_FIBERS_BY_UCONTEXT)
  auto* context = new ucontext_t{};
  getcontext(context);
  context->uc_stack.ss_sp = low_;
  context->uc_stack.ss_size = bytes_;
  makecontext(context, entry, 0);
  stack_pointer_ = context;
#else
  // What tessera_switch_stack expects to find: six registers and where to go. The null above is where entry would return
  // to; it also ends a debugger's walk up the stack.
  void** top = reinterpret_cast<void**>(low_ + bytes_);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  stack_pointer_ = top;
#endif
}

Fiber::~Fiber() {
#if defined(TESSERA_FIBERS_BY_UCONTEXT)
  delete static_cast<ucontext_t*>(stack_pointer_);
#endif
  if (!owned_ || !low_) return;
#if defined(TESSERA_TSAN)
  __tsan_destroy_fiber(context_);
#endif
#if defined(TESSERA_ASAN)
  ASAN_UNPOISON_MEMORY_REGION(low_, bytes_);  // frames of an abandoned thread never cleaned up after themselves
#endif
  const std::size_t guard = page_bytes();
  munmap(low_ - guard, guard + bytes_);
}

void Fiber::jump(Fiber& to, [[maybe_unused]] bool forever) {
#if defined(TESSERA_ASAN)
  __sanitizer_start_switch_fiber(forever ? nullptr : &fake_stack_, to.low_, to.bytes_);
#endif
#if defined(TESSERA_TSAN)
  __tsan_switch_to_fiber(to.context_, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(TESSERA_FIBERS_BY_UCONTEXT)
  swapcontext(static_cast<ucontext_t*>(stack_pointer_), static_cast<ucontext_t*>(to.stack_pointer_));
#else
  tessera_switch_stack(&stack_pointer_, to.stack_pointer_);
#endif
#if defined(TESSERA_ASAN)
  __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
#endif
}

void Fiber::started() {
#if defined(TESSERA_ASAN)
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

void Fiber::give_up([[maybe_unused]] Fiber& running) {
#if defined(TESSERA_TSAN)  // ThreadSanitizer alone changes over: there and, with an order, back
  __tsan_switch_to_fiber(context_, __tsan_switch_to_fiber_no_sync);
  __tsan_switch_to_fiber(running.context_, 0);
#endif
}

}  // namespace tessera::kernels::emulated
