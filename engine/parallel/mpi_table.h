// What the MPI overlay gives: the only thing that crosses between this program, which is built without MPI, and a shared
// library that was built with one (mpi/overlay.cpp). In C, since the two may be of different compilers.
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { tessera_mpi_version = 2 };  // of the table: another is refused

// Functions return 0, or an error of MPI's that text() explains. Communication begins with a call and is over when test()
// says so; until then its memory must stay. They may be called from any thread, one at a time. `lane` is 0 or 1: what goes
// on in one lane does not meet what goes on in the other.
struct TesseraMpi {
  int version;
  int (*start)(int* rank, int* size);
  int (*finish)(void);
  void (*library)(char* text, size_t capacity);  // "Open MPI v4.1.4, …"
  void (*text)(int error, char* text, size_t capacity);
  void (*abort)(int code);  // ends all ranks, and their launcher with this code; from any thread; null: see end_all()

  int (*all_gather)(int lane, const void* mine, void* all, int bytes, void** request);
  int (*broadcast)(int lane, void* memory, int bytes, int root, void** request);
  int (*send)(int lane, const void* memory, int bytes, int to, void** request);
  int (*receive)(int lane, void* memory, int bytes, int from, void** request);
  int (*test)(void** request, int* done);  // done: the request is gone
};

typedef const struct TesseraMpi* (*TesseraMpiTable)(void);  // of the symbol `tessera_mpi`

#ifdef __cplusplus
}
#endif
