// The MPI overlay: compiled once with each MPI library that is found, opened by programs that one of them has started.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <fcntl.h>
#include <mpi.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <new>

#include "engine/parallel/mpi_table.h"

namespace {

constexpr int lane_count = 2;

// MPI's state belongs to the process, and so does this: the names of its parts.
MPI_Comm* lanes() {
  static MPI_Comm all[lane_count] = {MPI_COMM_NULL, MPI_COMM_NULL};
  return all;
}

int start(int* rank, int* size) {
  int provided = 0, error = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
  if (error == MPI_SUCCESS && provided < MPI_THREAD_SERIALIZED) error = MPI_ERR_UNSUPPORTED_OPERATION;
  for (int i = 0; i < lane_count && error == MPI_SUCCESS; ++i) {
    error = MPI_Comm_dup(MPI_COMM_WORLD, &lanes()[i]);
    if (error == MPI_SUCCESS) error = MPI_Comm_set_errhandler(lanes()[i], MPI_ERRORS_RETURN);
  }
  if (error == MPI_SUCCESS) error = MPI_Comm_rank(lanes()[0], rank);
  if (error == MPI_SUCCESS) error = MPI_Comm_size(lanes()[0], size);
  return error;
}

int finish() {
  for (int i = 0; i < lane_count; ++i) MPI_Comm_free(&lanes()[i]);
  return MPI_Finalize();
}

void library(char* text, size_t capacity) {
  char name[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(name, &length);
  std::snprintf(text, capacity, "%s", name);
}

void error_text(int error, char* text, size_t capacity) {
  char name[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(error, name, &length);
  std::snprintf(text, capacity, "%s", name);
}

// MPICH's launcher kills the others when it sees a rank go, and then ends with their signal's number, or with the code of
// the first: as its processes happen to be scheduled. Asked by MPI_Abort it ends with the code that it is told, and at
// once: what lies unread in the pipes to it would be lost. MPI_Abort prints a line of its own, though the reason has been
// said.
#ifdef MPICH
void abort_all(int code) {
  for (int patience = 2000, unread = 0; patience > 0; --patience) {
    const auto waits = [&](int pipe) { return ::ioctl(pipe, FIONREAD, &unread) == 0 && unread > 0; };
    if (!waits(STDOUT_FILENO) && !waits(STDERR_FILENO)) break;
    ::usleep(1000);
  }
  ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
  MPI_Abort(MPI_COMM_WORLD, code);
}
#else
constexpr void (*abort_all)(int) = nullptr;
#endif

// A request of MPI's is a number in one library and a pointer in another: it is kept in memory of its own.
template <class Call>
int begin(void** request, const Call& call) {
  auto* const own = new (std::nothrow) MPI_Request(MPI_REQUEST_NULL);
  if (!own) return MPI_ERR_NO_MEM;
  const int error = call(own);
  if (error == MPI_SUCCESS)
    *request = own;
  else
    delete own;
  return error;
}

int all_gather(int lane, const void* mine, void* all, int bytes, void** request) {
  return begin(request, [&](MPI_Request* own) {
    return MPI_Iallgather(mine, bytes, MPI_BYTE, all, bytes, MPI_BYTE, lanes()[lane], own);
  });
}

int broadcast(int lane, void* memory, int bytes, int root, void** request) {
  return begin(request, [&](MPI_Request* own) { return MPI_Ibcast(memory, bytes, MPI_BYTE, root, lanes()[lane], own); });
}

int send(int lane, const void* memory, int bytes, int to, void** request) {
  return begin(request, [&](MPI_Request* own) { return MPI_Isend(memory, bytes, MPI_BYTE, to, 0, lanes()[lane], own); });
}

int receive(int lane, void* memory, int bytes, int from, void** request) {
  return begin(request, [&](MPI_Request* own) { return MPI_Irecv(memory, bytes, MPI_BYTE, from, 0, lanes()[lane], own); });
}

int test(void** request, int* done) {
  auto* const own = static_cast<MPI_Request*>(*request);
  const int error = MPI_Test(own, done, MPI_STATUS_IGNORE);
  if (*done != 0) delete own;
  return error;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const TesseraMpi* tessera_mpi() {
  static const TesseraMpi table = {.version = tessera_mpi_version,
                                   .start = start,
                                   .finish = finish,
                                   .library = library,
                                   .text = error_text,
                                   .abort = abort_all,
                                   .all_gather = all_gather,
                                   .broadcast = broadcast,
                                   .send = send,
                                   .receive = receive,
                                   .test = test};
  return &table;
}
